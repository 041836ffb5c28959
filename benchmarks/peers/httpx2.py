"""Bare httpx2, which stands on the same engine as this client."""

from benchmarks.peers import KEY, fields, write

REQUIRES = ["httpx2==2.16.2"]
PACKAGE = "httpx2"
IMPORT = "import httpx2"
LACKS = {}
HEADERS = {"Authorization": f"Bearer {KEY}"}
PATH = "/audio/speech"


def connect(url):
    import httpx2

    return httpx2.Client(base_url=url, headers=HEADERS)


def create(client, size):
    return client.post(PATH, json=fields(size)).content


def stream(client, size):
    with client.stream("POST", PATH, json=fields(size)) as response:
        yield from response.iter_bytes()


def save(client, size, path):
    write(path, stream(client, size))


def aconnect(url):
    import httpx2

    return httpx2.AsyncClient(base_url=url, headers=HEADERS)


async def acreate(client, size):
    return (await client.post(PATH, json=fields(size))).content
