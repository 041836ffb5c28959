"""YAML and JSON as nodes that know their lines; ruamel.yaml's, which have no types."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ruamel.yaml.nodes import Node


# What ends a line, or all that is said in it.
_ENDS = "#\r\n\0"
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


def compose(text: str) -> Node | None:
    """Parse YAML, or JSON without tabs, into nodes; an alias is the node that it stands for.

    Raises:
        YAMLError: It is neither.
    """
    with warnings.catch_warnings():
        # YAML lets an anchor stand for something else further down.
        warnings.simplefilter("ignore", ReusedAnchorWarning)
        yaml = YAML(typ="safe", pure=True)
        yaml.Scanner = _Scanner
        node: Node | None = yaml.compose(text)
    return node


class _Scanner(Scanner):
    """Lets tabs stand where YAML does: within a line, and in lines of which nothing is left."""

    def scan_to_next_token(self) -> None:
        reader = self.reader
        line, is_start = reader.line, reader.column == 0
        super().scan_to_next_token()
        while reader.peek() == "\t":
            length = self._blanks()
            is_indent = is_start or reader.line != line
            if is_indent and reader.peek(length) not in _ENDS:
                return
            # What comes after a tab has no place of its own to be a mapping's.
            self.allow_simple_key = False
            reader.forward(length)
            super().scan_to_next_token()

    def scan_plain_spaces(self, indent: Any, start_mark: Any) -> Any:
        length = self._blanks()
        blanks = str(self.reader.prefix(length))
        if "\t" not in blanks or self.reader.peek(length) in _ENDS:
            return super().scan_plain_spaces(indent, start_mark)
        self.reader.forward(length)
        return [blanks]

    def _blanks(self) -> int:
        length = 0
        while self.reader.peek(length) in " \t":
            length += 1
        return length


class _Constructor(SafeConstructor):
    """Reads a date as its text, which may be no day of any month, and = as well."""

    def text(self, node: Node) -> str:
        return str(node.value)

    def number(self, node: Node) -> float:
        is_whole = str(node.tag).endswith("int")
        try:
            return self.construct_yaml_int(node) if is_whole else self.construct_yaml_float(node)
        except ValueError as error:
            raise ConstructorError(None, None, str(error), node.start_mark) from error


for _tag in ("timestamp", "value"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_tag}", _Constructor.text)
for _tag in ("int", "float"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_tag}", _Constructor.number)


def construct(root: Node) -> Any:
    """Give what nodes stand for; they are of no use for it twice.

    Raises:
        YAMLError: A value is not what its tag says.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    _take_keys_as_text(root)
    return yaml.constructor.construct_document(root)


def _take_keys_as_text(root: Node) -> None:
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        waiting += children(node)
        for key, _ in node.value if isinstance(node, MappingNode) else ():
            if isinstance(key, ScalarNode) and key.tag != _MERGE:
                key.tag = _TEXT


class Repeat(NamedTuple):
    """A key that stands more than once in a mapping.

    Attributes:
        place: Where what is taken is: the last of them.
        line: Its line.
        differs: Whether another says something else.
    """

    place: tuple[str, ...]
    line: int
    differs: bool


def drop_repeats(root: Node) -> list[Repeat]:
    """Leave of a key that stands more than once in a mapping the last, as most programs do."""
    found: list[Repeat] = []
    seen: set[int] = set()
    waiting: list[tuple[tuple[str, ...], Node]] = [((), root)]
    while waiting:
        place, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, SequenceNode):
            waiting += [((*place, str(at)), each) for at, each in enumerate(node.value)]
        elif isinstance(node, MappingNode):
            named: dict[object, list[tuple[Node, Node]]] = {}
            for key, value in node.value:
                named.setdefault(_name(key), []).append((key, value))
            for pairs in named.values():
                if len(pairs) > 1:
                    *others, kept = [construct(deepcopy(value)) for _, value in pairs]
                    differs = any(other != kept for other in others)
                    key = pairs[-1][0]
                    found.append(Repeat((*place, str(key.value)), line_of(key), differs))
            node.value = [pairs[-1] for pairs in named.values()]
            waiting += [((*place, str(key.value)), value) for key, value in node.value]
    return found


def _name(key: Node) -> object:
    return str(key.value) if isinstance(key, ScalarNode) and key.tag != _MERGE else id(key)


def children(node: Node) -> Iterator[Node]:
    """Give what stands directly in a node, keys as well as values."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from (key, value)
    elif isinstance(node, SequenceNode):
        yield from node.value


def step_into(node: Node, step: str | int) -> tuple[int, Node] | None:
    """Give the line and the node at a key or an index; None if nothing is there."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if str(key.value) == str(step):
                return int(key.start_mark.line) + 1, value
    elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return line_of(node.value[step]), node.value[step]
    return None


def find_line(root: Node | None, place: Iterable[str | int]) -> int | None:
    """Find the line of a place; of what encloses it where it is not there itself."""
    line = None
    for step in place if root else ():
        line = line or 1
        found = root and step_into(root, step)
        if not found:
            break
        line, root = found
    return line


def line_of(node: Node) -> int:
    """Give the line that a node starts at, from 1."""
    return int(node.start_mark.line) + 1


def explain(error: YAMLError) -> tuple[str, int | None]:
    """Give the reason and the line of a parser's error."""
    if isinstance(error, ReaderError):
        return f"a character U+{int(error.character):04X}, which no text has", None
    if not isinstance(error, MarkedYAMLError):
        return str(error), None
    mark = error.problem_mark or error.context_mark
    reason = str(error.problem or error.context)
    if reason.startswith("but "):
        reason = f"{error.context} {reason}"
    return " ".join(reason.split()), mark and int(mark.line) + 1
