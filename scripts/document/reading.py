"""Read a file that may be an OpenAPI document, without trusting it.

What would exhaust a tool (size, aliases of aliases, nesting) is refused here, before any tool.
"""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard

from ruamel.yaml.error import YAMLError

from scripts.document.nodes import (
    children,
    compose,
    construct,
    drop_repeats,
    explain,
    find_line,
    line_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ruamel.yaml.nodes import Node

    from scripts.document.nodes import Repeat

MAX_BYTES = 8 * 1024 * 1024
# What the largest published API descriptions stay below; a bomb of 1 KB means to have billions.
MAX_NODES = 1_000_000
MAX_DEPTH = 200
# Where a number without end says that there is no limit, by its sign.
_LIMITS = {
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems"), 1),
    **dict.fromkeys(("minimum", "exclusiveMinimum"), -1),
}
# Programs read no whole number of more digits, and Python none of thousands.
_DIGITS = 308
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


class DocumentError(Exception):
    """The document is refused.

    Attributes:
        reason: What is wrong.
        line: The line of the file where it is, from 1; None when it is about the whole.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


def read(path: Path) -> bytes:
    """Read a file of a size that a document can have.

    Raises:
        DocumentError: It cannot be read, or is larger than `MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot be read: {error}") from error
    return checked_size(data)


def checked_size(data: bytes) -> bytes:
    """Give `data` back unless it is larger than `MAX_BYTES`.

    Raises:
        DocumentError: It is.
    """
    if len(data) > MAX_BYTES:
        raise DocumentError(f"larger than {MAX_BYTES // 1024**2} MiB, which no document needs")
    return data


def parse(data: bytes) -> dict[str, Any]:
    """Parse YAML or JSON into what JSON can hold.

    Args:
        data: The file's content.

    Raises:
        DocumentError: It is neither, or is a bomb of aliases or of nesting, or no mapping.
    """
    contents: dict[str, Any] = json.loads(_parsed(data)[0])
    return contents


def repeats(data: bytes) -> list[Repeat]:
    """Give the keys that stand more than once in a mapping, of which `parse` takes the last.

    Raises:
        DocumentError: As `parse` does.
    """
    return _parsed(data)[1]


@lru_cache(maxsize=2)
def _parsed(data: bytes) -> tuple[str, list[Repeat]]:
    """Parse, and give it as JSON, which is read again in no time: YAML takes long."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
        raise DocumentError(f"not UTF-8: a byte 0x{byte:02x}; save it as UTF-8", place) from error
    if text.lstrip().startswith("<"):
        raise DocumentError("a page of HTML; pass the address of the OpenAPI document itself", 1)
    try:
        contents, repeated = _json(text) if _is_json(text) else _yaml(text)
        contents = _as_json(contents, text)
    except json.JSONDecodeError as error:
        raise DocumentError(f"not JSON: {error.msg}", error.lineno) from error
    except YAMLError as error:
        reason, line = explain(error)
        raise DocumentError(f"not YAML: {reason}", line) from error
    except RecursionError as error:
        raise DocumentError(f"nested more than {MAX_DEPTH} deep") from error
    if not is_mapping(contents):
        raise DocumentError("not a mapping, so no OpenAPI document", 1)
    return json.dumps(contents), repeated


def _is_json(text: str) -> bool:
    # JSON may be indented with tabs, which YAML refuses; YAML has braces, too, but needs no quotes.
    return bool(re.match(r'\s*\{\s*["}]', text))


def _json(text: str) -> tuple[Any, list[Repeat]]:
    repeated: list[Repeat] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(contents := dict(pairs)) != len(pairs) and not repeated:
            # The parser of YAML, of which JSON is a part but for tabs, knows the lines.
            repeated.extend(_yaml(text.replace("\t", " "))[1])
        return contents

    return json.loads(text, object_pairs_hook=mapping, parse_int=_whole), repeated


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _yaml(text: str) -> tuple[Any, list[Repeat]]:
    root = compose(text)
    if root is None:
        return None, []
    _refuse_bombs(root)
    repeated = drop_repeats(root)
    return construct(root), repeated


def _refuse_bombs(root: Node) -> None:
    """Count the nodes that aliases stand for, each anchor once."""
    sizes: dict[int, int] = {}

    def size(node: Node, depth: int) -> int:
        if id(node) not in sizes:
            if depth > MAX_DEPTH:
                raise DocumentError(f"nested more than {MAX_DEPTH} deep", line_of(node))
            # An alias to what it stands in never ends.
            sizes[id(node)] = MAX_NODES
            sizes[id(node)] = 1 + sum(size(child, depth + 1) for child in children(node))
        if sizes[id(node)] > MAX_NODES:
            raise DocumentError(
                f"its aliases stand for more than {MAX_NODES:,} values", line_of(node)
            )
        return sizes[id(node)]

    size(root, 0)


def _as_json(value: Any, text: str, place: tuple[str | int, ...] = ()) -> Any:
    """Give what JSON can hold of a value."""
    if len(place) > MAX_DEPTH:
        raise DocumentError(f"nested more than {MAX_DEPTH} deep")
    if is_mapping(value):
        return {str(key): _as_json(inner, text, (*place, str(key))) for key, inner in value.items()}
    if is_list(value):
        return [_as_json(inner, text, (*place, index)) for index, inner in enumerate(value)]
    is_endless = isinstance(value, int | float) and not abs(value) <= sys.float_info.max
    if is_endless and place and value * _LIMITS.get(str(place[-1]), 0) > 0:
        return None
    is_text = isinstance(value, str) and not _HALF_A_CHARACTER.search(value)
    if not is_text and (is_endless or not isinstance(value, int | float | None)):
        line = find_line(compose(text.replace("\t", " ")), place)
        raise DocumentError(f"{value!r:.80} is a value that JSON does not have", line)
    return value


def is_mapping(value: Any) -> TypeGuard[dict[Any, Any]]:
    """Tell whether `value` is a mapping; type checkers then know that much and no more."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether `value` is a list; type checkers then know that much and no more."""
    return isinstance(value, list)


def without_repeats(values: list[Any]) -> list[Any]:
    """Give each value once: 1.0 is 1 again, while true, which is 1 to Python, is not."""
    once: list[Any] = []
    seen: set[tuple[bool, Any]] = set()
    for value in values:
        if is_list(value) or is_mapping(value):
            is_known = value in once
        else:
            key = (isinstance(value, bool), value)
            is_known = key in seen
            seen.add(key)
        if not is_known:
            once.append(value)
    return once
