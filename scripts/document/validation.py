"""Check that a document is one that this project can work with, and say where it is not."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from openapi_spec_validator import OpenAPIV31SpecValidator, OpenAPIV32SpecValidator
from openapi_spec_validator.validation.exceptions import (
    OpenAPIValidationError,
    ParameterDuplicateError,
    UnresolvableParameterError,
)
from referencing.exceptions import Unresolvable
from ruamel.yaml.error import YAMLError

from scripts.document.layout import Mend, prefix_of
from scripts.document.mending import mend_old_words, mended
from scripts.document.nodes import compose, drop_repeats, find_line
from scripts.document.operation import (
    METHOD,
    PATH,
    BindingError,
    check_audio,
    check_request,
    operations,
    resolve,
)
from scripts.document.reading import DocumentError, is_list, is_mapping, repeats
from scripts.document.references import follow, keys_of, parts, pointer, references
from scripts.document.scope import OURS, UNUSED, only
from scripts.document.simpler import bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ruamel.yaml.nodes import Node

    from scripts.document.references import Place


_VALIDATORS: dict[str, type[Any]] = {
    "3.0": OpenAPIV31SpecValidator,
    "3.1": OpenAPIV31SpecValidator,
    "3.2": OpenAPIV32SpecValidator,
}
# Operations that OpenAPI 3.2 has and the generator has not.
_NEWER = {"query", "additionalOperations"}
# What a path says that may be meant instead of ours.
_OF_SPEECH = re.compile("speech|tts|synth|speak|audio", re.IGNORECASE)
# What makes no difference to a call.
_SAID = {"description", "summary", "title", "example", "examples", "externalDocs", "tags"}
# In how many places something is mended before they are given by their lines alone.
FEW = 3


class Taken(NamedTuple):
    """What of a document can be taken.

    Attributes:
        document: The document, mended.
        left_out: Each operation that is not valid, with the reason.
        warnings: What was mended.
    """

    document: dict[str, Any]
    left_out: dict[str, str]
    warnings: list[str]


def validate(contents: dict[str, Any], data: bytes) -> Taken:
    """Check that a document can be worked with: ours in full, of the others what is valid.

    Args:
        contents: The document, parsed.
        data: The file's content, for line numbers.

    Raises:
        DocumentError: It is not OpenAPI 3.0 or 3.1, has no `POST /audio/speech`, or that is not
            valid, or points outside of the document or to nothing.
    """
    lines = Lines(data)
    try:
        return _take(contents, lines)
    except (AttributeError, KeyError, RecursionError, TypeError):
        # Something is of another kind than OpenAPI has it, or has no end. The validator knows what.
        version = ".".join(str(contents["openapi"]).split(".")[:2])
        if fault := _fault({**contents, "openapi": f"{version}.0"}):
            raise DocumentError(fault.told, lines.of(fault.place)) from None
        raise


def _take(contents: dict[str, Any], lines: Lines) -> Taken:
    version = str(contents.get("openapi", contents.get("swagger", "none")))
    if version.startswith("2"):
        raise DocumentError(
            f"OpenAPI 3.0, 3.1 or 3.2 is needed; this says Swagger {version}, which "
            "https://converter.swagger.io or `npx swagger2openapi FILE` converts",
            lines.of(("swagger",)),
        )
    if ".".join(version.split(".")[:2]) not in _VALIDATORS:
        raise DocumentError(
            f"OpenAPI 3.0, 3.1 or 3.2 is needed; this says {version}", lines.of(("openapi",))
        )
    if not is_mapping(contents.get("paths")):
        raise DocumentError(f"no {OURS}, which this client is for", lines.of(("paths",)))
    document, mends = mended(contents)
    if METHOD not in document["paths"].get(PATH, {}):
        near = [(method, path) for method, path, _ in operations(document)]
        near = [found for found in near if _OF_SPEECH.search(found[1])]
        near.sort(key=lambda it: (it[0] != METHOD, not it[1].strip("/").endswith(PATH.strip("/"))))
        there = f"; there is {near[0][0].upper()} {near[0][1]}" if near else ""
        reason = f"no {OURS}, which this client is for{there}"
        raise DocumentError(reason, lines.of(("paths",)))
    if prefix := prefix_of(contents["paths"]):
        lines.paths = {path.removeprefix(prefix): path for path in contents["paths"]}
    warnings = list(lines.told(mends))
    used = bare(document)
    if fault := _fault(only(used, METHOD, PATH)):
        raise DocumentError(fault.told, lines.of(fault.place))
    try:
        check_audio(document)
    except BindingError as error:
        raise DocumentError(str(error), lines.of(("paths", PATH, METHOD, "responses"))) from error
    try:
        check_request(document)
    except BindingError as error:
        raise DocumentError(str(error), lines.of(("paths", PATH, METHOD, "requestBody"))) from error
    warnings += lines.repeated(document)
    for place, node in parts(document):
        if others := _NEWER & node.keys() if place[:-1] == ("paths",) else ():
            warnings.append(lines.said(place, f"not generated: {', '.join(others)}"))
    fault = _fault(used)
    left_out: dict[str, str] = {}
    if fault:
        for method, path, _ in operations(document):
            if found := _fault(only(used, method, path)):
                left_out[f"{method.upper()} {path}"] = lines.said(found.place, found.what)
        if fault.place[:1] == ("components",):
            left_out[UNUSED] = lines.said(fault.place, fault.what)
        elif not left_out:
            warnings.append(lines.said(fault.place, fault.what))
    elif fault := _fault(document):
        warnings.append(f"{lines.said(fault.place, fault.what)}, which no code is made from")
    return Taken(document, left_out, warnings)


class Lines:
    """The lines of a file, by the places of the document in it.

    Attributes:
        paths: What paths are called there, where they begin with what counts as the server's.
    """

    def __init__(self, data: bytes) -> None:
        self.paths: dict[str, str] = {}
        self._data = data

    @cached_property
    def _root(self) -> Node | None:
        # When the first line is asked for: of a large document this takes seconds.
        try:
            root = compose(self._data.decode("utf-8-sig"))
        except YAMLError:
            return None
        if root:
            drop_repeats(root)
        return root

    def of(self, place: Place) -> int | None:
        """Find the line of a place; of what encloses it where it is not there itself."""
        if place[:1] == ("paths",):
            place = ("paths", *(self.paths.get(str(path), path) for path in place[1:2]), *place[2:])
        return find_line(self._root, place)

    def said(self, place: Place, what: str) -> str:
        """Say something about a place."""
        line = self.of(place)
        where = f"{'.'.join(map(str, place[-3:]))}: " if place else ""
        return f"line {line}: {where}{what}" if line else f"{where}{what}"

    def repeated(self, document: dict[str, Any]) -> Iterator[str]:
        """Say which keys stand more than once in a mapping.

        Raises:
            DocumentError: It is one of ours, and says different things that matter.
        """
        found = repeats(self._data) if self._data else []
        ours = only(document, METHOD, PATH) if found else {}
        called = {theirs: path for path, theirs in self.paths.items()}
        for place, line, differs in found:
            own = tuple(called.get(step, step) for step in place)
            is_said = (place[-1] in _SAID and place[-2:-1] != ("properties",)) or place[0] == "info"
            if differs and not is_said and follow(ours, pointer(own)) is not None:
                raise DocumentError(f"the key {place[-1]!r} stands twice in one mapping", line)
            yield f"line {line}: {'.'.join(place[-3:])}: stands twice, of which this one is taken"

    def told(self, mends: Iterable[Mend]) -> Iterator[str]:
        """Say what was mended: what was mended in many places, once."""
        alike: dict[str, list[Place]] = {}
        for mend in mends:
            alike.setdefault(mend.what, []).append(mend.place)
        for what, places in alike.items():
            numbers = sorted({line for place in places if (line := self.of(place))})
            if len(numbers) > FEW:
                yield f"lines {_first_of(numbers)}: {what}"
            elif len(places) > FEW and len(numbers) == 1:
                # The whole document is one line.
                yield f"{_first_of([place[-1] for place in places])}: {what}"
            else:
                yield from (self.said(place, what) for place in places)


def _first_of(names: Sequence[object]) -> str:
    """Name the first few of many."""
    return f"{', '.join(map(str, names[:FEW]))} and {len(names) - FEW} more"


def _fault(document: dict[str, Any]) -> Mend | None:
    """Find the first thing that is wrong."""
    # Before the validator, which would go and fetch what is remote.
    for place, reference in references(document):
        if not reference.startswith("#"):
            return Mend(place, f"$ref to {reference!r}, which is outside of the document")
        if follow(document, reference) is None:
            return Mend(place, f"$ref to {reference!r}, which is not there")
    if place := _endless(document):
        return Mend(place, f"`{place[-1]}` refers to itself without end")
    for place, reference in references(document):
        is_parameter = place[-3:-2] == ("parameters",) and isinstance(place[-2], int)
        if is_parameter and "name" not in resolve(document, {"$ref": reference}):
            return Mend(place, f"$ref to {reference!r}, which is no parameter")
    version = str(document["openapi"])
    document = _without_what_is_misjudged(document)
    if version.startswith("3.0"):
        # Words of 3.1 in a document that says 3.0 are as common as they are clear.
        document = _as_newer(document)
    try:
        errors = _VALIDATORS[version[:3]](document).iter_errors()
        # A word that OpenAPI does not know says nothing; what else is wrong is an error of its own.
        known = (found for found in errors if not found.message.startswith("Unevaluated"))
        error = next(known, None)
    except OpenAPIValidationError as raised:
        error = raised
    except Unresolvable as raised:
        return Mend((), f"{raised.ref!r} is not there")
    if error is None:
        return None
    place = _whole_place(document, error)
    if isinstance(error, ParameterDuplicateError | UnresolvableParameterError):
        # Of these it names no place. Looked at alone, it is the operation.
        place = next((("paths", path, method) for method, path, _ in operations(document)), ())
    return Mend(place, f"not valid OpenAPI {version}: {_short(error.message)}")


def _endless(document: dict[str, Any]) -> Place:
    """Find what is a part of itself, or nothing but a reference to itself."""

    def needed(node: Any) -> Iterator[str]:
        if is_mapping(node):
            yield from (str(node[key]) for key in ("$ref",) if key in node)
            for key in ("allOf", "anyOf", "oneOf"):
                for part in node.get(key) or ():
                    yield from needed(part)

    for start in dict.fromkeys(reference for _, reference in references(document)):
        found: set[str] = set()
        waiting = [*needed(follow(document, start))]
        while waiting:
            if (reference := waiting.pop()) not in found:
                found.add(reference)
                waiting += needed(follow(document, reference))
        if start in found:
            return tuple(keys_of(start))
    return ()


def _as_newer(document: dict[str, Any]) -> dict[str, Any]:
    newer = deepcopy({**document, "openapi": "3.1.0"})
    for _, node in parts(newer):
        for _ in mend_old_words(node):
            pass
    return newer


def _without_what_is_misjudged(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is right and would be judged wrong.

    Regular expressions, which are JavaScript's and would be taken as Python's; and the default
    null, where it may be one of several alternatives.
    """
    document = deepcopy(document)
    for _, node in parts(document):
        if isinstance(node.get("pattern"), str):
            del node["pattern"]
        if node.get("default", node) is None:
            del node["default"]
        if is_mapping(node.get("patternProperties")):
            values = node["patternProperties"].values()
            node["patternProperties"] = {str(n): value for n, value in enumerate(values)}
    return document


def _whole_place(document: dict[str, Any], error: Any) -> Place:
    """Complete a place that starts at a schema or its default, as the validator gives those."""
    steps: Place = tuple(error.absolute_path)
    starts: list[tuple[Place, Any, Any]] = []
    for place, node in parts(document):
        starts.append((place, node, None))
        if "default" in node:
            starts.append(((*place, "default"), node["default"], resolve(document, node)))
    found = [
        (place, holder)
        for place, start, holder in starts
        if _leads_to(start, steps, error.instance)
    ]
    # What is wrong of one default may be right of another.
    found.sort(key=lambda it: it[1] != error.schema)
    return found[0][0] + steps if found else steps


def _leads_to(node: Any, steps: Place, instance: Any) -> bool:
    for step in steps:
        if is_mapping(node) and str(step) in node:
            node = node[str(step)]
        elif is_list(node) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return False
    return type(node) is type(instance) and bool(node == instance)


def _short(message: str) -> str:
    # A message quotes the value that it is about, which may be the whole document.
    text = message.partition("\n")[0]
    return text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]}"
