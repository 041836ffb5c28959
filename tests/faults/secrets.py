"""Where a key could hide in an object, and the search for it there."""

import pickle
import traceback
from collections.abc import Iterator

from modelgates_speech import ModelGatesError
from tests.faults.calls import KEY


def chain(error):
    """`error`, its causes and its contexts, each once."""
    found, todo = [], [error]
    while todo:
        if (link := todo.pop()) is not None and link not in found:
            found.append(link)
            todo += [link.__cause__, link.__context__]
    return found


def faces(thing) -> Iterator[tuple[str, str]]:
    """Every form in which `thing` is likely to end up in a log or a report."""
    yield "repr", repr(thing)
    yield "str", str(thing)
    yield "format", f"{thing}"
    for name, value in getattr(thing, "__dict__", {}).items():
        yield f"vars()[{name!r}]", repr(value)
    if isinstance(thing, BaseException):
        report = traceback.TracebackException.from_exception(thing, capture_locals=True)
        yield "traceback with locals", "".join(report.format())
    if isinstance(thing, ModelGatesError):
        yield "pickle", pickle.dumps(thing).decode("latin-1")


def assert_keeps_secret(*things, key=KEY):
    """Fail if the key is anywhere in `things`, their causes and contexts included."""
    for thing in things:
        links = chain(thing) if isinstance(thing, BaseException) else [thing]
        for link in links:
            for face, text in faces(link):
                assert key not in text, f"the key is in the {face} of {type(link).__name__}"
