"""Bare httpx over pyreqwest's own transport for it: a candidate for the fast transport."""

from benchmarks.peers.httpx import HEADERS
from benchmarks.peers.httpx import acreate as acreate
from benchmarks.peers.httpx import create as create
from benchmarks.peers.httpx import save as save
from benchmarks.peers.httpx import stream as stream

REQUIRES = ["httpx==0.28.1", "pyreqwest==0.15.1"]
PACKAGE = "pyreqwest"
IMPORT = "import httpx, pyreqwest.compatibility.httpx"
LACKS = {}


def connect(url):
    import httpx
    from pyreqwest.compatibility.httpx import SyncHttpxTransport

    return httpx.Client(base_url=url, headers=HEADERS, transport=SyncHttpxTransport())


def aconnect(url):
    import httpx
    from pyreqwest.compatibility.httpx import HttpxTransport

    return httpx.AsyncClient(base_url=url, headers=HEADERS, transport=HttpxTransport())
