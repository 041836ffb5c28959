"""Our operation, and the others, as an OpenAPI document describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.document.reading import without_repeats
from scripts.document.references import METHODS, follow

if TYPE_CHECKING:
    from collections.abc import Iterator

METHOD, PATH = "post", "/audio/speech"
_USUAL_PORTS = {"https": ":443", "http": ":80"}


class BindingError(Exception):
    """The document lacks something that the wrapper cannot do without."""


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give method, path and contents of each operation of a document."""
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def bodies(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give each request body and response that has content."""
    components = document.get("components", {})
    candidates = [*components.get("requestBodies", {}).values()]
    candidates += components.get("responses", {}).values()
    for _, _, operation in operations(document):
        candidates += [operation.get("requestBody", {}), *operation.get("responses", {}).values()]
    return (candidate for candidate in candidates if "content" in candidate)


def check_audio(document: dict[str, Any]) -> None:
    """Check that some success may be audio.

    Raises:
        BindingError: All are text or JSON, or there is none.
    """
    kinds = success_types(document)
    if not audio_types(document):
        answers = ", ".join(kinds) or "no content, or not with success"
        raise BindingError(f"{METHOD.upper()} {PATH} answers with {answers}: no audio")


def success_types(document: dict[str, Any]) -> list[str]:
    """Give the media types of our operation's successes."""
    responses = document["paths"][PATH][METHOD].get("responses", {})
    return [
        kind
        for status, response in responses.items()
        if str(status).startswith("2")
        for kind in resolve(document, response).get("content", {})
    ]


def audio_types(document: dict[str, Any]) -> list[str]:
    """Give those of our operation's successes that may be audio."""
    kinds = success_types(document)
    return [kind for kind in kinds if "json" not in kind and not kind.startswith("text/")]


def check_request(document: dict[str, Any]) -> None:
    """Check that the request is an object in JSON whose properties are named.

    Raises:
        BindingError: It is something else, or nothing.
    """
    operation = document["paths"][PATH][METHOD]
    content = resolve(document, operation.get("requestBody", {})).get("content", {})
    if not json_media(document, operation):
        kinds = ", ".join(content) or "nothing"
        raise BindingError(f"{METHOD.upper()} {PATH} takes {kinds}: no JSON")
    if not merged(document, request_schema(document))[0]:
        what = "JSON that has no properties, which the arguments of this client come from"
        raise BindingError(f"{METHOD.upper()} {PATH} takes {what}")


def json_media(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """Give the content of an operation's body that is JSON; empty where none is."""
    content = resolve(document, operation.get("requestBody", {})).get("content", {})
    found: list[dict[str, Any]] = [
        media for kind, media in content.items() if kind.split(";")[0].endswith("json")
    ]
    return found[0] if found else {}


def request_schema(document: dict[str, Any]) -> dict[str, Any]:
    """Give the schema of our request's JSON; empty where there is none."""
    operation = document["paths"].get(PATH, {}).get(METHOD, {})
    schema: dict[str, Any] = json_media(document, operation).get("schema", {})
    return schema


def merged(document: dict[str, Any], schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Give the properties of an object and the names of those required.

    What is said by parts of it counts; of several objects that it may be, what any of them has and
    what all of them require. What else it may be, as null or a list, is not asked.
    """
    schema = resolve(document, schema)
    properties: dict[str, Any] = {}
    required: set[str] = set(schema.get("required", []))
    for part in schema.get("allOf", []):
        inner, demanded = merged(document, part)
        properties |= inner
        required |= demanded
    for key in ("anyOf", "oneOf"):
        given = [resolve(document, branch) for branch in schema.get(key, [])]
        branches = [merged(document, branch) for branch in given if _may_be_object(branch)]
        said = [dict(properties), *(inner for inner, _ in branches)]
        for name in dict.fromkeys(name for each in said for name in each):
            once = without_repeats([each[name] for each in said if name in each])
            properties[name] = once[0] if len(once) == 1 else {"anyOf": once}
        demands = [demanded for _, demanded in branches]
        if demands:
            required |= demands[0].intersection(*demands[1:])
    return properties | schema.get("properties", {}), required


def _may_be_object(schema: dict[str, Any]) -> bool:
    return schema.get("not") != {} and "object" in str(schema.get("type", "object"))


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a `$ref` within the document; what stands beside it adds to what it points at."""
    reference = node.get("$ref")
    if reference is None:
        return node
    target: dict[str, Any] = follow(document, str(reference)) or {}
    return {**resolve(document, target), **{k: v for k, v in node.items() if k != "$ref"}}


def base_url(document: dict[str, Any], otherwise: str | None = None) -> str:
    """Give the URL of the first absolute server of our operation, without a slash at the end.

    Args:
        document: The document.
        otherwise: What to give where it names none.

    Raises:
        BindingError: It names none, and there is nothing else.
    """
    urls = server_urls(document)
    if urls:
        return urls[0]
    if otherwise is None:
        raise BindingError("the document names no server by an absolute URL")
    return otherwise


def server_urls(document: dict[str, Any], path: str = PATH, method: str = METHOD) -> list[str]:
    """Give the absolute URLs of an operation's servers, each as it is written most shortly."""
    found: list[str] = []
    item = document["paths"].get(path, {})
    for level in (item.get(method, {}), item, document):
        servers: list[dict[str, Any]] = level.get("servers") or []
        for server in servers:
            url = str(server["url"])
            variables: dict[str, dict[str, Any]] = server.get("variables", {})
            for name, variable in variables.items():
                url = url.replace(f"{{{name}}}", str(variable["default"]))
            scheme, _, rest = url.strip().partition("://")
            host, slash, path = rest.partition("/")
            # What is still open in it, nobody can ask.
            if (scheme := scheme.lower()) in _USUAL_PORTS and "{" not in url:
                host = host.lower().removesuffix(_USUAL_PORTS[scheme])
                found.append(f"{scheme}://{host}{slash}{path}".rstrip("/"))
    return found
