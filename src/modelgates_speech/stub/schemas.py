"""Schemas of the OpenAPI document as the validator takes them, and what it says in words."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from modelgates_speech.config import in_short

if TYPE_CHECKING:
    from collections.abc import Callable

# JSON is of any shape until it has been validated, and validating is not for the type checker.
Json: TypeAlias = Any


def fields(value: Json) -> Mapping[str, Json]:
    """Look at a JSON value as an object; at anything else as an object without fields."""
    return cast("Mapping[str, Json]", value) if isinstance(value, Mapping) else {}


BASE = "urn:modelgates:openapi"
# How schemas are made of others.
JOINED = ("allOf", "anyOf", "oneOf")


def _in_json(message: str, value: Json) -> str:
    """Write a value in a message as JSON has it, where the library writes it as Python does."""
    shown, meant = repr(value), json.dumps(value, ensure_ascii=False)
    return message.replace(shown, meant) if len(shown) > 1 else message


def problem(schema: Json, value: Json, **known: Any) -> tuple[str, str] | None:
    """Check a value against a schema: what is wrong, and where (`$.speed`), or None."""
    for error in Validator(schema, **known).iter_errors(value):
        # A message quotes the value it is about, which may be a book.
        message = _in_json(error.message, error.instance)
        if error.validator == "enum":
            message = _in_json(message, error.validator_value)
        return message if len(message) < 300 else f"{message[:300]}...", error.json_path
    return None


def check(name: str, value: object, schema: Mapping[str, Json]) -> None:
    """Refuse a value of the control that does not fit its schema: a `ValueError` that names it."""
    about = schema["description"].rstrip(".")
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False, default=dict)
        plain = json.loads(written.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{name}: {in_short(value)} cannot be written as JSON ({about})"
        ) from error
    if found := problem(schema, plain):
        raise ValueError(f"{name}: {found[0]} ({about})")


@functools.cache
def in_python(pattern: str) -> str:
    """Say as Python does what JavaScript means by a pattern: digits are ASCII, the end is it."""

    def said(found: re.Match[str]) -> str:
        if found[0].startswith("["):
            return re.sub(r"\\.", lambda each: _IN_A_CLASS.get(each[0], each[0]), found[0])
        return _ALONE.get(found[0], found[0])

    return re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]|\(\?<(?![=!])|\$", said, pattern)


_IN_A_CLASS = {r"\d": "0-9", r"\w": "A-Za-z0-9_"}
_ALONE = {
    **{escape: f"[{members}]" for escape, members in _IN_A_CLASS.items()},
    **{escape.upper(): f"[^{members}]" for escape, members in _IN_A_CLASS.items()},
    "$": r"\Z",
    "(?<": "(?P<",
}


def _patterned(_validator: Any, pattern: str, instance: Json, _schema: Json) -> Any:
    try:
        fits = not isinstance(instance, str) or re.search(in_python(pattern), instance)
    except re.error:
        return  # What Python cannot read it does not judge.
    if not fits:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _in_steps(_validator: Any, step: Json, instance: Json, _schema: Json) -> Any:
    if isinstance(instance, int | float) and not isinstance(instance, bool):
        # As they are written: in binary 0.3 is no multiple of 0.1.
        infinite = isinstance(instance, float) and math.isinf(instance)
        if infinite or (Fraction(str(instance)) / Fraction(str(step))).denominator != 1:
            yield ValidationError(f"{instance!r} is not a multiple of {step!r}")


# Keywords that say what a value must be; others are for people.
_ASKING: Mapping[str, Any] = cast("Any", Draft202012Validator).VALIDATORS


def _each(keyword: str) -> Any:
    """What a keyword asks of each of many values, which is not asked where it says nothing."""

    def checked(validator: Any, part: Json, instance: Json, schema: Json) -> Any:
        if part is False or fields(part).keys() & _ASKING:
            yield from _ASKING[keyword](validator, part, instance, schema)

    return checked


_KEYWORDS = {"pattern": _patterned, "multipleOf": _in_steps} | {
    keyword: _each(keyword) for keyword in ("additionalProperties", "items")
}
Validator: Any = cast("Any", validators).extend(Draft202012Validator, _KEYWORDS)

FORMATS = FormatChecker(["date", "ipv4", "ipv6", "uuid", "regex"])
_SECONDS = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
_EMAIL = r"[^@\s]+@[^@\s]+"
_WRITTEN = {
    "duration": r"P(?!$)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)",
    "email": _EMAIL,
    "idn-email": _EMAIL,
    "hostname": r"(?=.{1,253}$)(?!-)[A-Za-z\d-]{1,63}(?<!-)(\.(?!-)[A-Za-z\d-]{1,63}(?<!-))*",
    "iri": r"[A-Za-z][A-Za-z\d+.-]*:[^\s<>\"{}|\\^`]*",
    "json-pointer": r"(/([^~/]|~[01])*)*",
    "relative-json-pointer": r"(0|[1-9]\d*)(#|(/([^~/]|~[01])*)*)",
    "time": rf"{_SECONDS}([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    "uri": r"[A-Za-z][A-Za-z\d+.-]*:([\w.~:/?#\[\]@!$&'()*+,;=-]|%[\dA-Fa-f]{2})*",
    "uri-reference": r"([\w.~:/?#\[\]@!$&'()*+,;=-]|%[\dA-Fa-f]{2})*",
}


def _is_written(pattern: str) -> Callable[[object], bool]:
    written = re.compile(pattern, re.ASCII)
    return lambda value: not isinstance(value, str) or bool(written.fullmatch(value))


for _name, _pattern in _WRITTEN.items():
    FORMATS.checks(_name)(_is_written(_pattern))


def _fits(most: int) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, int | float) or -most <= value < most


FORMATS.checks("int32")(_fits(2**31))
FORMATS.checks("int64")(_fits(2**63))


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment.tzinfo is not None and value[10:11] in {"T", "t", " "}
    return True


def scalar(text: str) -> Json:
    """Read what comes as text: the JSON that it is, or else itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _or_null(schema: dict[str, Json]) -> dict[str, Json]:
    # Of what else the schema says, OpenAPI 3.0 has not always been clear; what is meant is.
    if not isinstance(schema.get("type"), str) or any(word in schema for word in JOINED):
        return {"anyOf": [schema, {"type": "null"}]}
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **values, "type": [schema["type"], "null"]}


def absolute(part: Json) -> Json:
    """Make references absolute, and say as OpenAPI 3.1 does what 3.0 says in its own way."""
    if isinstance(part, Mapping):
        made = {
            str(key): f"{BASE}{value}"
            if key == "$ref" and str(value).startswith("#")
            else absolute(value)
            for key, value in fields(part).items()
        }
        for bound in ("minimum", "maximum"):
            exclusive = f"exclusive{bound.capitalize()}"
            if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and bound in made:
                made[exclusive] = made.pop(bound)
        return _or_null(made) if made.get("nullable") is True and made.keys() & _ASKING else made
    if isinstance(part, list):
        return [absolute(value) for value in cast("Sequence[Json]", part)]
    return part
