"""This client, as it is installed without extras."""

import sys
from pathlib import Path

from benchmarks.peers import KEY, fields

REQUIRES = ["."]
PACKAGE = "modelgates"
IMPORT = "import modelgates"
LACKS = {}


def options(url):
    return {"api_key": KEY, "base_url": url}


def connect(url):
    from modelgates import ModelGates

    return ModelGates(**options(url))


def create(client, size):
    return client.audio.speech.create(**fields(size)).content


def stream(client, size):
    with client.audio.speech.stream(**fields(size)) as stream:
        yield from stream


def save(client, size, path):
    client.audio.speech.save(path, **fields(size))


def aconnect(url):
    from modelgates import AsyncModelGates

    return AsyncModelGates(**options(url))


async def acreate(client, size):
    return (await client.audio.speech.create(**fields(size))).content


def version():
    return [str(Path(sys.executable).with_name("modelgates")), "--version"]
