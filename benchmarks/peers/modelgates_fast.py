"""This client over the transport of its extra `fast`."""

from benchmarks.peers import KEY
from benchmarks.peers.modelgates import acreate as acreate
from benchmarks.peers.modelgates import create as create
from benchmarks.peers.modelgates import save as save
from benchmarks.peers.modelgates import stream as stream

REQUIRES = [".[fast]"]
PACKAGE = "modelgates"
IMPORT = "import modelgates"
LACKS = {}


def connect(url):
    from modelgates import ModelGates

    return ModelGates(api_key=KEY, base_url=url, transport="fast")


def aconnect(url):
    from modelgates import AsyncModelGates

    return AsyncModelGates(api_key=KEY, base_url=url, transport="fast")
