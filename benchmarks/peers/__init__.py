"""One module for each peer: how it is installed, and how it does each of the jobs.

A module names what it `REQUIRES`, how it is imported (`IMPORT`), the jobs that it `LACKS` with
the reason for each, and has the functions `connect`, `create`, `stream`, `save`, `aconnect` and
`acreate` for the others. Libraries are imported in `connect` and `aconnect` alone, so that the
time this takes can be measured. Every peer is used as its own documentation says, with its own
defaults.
"""

TEXT = "The quick brown fox jumps over the lazy dog, and nobody is surprised any more."
KEY = "benchmark-key"


def fields(size):
    """The request's JSON; the server reads from the model how many bytes to answer with."""
    return {
        "input": TEXT,
        "model": f"bytes-{size}",
        "voice": "alloy",
        "response_format": "pcm",
    }


def options(url):
    """The settings of this client, at whatever revision."""
    return {"api_key": KEY, "base_url": url}


def write(path, pieces):
    """Write a stream to a file as an example in a manual would."""
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib is not to be measured
        for piece in pieces:
            file.write(piece)
