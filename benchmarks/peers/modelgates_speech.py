"""This client, as it is installed without extras."""

import sys
from pathlib import Path

from benchmarks.peers import fields, options

REQUIRES = ["."]
PACKAGE = "modelgates-speech"
IMPORT = "import modelgates_speech"
LACKS = {}


def connect(url):
    from modelgates_speech import ModelGates

    return ModelGates(**options(url))


def create(client, size):
    return client.audio.speech.create(**fields(size)).content


def stream(client, size):
    with client.audio.speech.stream(**fields(size)) as stream:
        yield from stream


def save(client, size, path):
    client.audio.speech.save(path, **fields(size))


def aconnect(url):
    from modelgates_speech import AsyncModelGates

    return AsyncModelGates(**options(url))


async def acreate(client, size):
    return (await client.audio.speech.create(**fields(size))).content


def version():
    return [str(Path(sys.executable).with_name("modelgates-speech")), "--version"]
