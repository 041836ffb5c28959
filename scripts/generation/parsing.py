"""Have the generator parse a document: our operation in full, of the others what it can.

A document that describes forty operations must not be lost for the one that the generator cannot
express. What is lost is named.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.errors import GeneratorError

from scripts.document.operation import METHOD, PATH, merged, operations, request_schema
from scripts.document.references import follow, reachable
from scripts.document.scope import OURS, only, pruned
from scripts.generation.binding import find_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openapi_python_client.config import Config

_OBJECT = re.compile(r"<openapi_python_client\S+ object at \w+>")


class ParsingError(Exception):
    """The generator cannot express our operation."""


def parse_for_generator(
    document: dict[str, Any], config: Config, wire_names: dict[str, str] | None = None
) -> tuple[GeneratorData, list[str]]:
    """Parse a document.

    Args:
        document: The document in the generator's terms.
        config: The generator's configuration.
        wire_names: What properties that it calls otherwise are called in the document itself.

    Returns:
        What to generate, and one line for each part that will be missing.

    Raises:
        ParsingError: Something of our operation would be missing.
        BindingError: The document does not have it.
    """
    named = wire_names or {}
    missing = [
        f"{OURS}: the type of `{named.get(name, name)}`, which may be anything"
        for name in _take_as_anything(document, config)
    ]
    ours = _parse_all(only(document, METHOD, PATH), config)
    if isinstance(ours, str) or _complaints(ours):
        raise ParsingError(ours if isinstance(ours, str) else "\n".join(_complaints(ours)))
    whole = _parse_all(document, config)
    if isinstance(whole, str):
        # One part that the generator chokes on hides all others: look at each by itself.
        document, failing = _without_what_fails(document, config)
        missing += failing
        whole = _parse_all(document, config)
    if isinstance(whole, str):
        raise ParsingError(whole)
    if _shape(whole) != _shape(ours):
        complaints = "\n".join(_complaints(whole))
        raise ParsingError(f"another part of the document spoils {PATH}:\n{complaints}")
    return whole, missing + _complaints(whole)


def _take_as_anything(document: dict[str, Any], config: Config) -> list[str]:
    """Let what the generator cannot express of our request hold any value, and name it."""
    if _is_expressed(document, config):
        return []
    found: dict[str, str] = {}
    needed = reachable(document, document["paths"])
    for name, schema in merged(document, request_schema(document))[0].items():
        alone = deepcopy(document)
        for part in _parts(alone, request_schema(alone)):
            part.update({other: {} for other in part if other != name})
        if not _is_expressed(alone, config):
            found[name] = str(schema.get("description", ""))
    for part in _parts(document, request_schema(document)):
        part.update({name: {"description": found[name]} for name in found.keys() & part.keys()})
    for kind, name in needed.keys() - reachable(document, document["paths"]):
        del document["components"][kind][name]
    return [*found]


def _is_expressed(document: dict[str, Any], config: Config) -> bool:
    ours = _parse_all(only(document, METHOD, PATH), config)
    return not isinstance(ours, str) and not _complaints(ours)


def _parts(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the properties of a schema and of each part of it, to be changed."""
    if "$ref" in schema:
        schema = follow(document, schema["$ref"])
    yield schema.get("properties", {})
    for part in schema.get("allOf", []):
        yield from _parts(document, part)


def _parse_all(document: dict[str, Any], config: Config) -> GeneratorData | str:
    """Parse, or say why the generator could not go on."""
    try:
        api = GeneratorData.from_dict(deepcopy(document), config=config)
    except Exception as error:  # noqa: BLE001 - it crashes in many ways on what it did not expect
        return f"the generator fails with {error!r}"
    if isinstance(api, GeneratorError):
        return _said(api)
    return api


def _complaints(api: GeneratorData) -> list[str]:
    """List what the generator would leave out."""
    errors = [
        error for tag in api.endpoint_collections_by_tag.values() for error in tag.parse_errors
    ]
    return [_said(error) for error in [*errors, *api.errors]]


def _said(error: GeneratorError) -> str:
    text = " ".join(f"{error.header} {error.detail or ''}".split())
    # It shows some strings of the document as the objects that hold them.
    return _OBJECT.sub("(one of them)", text).removeprefix("WARNING parsing ")


def _shape(api: GeneratorData) -> tuple[list[str], int]:
    """Give what our operation understands: the statuses of its answers, the number of bodies."""
    _, endpoint = find_endpoint(api)
    return [response.status_code.pattern for response in endpoint.responses], len(endpoint.bodies)


def _without_what_fails(
    document: dict[str, Any], config: Config
) -> tuple[dict[str, Any], list[str]]:
    kept = deepcopy(document)
    missing: list[str] = []
    for method, path, _ in list(operations(document)):
        if isinstance(reason := _parse_all(only(document, method, path), config), str):
            del kept["paths"][path][method]
            missing.append(f"{method.upper()} {path}: {reason}")
    # What no operation points at may be what fails.
    return pruned(kept), missing
