"""Whether a request is what the OpenAPI document allows; if so, what it says."""

from __future__ import annotations

import hmac
import json
import re
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from modelgates_speech.formats.media_type import named
from modelgates_speech.stub.document import Document, Operation, RefusedError
from modelgates_speech.stub.schemas import Json, fields, scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from starlette.datastructures import Headers
    from starlette.requests import Request

# Stricter clients send a token of fewer characters; keys of real APIs have others.
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)

# Several times what a million characters take; a runaway loop must not fill the machine.
LARGEST_BODY = 16 * 1024 * 1024
# Deeper than anybody writes, and less than what looks at the body later can follow.
DEEPEST_BODY = 200
# More than anybody sends; parsing a million would hold up everybody else.
MOST_VALUES = 100_000
# What a body is as large as: a text, which holds nothing, or what begins or ends something.
_PART = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{},]', re.DOTALL)
_DEEPER = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


async def read(request: Request) -> bytes:
    """Read a body whole: 400 where it is too large."""
    received, size = bytearray(), 0
    async for chunk in request.stream():
        # A body too large is still read to its end, as a client that is writing does not listen.
        size += len(chunk)
        received += chunk if size <= LARGEST_BODY else b""
    if size > LARGEST_BODY:
        raise RefusedError(400, f"The body is larger than {LARGEST_BODY} bytes")
    return bytes(received)


def authorize(operation: Operation, headers: Headers, *, api_key: str, any_key: bool) -> None:
    """Check the credentials of a request: 401 where they are missing, malformed or wrong."""
    given = {name: headers.getlist(name) for name in operation.credentials if name in headers}
    if not given and not operation.anonymous:
        names = " or ".join(operation.credentials)
        raise _unauthorized(f"No credentials: the header {names} is missing")
    wrong: list[str] = []
    for name, (key, *more) in given.items():
        is_bearer = operation.credentials[name]
        found = _BEARER.fullmatch(key.strip()) if is_bearer else None
        said = (found[1] if found else key).encode()
        if more:
            wrong.append(f"The header {name} comes more than once")
        elif is_bearer and not found:
            wrong.append(f"The header {name} must be `Bearer`, a space and the key")
        elif not (any_key or hmac.compare_digest(said, api_key.encode())):
            wrong.append("Invalid API key: the stub accepts only the one it started with")
    # One of several ways to say who calls is enough.
    if wrong and len(wrong) == len(given):
        raise _unauthorized(wrong[0])


def _unauthorized(message: str) -> RefusedError:
    return RefusedError(401, message, headers={"WWW-Authenticate": "Bearer"})


def validate(document: Document, operation: Operation, request: Request, raw: bytes) -> Json:
    """Give what a request says: 400 where it is not what the OpenAPI document asks for."""
    encoding = ", ".join(request.headers.getlist("content-encoding"))
    if {each.strip() for each in encoding.lower().split(",")} - {"", "identity"}:
        raise RefusedError(
            400, f"Content-Encoding is {encoding}: the body must be sent as it is, not compressed"
        )
    body = _parse_body(document, operation, request.headers.get("content-type"), raw)
    _check_parameters(document, operation, request)
    return body


def _parse_body(
    document: Document, operation: Operation, content_type: str | None, raw: bytes
) -> Json:
    """Read and validate a body; None for none, where the OpenAPI document lets it be left out."""
    if not operation.bodies or (not raw and content_type is None and not operation.body_required):
        return None
    given_type = (content_type or "").partition(";")[0].strip().lower()
    # The narrowest range that it is in.
    types = {kind: kind.partition(";")[0].rstrip() for kind in operation.bodies}
    fitting = [kind for kind in types if fnmatchcase(given_type, types[kind])]
    media_type = min(fitting, key=lambda kind: kind.count("*"), default="")
    if not media_type:
        accepted = ", ".join(operation.bodies)
        given = "missing" if content_type is None else repr(content_type)
        raise RefusedError(400, f"Content-Type is {given}, must be {accepted}")
    if not given_type.endswith(("/json", "+json")):
        return raw
    charset = named(content_type or "")[1].get("charset", "utf-8")
    if not re.fullmatch("utf[-_]?8|(us-)?ascii", charset, re.IGNORECASE):
        raise RefusedError(400, f"JSON is UTF-8, not {charset!r}")
    value = parse_json(raw)
    try:
        problem = document.problem(operation.bodies[media_type], value)
    except RecursionError as error:
        raise RefusedError(400, "The body is nested too deeply") from error
    if problem:
        message, path = problem
        raise RefusedError(400, f"Invalid request: {message} (at {path})", metadata={"path": path})
    return value


def parse_json(raw: bytes) -> Json:
    """Parse JSON and nothing but JSON: 400 for duplicate keys, NaN, a BOM or half a character."""
    if len(raw) > MOST_VALUES or raw.count(b"[") + raw.count(b"{") > DEEPEST_BODY:
        _check_size(raw)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
        )
        if _HALF_PAIR.search(raw):
            # It gets through the parser, alone too, and then cannot be written as UTF-8.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"The body is not UTF-8: byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise RefusedError(400, "The body has half a surrogate pair in it") from error
    except ValueError as error:
        raise RefusedError(400, f"The body is not JSON: {error}") from error
    return value


def _check_size(raw: bytes) -> None:
    """Look at what stands outside of texts, before anything is made of it."""
    values = depth = 0
    for number, part in enumerate(_PART.finditer(raw)):
        values += part[0] in b",[{"
        depth += _DEEPER.get(part[0], 0)
        # A value has no more than a name, a text, a comma and two brackets.
        if values > MOST_VALUES or number > 5 * MOST_VALUES:
            raise RefusedError(400, f"The body holds more than {MOST_VALUES} values")
        if depth > DEEPEST_BODY:
            raise RefusedError(400, "The body is nested too deeply")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, times in counted.items() if times > 1)
        raise ValueError(f"the key {twice!r} comes twice")
    return made


def _constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


def _number(digits: str) -> int | float:
    # 3.0 is a whole number to JSON.
    number = float(digits)
    return int(number) if number.is_integer() else number


def _integer(digits: str) -> int | float:
    # int() refuses many digits, and is slow on nearly as many.
    return int(digits) if len(digits) < 4000 else float(digits)


def _check_parameters(document: Document, operation: Operation, request: Request) -> None:
    """Check query, headers and cookies."""
    for parameter in operation.parameters:
        name, place = parameter["name"], parameter["in"]
        given = {
            "query": request.query_params.multi_items(),
            "header": [(name, value) for value in request.headers.getlist(name)],
            "cookie": [*request.cookies.items()],
        }
        media = next(iter(fields(parameter.get("content")).values()), parameter)
        schema = media.get("schema", True)
        known = document.properties(schema)
        readings = [*_readings(parameter, given[place], known)]
        if parameter.get("allowEmptyValue") and [v for k, v in given[place] if k == name] == [""]:
            continue
        if not readings:
            # Of an object, all whose properties may be left out, there is nothing to see.
            is_there = known and document.problem(schema, {}) is None
            if parameter.get("required") and not is_there:
                raise RefusedError(400, f"The {place} {name} is missing")
            continue
        problems = [document.problem(schema, value) for value in readings]
        if all(problems):
            told = [problem[0] for problem in problems if problem]
            message = next((each for each in told if " is not of type " not in each), told[0])
            raise RefusedError(400, f"Invalid {place} {name}: {message}")


_SEPARATORS = {"pipeDelimited": "|", "spaceDelimited": " "}


def _readings(
    parameter: Mapping[str, Json],
    pairs: Sequence[tuple[str, str]],
    known: Mapping[str, Mapping[str, Json]],
) -> Iterator[Json]:
    """Every value that the text may stand for: a parameter carries no type of its own."""
    name = parameter["name"]
    values = [value for key, value in pairs if key == name]
    if values and "content" in parameter:
        yield scalar(values[0])
        return
    if values == [""]:
        yield {}
    if values:
        separator = _SEPARATORS.get(parameter.get("style", ""), ",")
        listed = [part for value in values for part in value.split(separator)]
        yield from (values[0], scalar(values[0]), listed, [scalar(part) for part in listed])
        yield [*values]
        yield from _objects(zip(listed[::2], listed[1::2], strict=False), known)
        yield from _objects((part.split("=", 1) for part in listed if "=" in part), known)
    # The properties of an object may come as parameters of their own.
    if not values and parameter["in"] == "query":
        inner = [(re.fullmatch(rf"{re.escape(name)}\[(.*)\]", key), text) for key, text in pairs]
        parts = [(found[1], text) for found, text in inner if found]
        yield from _objects(parts or (pair for pair in pairs if pair[0] in known), known)


def _objects(
    pairs: Iterable[Sequence[str]], known: Mapping[str, Mapping[str, Json]]
) -> Iterator[Json]:
    """The objects that these may be the properties of: those that may be text left as they are."""
    texts = {name: value for name, value in pairs}  # noqa: C416 - of pairs that are lists, too
    made = {
        name: value if known.get(name, {}).get("type") == "string" else scalar(value)
        for name, value in texts.items()
    }
    yield from filter(None, (made, texts))
