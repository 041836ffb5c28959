"""Bare requests."""

from benchmarks.peers import KEY, fields, write

REQUIRES = ["requests==2.34.2"]
PACKAGE = "requests"
IMPORT = "import requests"
LACKS = {"async": "requests is sync alone"}


def connect(url):
    import requests

    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {KEY}"
    return session, f"{url}/audio/speech"


def create(parts, size):
    session, url = parts
    return session.post(url, json=fields(size)).content


def stream(parts, size):
    session, url = parts
    with session.post(url, json=fields(size), stream=True) as response:
        yield from response.iter_content(64 * 1024)


def save(parts, size, path):
    write(path, stream(parts, size))
