"""The SDK of OpenAI over aiohttp, as its manual recommends for many calls at once."""

from benchmarks.peers import KEY
from benchmarks.peers.openai import acreate as acreate

REQUIRES = ["openai[aiohttp]==3.54.0"]
PACKAGE = "openai"
IMPORT = "import openai"
ASYNC_ONLY = "the aiohttp backend is for the async client alone"
LACKS = {"create": ASYNC_ONLY, "stream": ASYNC_ONLY, "save": ASYNC_ONLY, "ready": ASYNC_ONLY}


def aconnect(url):
    import openai

    return openai.AsyncOpenAI(api_key=KEY, base_url=url, http_client=openai.DefaultAioHttpClient())
