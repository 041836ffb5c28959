"""What texts mean: options of a command, cells of a table, the start of a file."""

import json
import re
from contextlib import suppress
from fractions import Fraction
from typing import Any, NoReturn


def value_of(text: str, kind: str) -> Any:
    """The value that `text` is of the type `kind`: one of JSON's, ``any``, or ``object|string``.

    Of several types, and of any, it is text where it is nothing else.

    Raises:
        ValueError: It is none; the message says what to write.
    """
    kinds = ["any", "string"] if kind == "any" else kind.split("|")
    for each in sorted(kinds, key="string".__eq__):
        with suppress(KeyError, ValueError, RecursionError):
            return _read(text, each)
    wanted = {"boolean": "true or false", "integer": "a whole number"}
    wanted |= dict.fromkeys(("object", "array"), "JSON")
    raise ValueError("write " + " or ".join({wanted.get(each, f"a {each}"): 0 for each in kinds}))


# As spreadsheets write them; Python reads 1_000, nan and digits of other scripts as well.
_NUMBER = re.compile(
    r" *[+-]?(\d{1,300}(\.\d*)?|\.\d+)(e[+-]?\d{1,2})? *", re.ASCII | re.IGNORECASE
)


def _read(text: str, kind: str) -> Any:
    match kind:
        case "number" | "integer" if not _NUMBER.fullmatch(text):
            raise ValueError(text)
        case "number":
            return float(text)
        case "integer":
            # As it is written: a float has no room for every number of a seed.
            number = Fraction(text.strip())
            if number.denominator != 1:
                raise ValueError(text)
            return int(number)
        case "boolean":
            return {"true": True, "false": False}[text.lower()]
        case "object" | "array" if not text.lstrip().startswith({"object": "{"}.get(kind, "[")):
            raise ValueError(text)
        case "object" | "array" | "any":
            return json.loads(text, parse_constant=_refuse)
        case _:
            return text


def wide_encoding(start: bytes) -> str | None:
    """The encoding whose byte order mark a text begins with, if it is not UTF-8's."""
    # UTF-32 first: in little-endian order it begins as UTF-16 does.
    if start.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    return "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else None


def _refuse(constant: str) -> NoReturn:
    # Python reads NaN and Infinity as numbers, JSON does not: to a provider they are words.
    raise ValueError(constant)
