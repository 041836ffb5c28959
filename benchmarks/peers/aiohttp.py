"""Bare aiohttp."""

from benchmarks.peers import KEY, fields

REQUIRES = ["aiohttp==3.14.5"]
PACKAGE = "aiohttp"
IMPORT = "import aiohttp"
ASYNC_ONLY = "aiohttp is async alone"
LACKS = {"create": ASYNC_ONLY, "stream": ASYNC_ONLY, "save": ASYNC_ONLY, "ready": ASYNC_ONLY}


def aconnect(url):
    import aiohttp

    headers = {"Authorization": f"Bearer {KEY}"}
    return aiohttp.ClientSession(headers=headers), f"{url}/audio/speech"


async def acreate(parts, size):
    session, url = parts
    async with session.post(url, json=fields(size)) as response:
        return await response.read()
