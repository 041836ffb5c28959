"""This client as it was at another revision: `nox -s bench -- --before REV`."""

import os
from importlib import import_module
from importlib.util import find_spec

from benchmarks.peers import fields, options

# The folder that the revision was exported to.
FOLDER = os.environ.get("BENCHMARK_BEFORE", "")
REQUIRES = [FOLDER]
# The import had another name once.
MODULE = "modelgates_speech" if find_spec("modelgates_speech") else "modelgates"
PACKAGE = MODULE.replace("_", "-")
IMPORT = f"import {MODULE}"
LACKS = {}


def connect(url):
    return import_module(MODULE).ModelGates(**options(url))


def create(client, size):
    return client.audio.speech.create(**fields(size)).content


def stream(client, size):
    with client.audio.speech.stream(**fields(size)) as stream:
        yield from stream


def save(client, size, path):
    client.audio.speech.save(path, **fields(size))


def aconnect(url):
    return import_module(MODULE).AsyncModelGates(**options(url))


async def acreate(client, size):
    return (await client.audio.speech.create(**fields(size))).content
