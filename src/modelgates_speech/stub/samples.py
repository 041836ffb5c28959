"""What fits the schemas of an OpenAPI document: whether a value does, and values that do."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import rstr
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from modelgates_speech.stub.schemas import (
    BASE,
    FORMATS,
    JOINED,
    Json,
    absolute,
    fields,
    in_python,
    problem,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


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
    "uri-reference": "/example",
}
