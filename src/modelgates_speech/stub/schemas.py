"""What fits the schemas of an OpenAPI document: whether a value does, and values that do."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias, cast

import rstr
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from modelgates_speech.config import in_short

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
        words = error.validator in {"pattern", "not"} and fields(error.schema).get("x-means")
        message = f"{error.instance!r} does not match {words}" if words else error.message
        message = _in_json(message, error.instance)
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
        message = f"{name}: {in_short(value)} cannot be written as JSON ({about})"
        raise ValueError(message) from error
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

FORMATS = FormatChecker(["date", "ipv4", "ipv6", "regex"])
_ESCAPE = r"%[\dA-Fa-f]{2}"
_SECONDS = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
_TIME = rf"{_SECONDS}([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
_LABEL = r"(?!-)[A-Za-z\d-]{1,63}(?<!-)"
_HOST = rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*"
_ATOM = r"[A-Za-z\d_!#$%&'*+/=?^`{|}~-]+"
_LOCAL = rf"({_ATOM}(\.{_ATOM})*|\"([^\"\\]|\\.)*\")"
_EMAIL = rf"(?=.{{1,64}}@){_LOCAL}@({_HOST}|\[(IPv6:)?[\dA-Fa-f.:]+\])"


def _of_a_uri(more: str) -> str:
    return rf"([A-Za-z\d_.~!$&'()*+,;={more}-]|{_ESCAPE})*"


_SCHEME = r"[a-zA-Z][a-zA-Z\d+.-]*:"
_SITE = rf"({_of_a_uri(':')}@)?(\[[\dA-Fa-f:.]+\]|{_of_a_uri('')})(:\d*)?(?![^/?#])"
_REST = rf"(//{_SITE}|(?!//)){_of_a_uri(':@/?')}(#{_of_a_uri(':@/?')})?"
_REFERENCE = rf"({_SCHEME}|(?![^/?#]*:)){_REST}"
_NAME = rf"([\w.]|{_ESCAPE})+(\*|:[1-9]\d{{0,3}})?"
_WRITTEN = {
    "duration": (
        r"P(?!\Z|\d+Y\d+D|.*H\d+S)"
        r"(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)"
    ),
    "email": _EMAIL,
    "hostname": _HOST,
    "json-pointer": r"(/([^~/]|~[01])*)*",
    "relative-json-pointer": r"(0|[1-9]\d*)(#|(/([^~/]|~[01])*)*)",
    "time": _TIME,
    "uri": _SCHEME + _REST,
    "uri-reference": _REFERENCE,
    "uri-template": (
        rf"([^\x00-\x20\"%<>\\^`{{|}}]|{_ESCAPE}|\{{[+#./;?&=,!@|]?{_NAME}(,{_NAME})*\}})*"
    ),
    "uuid": r"[\dA-Fa-f]{8}(-[\dA-Fa-f]{4}){3}-[\dA-Fa-f]{12}",
}
for _name in ("uri", "uri-reference", "email", "hostname"):
    # The same with letters of every script.
    _wide = f"idn-{_name}" if "uri" not in _name else _name.replace("uri", "iri")
    _WRITTEN[_wide] = _WRITTEN[_name].replace("A-Za-z", r"A-Za-z\x80-\U0010ffff")


def _check_format(name: str, kind: Any, fits: Callable[[Any], object]) -> None:
    def checked(value: object) -> bool:
        return not isinstance(value, kind) or bool(fits(value))

    FORMATS.checks(name)(checked)


for _name, _pattern in _WRITTEN.items():
    _check_format(_name, str, re.compile(_pattern, re.ASCII).fullmatch)
_check_format("int32", int | float, lambda value: -(2**31) <= value < 2**31)
_check_format("int64", int | float, lambda value: -(2**63) <= value < 2**63)
_check_format(
    "date-time",
    str,
    lambda text: (
        text[10:11] in {"T", "t"}
        and FORMATS.conforms(text[:10], "date")
        and FORMATS.conforms(text[11:], "time")
    ),
)


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


class Samples:
    """The schemas of an OpenAPI document, and what fits them."""

    def __init__(self, contents: Mapping[str, Json]) -> None:
        # References made absolute, any part of the OpenAPI document can be handed to a validator.
        self._contents = cast("dict[str, Json]", absolute(contents))
        resource = DRAFT202012.create_resource(self._contents)
        registry: Registry[Json] = Registry()
        self._registry = registry.with_resource(BASE, resource)
        self._depth = 0

    def _resolve(self, part: Json) -> Json:
        followed: set[Json] = set()
        while reference := fields(part).get("$ref"):
            if reference in followed:
                raise ValueError(f"the reference {reference.removeprefix(BASE)} leads to itself")
            followed.add(reference)
            found: Json = self._registry.resolver(BASE).lookup(reference).contents
            beside = {key: value for key, value in fields(part).items() if key != "$ref"}
            part = {**fields(found), **beside} if beside else found
        return part

    def problem(self, schema: Json, value: Json) -> tuple[str, str] | None:
        """Check a value against a schema: what is wrong, and where (`$.speed`), or None."""
        known: Json = {} if schema is None else schema
        return problem(known, value, registry=self._registry, format_checker=FORMATS)

    def _parts(self, schema: Json, *keys: str) -> list[Mapping[str, Json]]:
        known = fields(self._resolve(schema))
        inner = (each for key in keys for each in known.get(key, []))
        return [known, *(part for each in inner for part in self._parts(each, *keys))]

    def properties(self, schema: Json) -> dict[str, Mapping[str, Json]]:
        """Give what an object may hold, by name, be it said by parts of its schema."""
        found = [fields(part.get("properties")) for part in self._parts(schema, *JOINED)]
        return {
            name: fields(self._resolve(value)) for part in found for name, value in part.items()
        }

    def example(self, schema: Json, hints: Mapping[str, Json]) -> Json:
        """Make a value that fits a schema: its required fields, and those in `hints`."""
        if self._depth > _DEEPEST:
            return None
        self._depth += 1
        try:
            candidates = self._candidates(fields(self._resolve(schema)), hints)
            first = next(candidates)
            tried = itertools.chain([first], candidates)
            return next((value for value in tried if self.problem(schema, value) is None), first)
        finally:
            self._depth -= 1

    def _candidates(self, known: Mapping[str, Json], hints: Mapping[str, Json]) -> Iterator[Json]:
        if "const" in known:
            yield known["const"]
        samples: list[Json] = [known[key] for key in ("example", "default") if key in known]
        samples += [*known.get("examples", []), *known.get("enum", [])]
        kind = known.get("type", "object" if {"properties", "allOf"} & known.keys() else None)
        kinds: Sequence[Json] = cast("Any", kind) if isinstance(kind, list) else [kind]
        if "object" in kinds:
            # A sample says what is not known better here.
            begun = next((fields(each) for each in samples if fields(each)), fields(None))
            yield self._example_object(known, hints, begun)
        yield from samples
        parts = [part for way in JOINED for part in known.get(way, [])]
        if self._depth > _DEEP:
            # What holds itself has to end somewhere.
            parts.sort(key=lambda part: "$ref" in fields(part))
        for part in parts:
            yield self.example(part, hints)
        match kinds[0]:
            case "array":
                least, items = known.get("minItems", 0), known.get("items")
                first = [self.example(part, hints) for part in known.get("prefixItems", [])]
                rest = least - len(first)
                yield first + [self.example(items, hints)] * rest if rest > 0 else first
                if known.get("uniqueItems") and least:
                    others = self._candidates(fields(self._resolve(items)), hints)
                    fits = (each for each in others if self.problem(items, each) is None)
                    yield [*{json.dumps(each): each for each in fits}.values()][:least]
            case "string":
                if text := _OF_FORMAT.get(known.get("format", "")):
                    yield text
                yield "example".ljust(known.get("minLength", 0), "e")[: known.get("maxLength")]
                yield from _OF_FORMAT.values()
                yield from _matching(known.get("pattern", ""))
            case "integer" | "number":
                least = known.get("minimum", known.get("exclusiveMinimum", 0))
                step = known.get("multipleOf", 1)
                even = math.ceil(least / step) * step
                yield from (least, even, even + step, known.get("maximum"))
                if (most := known.get("exclusiveMaximum")) is not None:
                    yield from ((least + most) / 2, most - step)
            case "boolean":
                yield False
            case _:
                yield None

    def _example_object(
        self, schema: Mapping[str, Json], hints: Mapping[str, Json], begun: Mapping[str, Json]
    ) -> Json:
        made: dict[str, Json] = {**begun}
        parts = self._parts(schema, "allOf")
        # In their order, for the same answer in every run.
        required = dict.fromkeys(name for part in parts for name in part.get("required", []))
        for part in schema.get("allOf", []):
            made |= fields(self.example(part, hints))
        described = (pair for part in parts for pair in part.get("properties", {}).items())
        for name, value in described:
            hinted = [hints[name], str(hints[name])] if name in hints else []
            fitting = [hint for hint in hinted if self.problem(value, hint) is None]
            known = fields(self._resolve(value))
            listing = name in _LISTING and known.get("type") == "array"
            if fitting:
                made[name] = fitting[0]
                continue
            # What is there by this name already may have to be completed, or replaced.
            wanted = self.problem(value, made[name]) if name in made else name in required
            if listing or wanted or isinstance(begun.get(name), Mapping):
                known = {"minItems": 1, **known} if listing else known
                known = {**known, "example": begun[name]} if name in begun else known
                made[name] = self.example(known, hints)
        return {name: hints.get(name) for name in required} | made


def _matching(pattern: str) -> Iterator[str]:
    """Give texts that a pattern is likely to take, the same in every run."""
    drawn = rstr.Rstr(random.Random(pattern))  # noqa: S311 - no secret
    # What Python or the library cannot read, such as Unicode properties, has no sample here.
    with contextlib.suppress(re.error, LookupError):
        for _ in range(_DRAWS):
            yield drawn.xeger(in_python(pattern))


# Of schemas in each other: from the first on they are to end, at the second they do.
_DEEP, _DEEPEST = 12, 40
# Lookaheads and lengths refuse some.
_DRAWS = 50
_LISTING = ("detail", "errors")
# A text of each format. Another format, or a pattern, is likely to take one of them.
_OF_FORMAT = {
    "uri": "https://example.com/",
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "a@example.com",
    "uuid": "0c6ff3a4-1f5b-4cc1-9f67-64b9a3a1d1c4",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "time": "00:00:00Z",
    "duration": "P1D",
    "hostname": "example.com",
    "json-pointer": "/example",
    "relative-json-pointer": "0",
    "uri-reference": "/example",
}
