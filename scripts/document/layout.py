"""Put the paths of a document where this project looks for them, and say what that took."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from scripts.document.operation import METHOD, PATH, operations, resolve, server_urls
from scripts.document.reading import is_list, is_mapping
from scripts.document.references import METHODS, NAMED, follow, keys_of, parts, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.document.references import Place


BINARY = {"type": "string", "format": "binary"}
_STATUS = re.compile("[1-5]([0-9]{2}|XX)|default")
# A parameter of a path as frameworks write it, with its kind.
_CONVERTED = re.compile(r"\{(\w+):\w+\}")


class Mend(NamedTuple):
    """What was mended, and where."""

    place: Place
    what: str

    @property
    def told(self) -> str:
        """What, and where without a line."""
        return f"{self.what}, in {'.'.join(map(str, self.place[-3:]))}" if self.place else self.what


def lay_out(document: dict[str, Any]) -> Iterator[Mend]:
    """Change a document so that ours is at its path, and each operation has a name of its own."""
    if str(document["openapi"]) in {"3.0", "3.1", "3.2"}:
        document["openapi"] = f"{document['openapi']}.0"
        yield Mend(("openapi",), f"this means {document['openapi']}")
    info = document.get("info")
    info = document["info"] = info if is_mapping(info) else {}
    for name in {"title", "version"} - info.keys():
        info[name] = "unnamed"
        yield Mend(("info",), f"it has no {name}")
    if isinstance(info["version"], int | float):
        info["version"] = str(info["version"])
        yield Mend(("info", "version"), f"this means '{info['version']}'")
    paths = document["paths"]
    for path, item in list(paths.items()):
        if not is_mapping(item):
            del paths[path]
            yield Mend(("paths", path), "it says nothing")
        elif is_mapping(target := follow(document, str(item.get("$ref", "")))) and "$ref" in item:
            rest = {key: value for key, value in item.items() if key != "$ref"}
            paths[path] = {**deepcopy(target), **rest}
        elif {*"?#"} & {*path}:
            del paths[path]
            yield Mend(("paths", path), "left out, for no path has a query or a fragment in it")
    yield from _follow_to_parts(document)
    for path, item in paths.items():
        for method in [m for m in METHODS if m in item]:
            if why := _useless(item[method]):
                del item[method]
                yield Mend(("paths", path, method), why)
                continue
            responses: Any = item[method].get("responses")
            for status in [*responses] if is_mapping(responses) else ():
                if not _STATUS.fullmatch(str(status)):
                    del responses[status]
                    place = ("paths", path, method, "responses", status)
                    yield Mend(place, "left out, for it is no status, nor a class of these")
    for path in [path for path in paths if _CONVERTED.search(path)]:
        paths[_CONVERTED.sub(r"{\1}", path)] = paths.pop(path)
        yield Mend(("paths", path), "its parameters have kinds, which OpenAPI says elsewhere")
    yield from _hold_schemas(document)
    yield from _give_servers_values(document)
    yield from _move_prefix(document)
    yield from _answer_with_bytes(document)
    yield from _talk_in_json(document)
    yield from _name_once(document)
    yield from _drop_what_is_wrong_and_unused(document)
    yield from _add_bearer(document)
    yield from _tell_of_servers(document)
    yield from _drop_parameters(document)


def _follow_to_parts(document: dict[str, Any]) -> Iterator[Mend]:
    """Put parts by their names where a reference to such stands in their stead."""
    for place, node in list(parts(document)):
        for key in NAMED & node.keys():
            given: Any = node[key]
            reference = given.get("$ref") if is_mapping(given) else None
            target = follow(document, reference) if isinstance(reference, str) else None
            if is_mapping(target) and "$ref" not in target:
                rest = {name: value for name, value in given.items() if name != "$ref"}
                node[key] = {**deepcopy(target), **rest}
            elif is_list(target) and key == "parameters":
                node[key] = deepcopy(target)
            else:
                continue
            yield Mend((*place, key), f"taken as what it points at, which is {reference}")


def _hold_schemas(document: dict[str, Any]) -> Iterator[Mend]:
    """Put schemas into what holds them, where a reference to one stands in its stead."""

    def is_schema(node: Any) -> bool:
        return is_mapping(node) and keys_of(str(node.get("$ref")))[:2] == ["components", "schemas"]

    holders: list[tuple[Place, dict[Any, Any], str]] = []
    named: dict[str, Any] = document.get("components", {})
    for key in ("requestBodies", "responses"):
        found = named.get(key)
        holders += [(("components", key), found, n) for n in found] if is_mapping(found) else []
    for method, path, operation in operations(document):
        place: Place = ("paths", path, method)
        holders += [(place, operation, "requestBody")] if "requestBody" in operation else []
        found = operation.get("responses")
        holders += [((*place, "responses"), found, n) for n in found] if is_mapping(found) else []
    for place, holder, key in holders:
        if is_schema(holder[key]):
            said = {} if "requestBod" in f"{(*place, key)[-2:]}" else {"description": ""}
            holder[key] = {**said, "content": {"application/json": holder[key]}}
        content: Any = holder[key].get("content") if is_mapping(holder[key]) else None
        for kind in content if is_mapping(content) else ():
            if is_schema(content[kind]):
                content[kind] = {"schema": content[kind]}
                what = f"points at a schema, which is taken as that of its {kind}"
                yield Mend((*place, key), what)


def _give_servers_values(document: dict[str, Any]) -> Iterator[Mend]:
    """Have what is left open in a server's URL be the first of its values, or open for good."""
    for place, node in parts(document):
        match place:
            case (*_, "servers", _, "variables", name):
                for key in [key for key in ("default", "enum") if key in node]:
                    as_text = [str(each) for each in node[key]] if key == "enum" else str(node[key])
                    if as_text != node[key]:
                        node[key] = as_text
                        yield Mend((*place, key), "a number is the text that stands for it here")
                if "default" not in node:
                    node["default"] = (node.get("enum") or [f"{{{name}}}"])[0]
                    yield Mend(place, f"it has no default, so it is {node['default']}")
            case (*_, "servers", _) if {*"?#"} & {*(url := str(node.get("url")))}:
                node["url"] = re.split("[?#]", url, maxsplit=1)[0]
                yield Mend(place, f"no path comes after a query, so it is {node['url']}")
            case _:
                pass


def prefix_of(paths: dict[str, Any]) -> str:
    """Give what paths begin with where ours is at none of its own."""
    found = [p for p in paths if p.endswith(PATH) and is_mapping(paths[p]) and METHOD in paths[p]]
    return "" if PATH in found or not found else min(found, key=len).removesuffix(PATH)


def _move_prefix(document: dict[str, Any]) -> Iterator[Mend]:
    """Have the server say what the paths begin with, where ours is at none of its own."""
    paths = document["paths"]
    if not (prefix := prefix_of(paths)):
        return
    yield Mend(("paths",), f"the paths begin with {prefix}, which counts as the server's")
    for path in list(paths):
        item = paths.pop(path)
        if path.startswith(f"{prefix}/"):
            paths[path.removeprefix(prefix)] = item
        else:
            yield Mend(("paths", path), f"left out, for it does not begin with {prefix}")
    for _, node in parts(document):
        if is_list(node.get("servers")):
            for server in node["servers"]:
                server["url"] = f"{server['url'].rstrip('/ ')}{prefix}"
    document.setdefault("servers", [{"url": prefix}])


def _useless(operation: Any) -> str | None:
    """Say why no call can be made of an operation, if so."""
    if not is_mapping(operation):
        return "it says nothing"
    responses: dict[Any, Any] = operation.get("responses") or {}
    statuses = {str(status) for status in responses}
    opens = "101" in statuses and not {status[0] for status in statuses} - {"1", "4", "5"}
    return "left out, for it opens a WebSocket" if opens else None


def _answer_with_bytes(document: dict[str, Any]) -> Iterator[Mend]:
    """Take an answer of which nobody knows anything, or frameworks do not, as bytes."""
    operation = document["paths"].get(PATH, {}).get(METHOD, {})
    responses: dict[Any, Any] = operation.get("responses") or {}
    if "default" in responses and not any(str(status).startswith("2") for status in responses):
        responses["200"] = deepcopy(responses["default"])
        place = ("paths", PATH, METHOD, "responses", "default")
        yield Mend(place, "no success beside it, so it is taken as one, too")
    successes = {
        status: resolve(document, response)
        for status, response in responses.items()
        if str(status).startswith("2") and str(status) not in {"204", "205"}
    }
    silent = not any(whole.get("content") for whole in successes.values())
    for status, whole in successes.items():
        content = whole.get("content", {})
        told = {kind: media for kind, media in content.items() if not _is_untold(kind, media)}
        if told == content and not silent:
            continue
        silent = False
        what = "JSON of which nothing is said, or text of any type, as frameworks write of anything"
        is_bytes = [*content.values()] == [{"schema": BINARY}]
        what = "bytes of any type" if is_bytes else what if content else "no content"
        yield Mend(
            ("paths", PATH, METHOD, "responses", status),
            f"{what}: {'left out' if told else 'taken as audio'}",
        )
        audio = {"application/octet-stream": {"schema": dict(BINARY)}}
        responses[status] = {**whole, "content": told or audio}


def _is_untold(kind: str, media: dict[str, Any]) -> bool:
    schema: dict[str, Any] = media.get("schema") or media.get("itemSchema") or {}
    if kind == "*/*":
        return schema.get("type") == "string"
    if "json" not in kind:
        return False
    said = {key for key in schema if schema[key] not in ({}, []) and not key.startswith("x-")}
    is_any_object = said <= {"type", "title"} and schema.get("type") == "object"
    told = {"example", "examples", "itemSchema"} & media.keys()
    return not schema or (is_any_object and not told)


def _talk_in_json(document: dict[str, Any]) -> Iterator[Mend]:
    """Take objects of any media type, which frameworks write where none is set, as JSON."""
    for place, node in parts(document):
        content = node.get("content")
        if not is_mapping(content) or [*content] != ["*/*"]:
            continue
        schema = content["*/*"].get("schema", BINARY)
        is_ours = place[:-1] == ("paths", PATH, METHOD, "responses") and str(place[-1])[0] == "2"
        is_answer = place[-2:-1] == ("responses",) and not is_ours
        is_told = resolve(document, schema).get("type", "object") in {"object", "array"}
        if ("requestBod" in str(place[-2:]) and schema != BINARY) or (is_answer and is_told):
            node["content"] = {"application/json": content["*/*"]}
            yield Mend(place, "of any media type, which is taken as JSON")


def _name_once(document: dict[str, Any]) -> Iterator[Mend]:
    """Take from an operation an id that another has; ours keeps its own."""
    known: dict[str, str] = {}
    paths = document["paths"]
    places = [(path, method) for path in paths for method in METHODS if method in paths[path]]
    for path, method in sorted(places, key=lambda place: place != (PATH, METHOD)):
        operation = paths[path][method]
        if "operationId" not in operation:
            continue
        name = str(operation["operationId"])
        if name in known:
            del operation["operationId"]
            yield Mend(
                ("paths", path, method), f"its operationId {name!r} is that of {known[name]}"
            )
        else:
            known[name] = f"{method.upper()} {path}"


def _drop_what_is_wrong_and_unused(document: dict[str, Any]) -> Iterator[Mend]:
    """Drop links, callbacks and samples that lead nowhere: no client is made from them."""
    for place, node in list(parts(document)):
        if "schema" in node and not is_mapping(node.get("examples", {})):
            del node["examples"]
            yield Mend((*place, "examples"), "not by names, so left aside")
        for key in {"callbacks", "links", "examples"} & node.keys():
            named: Any = node[key]
            for name in list(named) if is_mapping(named) else []:
                reference = named[name].get("$ref") if is_mapping(named[name]) else None
                if reference and follow(document, str(reference)) is None:
                    del named[name]
                    yield Mend((*place, key, name), "points at nothing, so left aside")
                elif key == "links" and (vain := _given_in_vain(document, named[name])):
                    del named[name]
                    what = f"gives {vain}, which its operation does not take, so left aside"
                    yield Mend((*place, key, name), what)


def _given_in_vain(document: dict[str, Any], link: Any) -> str:
    """Name a parameter that a link gives and its operation does not have, if there is one."""
    link = resolve(document, link) if is_mapping(link) else {}
    for method, path, operation in operations(document):
        is_it = link.get("operationRef") == pointer(("paths", path, method))
        if is_it or link.get("operationId", link) == operation.get("operationId"):
            levels = (document["paths"][path], operation)
            given = [each for level in levels for each in level.get("parameters") or ()]
            found = [resolve(document, each) for each in given if is_mapping(each)]
            known = {it.get("name") for it in found}
            known |= {f"{it.get('in')}.{it.get('name')}" for it in found}
            return next((name for name in link.get("parameters") or () if name not in known), "")
    return ""


def _tell_of_servers(document: dict[str, Any]) -> Iterator[Mend]:
    """Say which operations are at another server, for a client speaks to one."""
    for path, item in document["paths"].items():
        for method in METHODS:
            urls = server_urls(document, path, method)
            if method in item and urls and urls[:1] != server_urls(document)[:1]:
                what = f"it is at {urls[0]}, which takes a client with that base_url"
                yield Mend(("paths", path, method), what)


def _add_bearer(document: dict[str, Any]) -> Iterator[Mend]:
    """Let the key be a bearer token, as this client sends it, where only other ways are named."""
    schemes: dict[str, Any] = document.get("components", {}).get("securitySchemes", {})
    told = False
    bearers = {name for name, scheme in schemes.items() if is_bearer(scheme)}
    for place, node in list(parts(document)):
        security = node.get("security")
        if not security or not is_list(security) or not all(security):
            continue
        if not any(bearers & requirement.keys() for requirement in security):
            schemes["bearerKey"] = {"type": "http", "scheme": "bearer"}
            document.setdefault("components", {})["securitySchemes"] = schemes
            node["security"] = [*security, {"bearerKey": []}]
            if not told:
                what = "no bearer token, as which this client sends the key all the same"
                yield Mend((*place, "security"), what)
            told = True


def is_bearer(scheme: dict[str, Any]) -> bool:
    """Tell whether a key is sent as a bearer token."""
    kind, name = scheme.get("type"), str(scheme.get("scheme", scheme.get("name"))).lower()
    in_its_header = kind == "apiKey" and (scheme.get("in"), name) == ("header", "authorization")
    return kind in {"oauth2", "openIdConnect"} or name == "bearer" or in_its_header


def _drop_parameters(document: dict[str, Any]) -> Iterator[Mend]:
    """Drop those that OpenAPI has ignored, and those that only its version 3.2 has."""
    for place, node in list(parts(document)):
        for number, given in enumerate(
            node["parameters"] if is_list(node.get("parameters")) else ()
        ):
            found = resolve(document, given) if is_mapping(given) else {}
            kind, name = found.get("in"), str(found.get("name")).lower()
            if kind == "querystring":
                what = "left out, for it is a whole query: give it in extra_query"
                yield Mend((*place, "parameters", number), what)
            elif kind != "header" or name not in {"accept", "content-type"}:
                continue
            node["parameters"] = [other for other in node["parameters"] if other is not given]
    named: Any = document.get("components", {}).get("parameters")
    for name in list(named) if is_mapping(named) else ():
        if is_mapping(named[name]) and named[name].get("in") == "querystring":
            del named[name]
