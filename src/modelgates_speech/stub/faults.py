"""The ways in which the stub can misbehave, in one table; without the web framework."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MAGIC_PREFIX = "stub/"


class Kind(NamedTuple):
    """A row of the table: what a fault is called, what it does, and what can be set about it."""

    name: str
    does: str
    options: tuple[str, ...]


def _kinds() -> Iterator[Kind]:
    """Read the table where programs in other languages read it as well."""
    control = json.loads(Path(__file__).with_name("control.json").read_text("utf-8"))
    body = control["paths"]["/_stub/faults"]["post"]["requestBody"]
    for kind in body["content"]["application/json"]["schema"]["oneOf"]:
        fault, _, *options = kind["properties"]
        name = kind["properties"][fault].get("const", "400 ... 599")
        yield Kind(name, kind["description"], tuple(options))


STATUS, *_others = _kinds()
KINDS = {kind.name: kind for kind in _others}


class FaultOptions(TypedDict, total=False):
    """What can be set about a fault; each kind takes only some, see the table."""

    retry_after: float | str
    message: str
    metadata: Mapping[str, Any]
    body: bytes | str | Mapping[str, Any]
    content_type: str
    headers: Mapping[str, str]
    after: int
    delay: float
    interval: float
    to: str


@dataclass(frozen=True)
class Fault:
    """One misbehaviour: a status such as `"503"` or a name from the table, and its settings.

    Arguments:
        name: a status between 400 and 599, or a name from `KINDS`.
        retry_after: what the `Retry-After` header says: seconds, or an HTTP date.
        message: the error's message.
        metadata: the error's `metadata` (documented errors only).
        body: sent in place of the documented error body; a mapping is sent as JSON.
        content_type: the content type of the answer.
        headers: added to the answer.
        after: bytes of audio sent before the fault, 1000 unless said.
        delay: seconds, 1 unless said.
        interval: seconds between two bytes, 0.1 unless said.
        to: where a redirect points.

    Raises:
        ValueError: there is no such fault, or it does not take one of the settings.

    Examples:
        >>> modelgates_stub.fail_next(Fault("cut", after=100))
        >>> with pytest.raises(IncompleteAudioError):
        ...     client.audio.speech.create(model="any/model", voice="alloy", input="Hello")
    """

    name: str
    _: dataclasses.KW_ONLY
    retry_after: float | str | None = None
    message: str | None = None
    metadata: Mapping[str, Any] | None = None
    body: bytes | str | Mapping[str, Any] | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    after: int = 1000
    delay: float = 1.0
    interval: float = 0.1
    to: str = "https://elsewhere.invalid/"

    def __post_init__(self) -> None:
        kind = STATUS if self.status else KINDS.get(self.name)
        if kind is None:
            known = f"use a status from 400 to 599, or one of {', '.join(KINDS)}"
            raise ValueError(f"no fault is called {self.name!r}: {known}")
        for name in ("after", "delay", "interval"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < math.inf):
                raise ValueError(f"{name} is a number, 0 or more, not {value!r}")
        if self.after != int(self.after):
            raise ValueError(f"after is a whole number of bytes, not {self.after!r}")
        if isinstance(self.retry_after, int | float) and not 0 <= self.retry_after < math.inf:
            raise ValueError(f"retry_after is 0 or more seconds, not {self.retry_after!r}")
        texts = [(name, getattr(self, name)) for name in ("retry_after", "to", "content_type")]
        texts += [(f"headers[{name!r}]", value) for name, value in self.headers.items()]
        for name, value in texts:
            if not _HEADER.fullmatch(str(value)):
                raise ValueError(f"{name} must be what a header can hold, not {value!r}")
        if stray := [name for name in self._given() if name not in kind.options]:
            takes = ", ".join(kind.options) or "nothing"
            raise ValueError(f"the fault {self.name!r} takes {takes}, not {', '.join(stray)}")

    @property
    def status(self) -> int | None:
        """The HTTP status, for a fault that is one."""
        known = self.name.isascii() and self.name.isdigit() and 400 <= int(self.name) <= 599
        return int(self.name) if known else None

    def __str__(self) -> str:
        given = [f"{name}={getattr(self, name)!r}" for name in self._given()]
        return f"{self.name} ({', '.join(given)})" if given else self.name

    def _given(self) -> list[str]:
        names = FaultOptions.__annotations__
        return [name for name in names if getattr(self, name) != getattr(Fault, name, {})]


_HEADER = re.compile(r"[\x20-\x7e]*")


def from_model(model: str) -> tuple[Fault, int | None] | None:
    """Read a magic model name such as `stub/429?retry-after=1&times=2`.

    Gives the fault, and after how many times the model answers normally once (None: never). What
    starts like a magic name and is none is a ValueError that says what there is.
    """
    if not model.startswith(MAGIC_PREFIX):
        return None
    name, _, query = model.removeprefix(MAGIC_PREFIX).partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        settings = _read(pairs, _IN_MODEL_NAMES)
        times: int | None = settings.pop("times", None)
        if times is not None and times < 1:
            raise ValueError(f"times must be 1 or more, not {times}")
        return Fault(name, **settings), times
    except ValueError as error:
        raise ValueError(f"{model!r} is not a magic model of this stub: {error}") from error


def from_preference(headers: Iterable[str]) -> Fault | None:
    """Read the fault that a `Prefer` header asks for, as Prism's: `fault=cut; after=9`."""
    for preference in (part for header in headers for part in header.split(",")):
        pairs = (part.partition("=") for part in preference.split(";"))
        (first, name), *rest = [(key.strip(), text.strip(' \t"')) for key, _, text in pairs]
        if first.lower() in {"code", "fault"}:
            return Fault(name, **_read(rest, _IN_MODEL_NAMES.keys() - {"times"}))
    return None


def _read(pairs: Iterable[tuple[str, str]], allowed: Iterable[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, text in pairs:
        if key not in allowed:
            raise ValueError(f"it may say {', '.join(sorted(allowed))}, not {key!r}")
        try:
            settings[key.replace("-", "_")] = _IN_MODEL_NAMES[key](text)
        except ValueError:
            kind = "a whole number" if _IN_MODEL_NAMES[key] is int else "a number"
            raise ValueError(f"{key} is {kind}, not {text!r}") from None
    return settings


_IN_MODEL_NAMES: dict[str, Callable[[str], object]] = {
    "times": int,
    "retry-after": str,
    "message": str,
    "after": int,
    "delay": float,
    "interval": float,
    "to": str,
}


def describe() -> str:
    """Say every magic model name and what it does, a line each, for people."""
    rows = [(f"{MAGIC_PREFIX}{kind.name}", kind.does) for kind in (STATUS, *KINDS.values())]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {does}" for name, does in rows]
    lines += [
        "",
        "Settings follow a question mark: stub/429?retry-after=1, stub/cut?after=5000. There are",
        f"{', '.join(_IN_MODEL_NAMES)}; a fault takes those that concern it.",
        "stub/503?times=2 fails twice, then answers once as usual, then begins again.",
    ]
    return "\n".join(lines)
