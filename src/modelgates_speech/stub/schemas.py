"""Schemas of the OpenAPI document as the validator takes them, and what it says in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

from jsonschema import FormatChecker

from modelgates_speech.stub.shapes import Json, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE = "urn:modelgates:openapi"


def in_json(message: str, value: Json) -> str:
    """Write a value in a message as JSON has it, where the library writes it as Python does."""
    shown = repr(value)
    return (
        message.replace(shown, json.dumps(value, ensure_ascii=False)) if len(shown) > 1 else message
    )


FORMATS = FormatChecker(["date", "ipv4", "ipv6", "uuid"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment.tzinfo is not None and value[10:11] in {"T", "t", " "}
    return True


def _is_readable(pattern: str) -> bool:
    """Tell whether Python reads a pattern, which is JavaScript's; what it cannot is not judged."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def absolute(part: Json) -> Json:
    """Make references absolute, and say as OpenAPI 3.1 does what 3.0 says in its own way."""
    if isinstance(part, Mapping):
        made = {
            str(key): f"{BASE}{value}"
            if key == "$ref" and str(value).startswith("#")
            else absolute(value)
            for key, value in fields(part).items()
        }
        if made.get("nullable") is True and isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        if isinstance(made.get("pattern"), str) and not _is_readable(made["pattern"]):
            del made["pattern"]
        if isinstance(made.get("patternProperties"), Mapping):
            named = fields(made["patternProperties"])
            made["patternProperties"] = {key: named[key] for key in named if _is_readable(key)}
        for bound, exclusive in _BOUNDS.items():
            if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and bound in made:
                made[exclusive] = made.pop(bound)
        return made
    if isinstance(part, list):
        return [absolute(value) for value in cast("Sequence[Json]", part)]
    return part


_BOUNDS = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}
