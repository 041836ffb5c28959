"""What a change of the document means to those who use the client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Rating(IntEnum):
    """How much a change asks of a user; the larger, the more."""

    NONE = 0
    DOCUMENTATION = 1
    COMPATIBLE = 2
    BREAKING = 3

    def __str__(self) -> str:
        return ("none", "documentation only", "compatible", "breaking")[self]

    @property
    def bump(self) -> str:
        """The part of the version to raise: `major`, `minor`, `patch` or `none`."""
        return ("none", "patch", "minor", "major")[self]


@dataclass(frozen=True, order=True)
class Change:
    """One change.

    Attributes:
        rating: How much it asks of a user.
        side: Whether it is seen on the wire or by who writes Python.
        what: The change, in a sentence without a full stop.
        details: The single changes, where many alike are one.
    """

    rating: Rating
    side: Literal["wire", "python"]
    what: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.rating} ({self.side}): {self.what}{advice}"

    @property
    def advice(self) -> str:
        """What a user does about it, where it breaks something and that is known."""
        if self.rating is not Rating.BREAKING:
            return ""
        return next((advice for part, advice in _ADVICE.items() if part in self.what), "")


# By what the change says; the first that fits.
_ADVICE = {
    "removed the enum value": "ask for one of the other values",
    "was restricted to a list of enum values": "ask for one of them",
    "request property's ": "keep your calls within it",
    "request's ": "keep your calls within it",
    "parameter's ": "keep your calls within it",
    "added the pattern": "keep your calls within it",
    "removed the request property": "leave it out of your calls",
    "required request property": "give it with each call",
    "request body became required": "nothing to do: the client always sends one",
    "became required": "give it with each call",
    "required `header` request parameter": "give it in extra_headers",
    "required `query` request parameter": "give it in extra_query",
    "required `cookie` request parameter": "give it as Cookie in extra_headers",
    "default value changed": "give the old value yourself to go on as before",
    "the API is now at": "nothing to do, unless you set a base URL of your own",
    "is gone or has moved": "import it by its new name; the wrapper finds its own by itself",
    "is gone": "do without it",
    "requires a new argument": "pass it by name",
    "now requires its argument": "pass it by name",
    "no longer takes": "leave that argument out",
}


def overall(changes: list[Change]) -> Rating:
    """Give the rating of all changes together: the highest."""
    return max((change.rating for change in changes), default=Rating.NONE)


# So many changes that differ in one name alone are told as one; of methods that take the same
# argument, two; of answers with another status, or models with the same attribute, three.
_MANY, _METHODS, _ALIKE = 6, 2, 3
_NAME = re.compile(r"`([^`]*)`")
_MODEL = re.compile(r"(?<=`modelgates_api\.models\.)(\w+)(?=\.\w+`)")
_ENDPOINT = re.compile(r"^[A-Z]+ /\S*(?=: (?:endpoint|api) )")
_STATUS = re.compile(r"(?<=status )`([1-5][0-9X]{2}|default)`|`([1-5][0-9X]{2})`(?= status)")
# What is by itself of no weight to those who call `create`, or tells of one thing in many places.
_TOGETHER = ("/…`", ".….", "…: ", "webhook `…`")


def grouped(changes: list[Change]) -> list[Change]:
    """Tell many changes of one kind at one place as one, with the list behind it."""
    for pattern in (_ENDPOINT, _MODEL, _NAME, _STATUS):
        changes = _grouped(changes, pattern)
    return changes


def _grouped(changes: list[Change], pattern: re.Pattern[str]) -> list[Change]:
    alike: dict[tuple[str, str], list[tuple[Change, str]]] = {}
    for change in changes:
        sentence, last = change.what, ""
        if match := pattern.search(change.what):
            name = match[0].strip("`")
            *above, last = re.split(r"[/.](?=[^/.]*$)", name) if pattern is _NAME else [name]
            whole = match[0].replace(name, "/".join([*above, "…"]))
            sentence = change.what[: match.start()] + whole + change.what[match.end() :]
        alike.setdefault((f"{change.rating:d} {change.side}", sentence), []).append((change, last))
    found: list[Change] = []
    for (_, sentence), several in alike.items():
        first, names = several[0][0], [last for _, last in several]
        # What is the same of all of them is another name, as of the property that has the values.
        names_another = sentence.count("`") > 2 or pattern is _STATUS
        of_methods = names_another and first.side == "python"
        few = _METHODS if of_methods else _MANY if pattern in (_NAME, _ENDPOINT) else _ALIKE
        if len(several) < few or not (names_another or any(it in sentence for it in _TOGETHER)):
            found += [change for change, _ in several]
            continue
        details = tuple(each for change, _ in several for each in change.details or (change.what,))
        if pattern is _STATUS:
            *others, last = sorted(f"`{name}`" for name in names)
            text = pattern.sub(f"{', '.join(others)} or {last}", first.what, 1)
        else:
            more = f" and {len(names) - 3} more" if len(names) > 4 else ""
            shown = ", ".join(f"`{name}`" for name in (names[:3] if more else names)) + more
            text = f"{sentence.removeprefix('…: ')}: {shown}"
        found.append(Change(first.rating, first.side, text, details))
    return found
