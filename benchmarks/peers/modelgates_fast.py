"""This client over the transport of its extra `fast`."""

from benchmarks.peers import KEY
from benchmarks.peers.modelgates_speech import acreate as acreate
from benchmarks.peers.modelgates_speech import create as create
from benchmarks.peers.modelgates_speech import save as save
from benchmarks.peers.modelgates_speech import stream as stream

REQUIRES = [".[fast]"]
PACKAGE = "modelgates-speech"
IMPORT = "import modelgates_speech"
LACKS = {}


def connect(url):
    from modelgates_speech import ModelGates

    return ModelGates(api_key=KEY, base_url=url, transport="fast")


def aconnect(url):
    from modelgates_speech import AsyncModelGates

    return AsyncModelGates(api_key=KEY, base_url=url, transport="fast")
