"""The generated package by itself, without the wrapper around it."""

import importlib
import re
from pathlib import Path

from benchmarks.peers import KEY, fields

# The wheel holds both packages; what the bare one needs is less.
REQUIRES = ["httpx==0.28.1", "attrs==26.1.0"]
PACKAGE = "httpx"
# Read, not imported: what it takes to import is measured.
SOURCE = Path(__file__).parents[2] / "src" / "modelgates_speech"
BINDING = (SOURCE / "_binding.py").read_text("utf-8")
TAG, OPERATION = re.search(r"from (\S+) import (\w+) as speech_operation", BINDING).groups()
IMPORT = f"from {TAG} import {OPERATION}"
LACKS = {
    "stream": "it buffers the whole body",
    "save": "it buffers the whole body",
}


def client(url):
    from modelgates_api import AuthenticatedClient
    from modelgates_api.models.speech_request import SpeechRequest

    operation = importlib.import_module(f"{TAG}.{OPERATION}")
    return operation, SpeechRequest, AuthenticatedClient(base_url=url, token=KEY)


def connect(url):
    made = client(url)
    made[2].get_httpx_client()
    return made


def arguments(parts, size):
    _, request, authenticated = parts
    return {"client": authenticated, "body": request.from_dict(fields(size))}


def create(parts, size):
    return parts[0].sync(**arguments(parts, size)).payload.getvalue()


def aconnect(url):
    return client(url)


async def acreate(parts, size):
    return (await parts[0].asyncio(**arguments(parts, size))).payload.getvalue()
