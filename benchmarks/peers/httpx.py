"""Bare httpx, which many peers are built on."""

from benchmarks.peers import KEY, fields, write

REQUIRES = ["httpx==0.28.1"]
PACKAGE = "httpx"
IMPORT = "import httpx"
LACKS = {}
HEADERS = {"Authorization": f"Bearer {KEY}"}
PATH = "/audio/speech"


def connect(url):
    import httpx

    return httpx.Client(base_url=url, headers=HEADERS)


def create(client, size):
    return client.post(PATH, json=fields(size)).content


def stream(client, size):
    with client.stream("POST", PATH, json=fields(size)) as response:
        yield from response.iter_bytes()


def save(client, size, path):
    write(path, stream(client, size))


def aconnect(url):
    import httpx

    return httpx.AsyncClient(base_url=url, headers=HEADERS)


async def acreate(client, size):
    return (await client.post(PATH, json=fields(size))).content
