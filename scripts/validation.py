"""Check that a document is one that this project can work with, and say where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from ruamel.yaml.error import YAMLError

from scripts.binding import METHOD, PATH
from scripts.document import DocumentError, is_list, is_mapping
from scripts.nodes import compose, step_into
from scripts.references import follow, references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.references import Place

_VALIDATORS = {"3.0.": OpenAPIV30SpecValidator, "3.1.": OpenAPIV31SpecValidator}


def validate(contents: dict[str, Any], data: bytes) -> None:
    """Check that a document can be worked with.

    Args:
        contents: The document, parsed.
        data: The file's content, for line numbers.

    Raises:
        DocumentError: It is not OpenAPI 3.0 or 3.1, is not valid, points outside of itself or to
            nothing, or has no `POST /audio/speech`.
    """

    def refusal(place: Place, reason: str) -> DocumentError:
        return DocumentError(reason, _line(data, place))

    version = str(contents.get("openapi", contents.get("swagger", "none")))
    validator = next(
        (known for start, known in _VALIDATORS.items() if version.startswith(start)), None
    )
    if validator is None:
        raise refusal(("openapi",), f"OpenAPI 3.0 or 3.1 is needed; this says {version}")
    # Before the validator, which would go and fetch what is remote.
    for place, reference in references(contents):
        if not reference.startswith("#"):
            raise refusal(place, f"$ref to {reference!r}, which is outside of the document")
        if follow(contents, reference) is None:
            raise refusal(place, f"$ref to {reference!r}, which is not there")
    try:
        error = next(iter(validator(contents).iter_errors()), None)
    except OpenAPIValidationError as raised:
        error = raised
    except RecursionError as raised:
        raise refusal((), "schemas refer to each other without end") from raised
    if error is not None:
        place = _whole_place(contents, tuple(error.absolute_path), error.instance)
        raise refusal(place, f"not valid OpenAPI {version}: {_short(error.message)}")
    if METHOD not in contents.get("paths", {}).get(PATH, {}):
        raise refusal(("paths",), f"no {METHOD.upper()} {PATH}, which this client is for")


def _whole_place(contents: Any, place: Place, instance: Any) -> Place:
    """Complete a place that starts at a schema, as the validator gives those within schemas."""

    def ends_at_instance(node: Any) -> bool:
        for step in place:
            if is_mapping(node) and str(step) in node:
                node = node[str(step)]
            elif is_list(node) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return False
        return bool(node == instance)

    return next(
        (start + place for start, node in _nodes(contents) if ends_at_instance(node)), place
    )


def _nodes(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    yield place, node
    if is_mapping(node):
        for key, value in node.items():
            yield from _nodes(value, (*place, key))
    elif is_list(node):
        for index, value in enumerate(node):
            yield from _nodes(value, (*place, index))


def _line(data: bytes, place: Place) -> int | None:
    """Find the line of a place; of what encloses it where it is not there itself."""
    try:
        node = compose(data.decode("utf-8-sig"))
    except YAMLError:
        return None
    line: int | None = None
    for step in place:
        found = node and step_into(node, step)
        if not found:
            break
        line, node = found
    return line or (1 if place else None)


def _short(message: str) -> str:
    # A message quotes the value that it is about, which may be the whole document.
    text = message.partition("\n")[0]
    return text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]}"
