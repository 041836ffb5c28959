"""Bare httpx over aiohttp: a candidate for the fast transport."""

from benchmarks.peers.httpx import HEADERS
from benchmarks.peers.httpx import acreate as acreate

REQUIRES = ["httpx==0.28.1", "httpx-aiohttp==0.2.0", "aiohttp==3.14.5"]
PACKAGE = "httpx-aiohttp"
IMPORT = "import httpx, httpx_aiohttp"
ASYNC_ONLY = "aiohttp is async alone"
LACKS = {"create": ASYNC_ONLY, "stream": ASYNC_ONLY, "save": ASYNC_ONLY, "ready": ASYNC_ONLY}


def aconnect(url):
    import httpx
    from httpx_aiohttp import AiohttpTransport

    return httpx.AsyncClient(base_url=url, headers=HEADERS, transport=AiohttpTransport())
