"""A fault as one request meets it, and how requests ask for one; without the web framework."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any, TypedDict, Unpack
from urllib.parse import parse_qsl
from urllib.request import parse_http_list

import attrs

from modelgates_speech.stub.schemas import check, problem, scalar
from modelgates_speech.stub.usage import KINDS, MAGIC_PREFIX, STATUS, TIMES


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


@attrs.define(init=False)
class Fault:
    """One misbehaviour: a status such as `"503"` or a name from the table, and its settings.

    Args:
        name: A status between 400 and 599, or a name from `KINDS`.
        given: The settings. `retry_after` is what the header `Retry-After` says: seconds or an HTTP
            date; `message` and `metadata` are those of a documented error; `body` is sent in its
            place, a mapping as JSON; `content_type` is the answer's, and `headers` are added to it;
            `after` is how many bytes of audio come before the fault (1000); `delay` is in seconds
            (1), as is the `interval` between two bytes (0.1); `to` is where a redirect points.

    Raises:
        ValueError: There is no such fault, or it does not take one of the settings.

    Examples:
        >>> modelgates_stub.fail_next(Fault("cut", after=100))
        >>> with pytest.raises(IncompleteAudioError):
        ...     client.audio.speech.create(model="any/model", voice="alloy", input="Hello")
    """

    name: str
    given: FaultOptions

    def __init__(self, name: str, /, **given: Unpack[FaultOptions]) -> None:
        self.name, self.given = name, given
        takes = _options(name)
        if stray := [option for option in given if option not in takes]:
            allowed = ", ".join(takes) or "nothing"
            raise ValueError(f"the fault {name!r} takes {allowed}, not {', '.join(stray)}")
        for option, value in given.items():
            if not (option == "body" and isinstance(value, bytes)):
                check(option, value, takes[option])
            if isinstance(value, float) and takes[option].get("type") == "integer":
                given[option] = int(value)  # type: ignore[literal-required]

    def __getitem__(self, option: str) -> Any:
        """What is set, or what the table has for it, or None."""
        return self.given.get(option, _options(self.name).get(option, {}).get("default"))

    def __str__(self) -> str:
        given = [f"{option}={value!r}" for option, value in self.given.items()]
        return f"{self.name} ({', '.join(given)})" if given else self.name


def _options(name: str) -> Mapping[str, Mapping[str, Any]]:
    """The schemas of what can be set about a fault."""
    kind = STATUS if re.fullmatch("[45][0-9][0-9]", name) else KINDS.get(name)
    if kind is None:
        known = f"use a status from 400 to 599, or one of {', '.join(KINDS)}"
        raise ValueError(f"no fault is called {name!r}: {known}")
    return kind.options


def from_model(model: str) -> tuple[Fault, int | None] | None:
    """Read a magic model name such as `stub/429?retry-after=1&times=2`.

    Gives the fault, and after how many times the model answers normally once (None: never). What
    starts like a magic name and is none is a ValueError that says what there is.
    """
    if not model.startswith(MAGIC_PREFIX):
        return None
    name, _, query = model.removeprefix(MAGIC_PREFIX).partition("?")
    try:
        texts = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        times = scalar(texts.pop("times", "null"))
        if times is not None:
            check("times", times, TIMES)
        return _from_texts(name, texts), times
    except ValueError as error:
        raise ValueError(f"{model!r} is not a magic model of this stub: {error}") from error


def from_preference(headers: Iterable[str]) -> Fault | None:
    """Read the fault that a `Prefer` header asks for, as Prism's: `fault=cut; after=9`."""
    for preference in parse_http_list(",".join(headers)):
        header = Message()
        header["Prefer"] = preference
        params = header.get_params([("", "")], "Prefer")  # `to*=utf-8''...` comes in parts
        (first, name), *rest = ((key, collapse_rfc2231_value(text)) for key, text in params)
        if first in {"code", "fault"} and not re.fullmatch("2[0-9][0-9]", name):
            return _from_texts(name, dict(filter(any, rest)))
    return None


def _from_texts(name: str, texts: Mapping[str, str]) -> Fault:
    """Make a fault whose settings come as text, with a hyphen where Python has none in names."""
    options = _options(name)
    given: dict[str, Any] = {}
    for key, text in texts.items():
        option = key.replace("-", "_")
        kinds, read = options.get(option, {}).get("type", ()), scalar(text)
        # JSON, where that is allowed; `message` is text even if it is a number.
        is_text = isinstance(read, str) or problem({"type": kinds}, read)
        given[option] = text if "string" in kinds and is_text else read
    return Fault(name, **given)
