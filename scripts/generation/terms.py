"""Say a document in terms that the generator has, where its configuration has no word for it.

The generator knows few media types, refuses properties whose Python names collide, and writes two
operations of one name into one file. It is given a copy of the document in which these do not
occur. What is sent and received stays what the document says.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from openapi_python_client.parser.openapi import generate_operation_id
from openapi_python_client.parser.properties.schemas import Class
from openapi_python_client.schema.untrusted_string import UntrustedString
from openapi_python_client.strings import PythonIdentifier, get_content_type, pascal_case

from scripts.document.layout import BINARY
from scripts.document.operation import METHOD, PATH, bodies, operations, resolve
from scripts.document.reading import is_list, is_mapping
from scripts.document.references import LONGEST_NAME, METHODS, follow, parts, variants
from scripts.document.simpler import bare, simplify, write_plainly

if TYPE_CHECKING:
    from openapi_python_client.config import Config
    from openapi_python_client.parser import GeneratorData

# What the generator reads of a document.
_ROOTS = {"openapi", "info", "servers", "paths", "components", "security"}
_TEXT = {"type": "string"}
_STRUCTURED = ("application/x-www-form-urlencoded", "multipart/form-data")

# What generated modules import, define or use by these names: no class may take them.
_TAKEN_CLASSES = {
    *("Any", "AuthenticatedClient", "BinaryIO", "BytesIO", "Client", "File", "FileTypes"),
    *("Generator", "HTTPStatus", "IO", "Iterable", "Literal", "Mapping", "Optional", "Response"),
    *("Self", "Sequence", "T", "TypeVar", "UNSET", "UUID", "Union", "Unset", "cast", "datetime"),
    *("errors", "httpx", "json", "quote", "types"),
}
# Characters for the name of a class that comes after the names of all that it is within.
_LEAST_ROOM = 12
# What generated models have or use by these names: no property may.
_TAKEN_PROPERTIES = {
    *("additional_keys", "additional_properties", "additional_property", "cast", "cls", "d"),
    *("date", "datetime", "field_dict", "files", "from_dict", "isoparse", "json", "kwargs"),
    *("prop", "prop_dict", "prop_name", "src_dict", "t", "to_dict", "to_multipart", "types"),
}


class Terms:
    """A document as the generator is given it.

    Args:
        document: The document as upstream has it; it stays as it is.
        config: The generator's configuration; it is told of media types that it does not know.

    Attributes:
        document: The copy.
        wire_names: What is renamed in it, by its new name.
    """

    def __init__(self, document: dict[str, Any], config: Config) -> None:
        self.document = bare({key: document[key] for key in _ROOTS & document.keys()})
        if str(document.get("openapi", "")).startswith("3.2"):
            self.document["openapi"] = "3.1.1"
        simplify(self.document)
        write_plainly(self.document)
        self._config = config
        self.wire_names: dict[str, str] = {}
        self._write_names_as_python_reads_them()
        self._names: dict[int, str] = {}
        self._properties = {
            name for _, node in parts(self.document) for name in node.get("properties", {})
        }
        self._classes = set(_TAKEN_CLASSES)
        leave_out_the_key(self.document)
        for _, _, operation in operations(self.document):
            _leave_out_text(resolve(self.document, operation.get("requestBody", {})))
            if len(operation.get("requestBody", {}).get("content", {})) > 1:
                # The generator forgets to import what it writes for several that are required.
                operation["requestBody"]["required"] = False
        for body in bodies(self.document):
            self._name_content(body["content"])
        self._tell_operations_apart()
        for item in self.document["paths"].values():
            common = self._tell_parameters_apart(item, {})
            for method in METHODS:
                self._tell_parameters_apart(item.get(method, {}), common)
        self._tell_alternatives_apart()
        self._tell_classes_apart()

    def _write_names_as_python_reads_them(self) -> None:
        """Write ligatures and wide letters as the plain ones that Python takes them for."""
        for _, node in parts(self.document):
            if isinstance(title := node.get("title"), str):
                node["title"] = _plain(title)
        for _, _, operation in operations(self.document):
            operation["tags"] = [_plain(tag) for tag in operation.get("tags", [])]
            if "operationId" in operation:
                operation["operationId"] = _plain(operation["operationId"])

    def restore_wire_names(self, api: GeneratorData) -> None:
        """Have what was renamed sent and read by the names of the document."""
        tagged = api.endpoint_collections_by_tag.values()
        endpoints = [endpoint for collection in tagged for endpoint in collection.endpoints]
        renamed = [known for endpoint in endpoints for known in endpoint.list_all_parameters()]
        for model in api.models:
            renamed += [*(model.required_properties or ()), *(model.optional_properties or ())]
        for known in renamed:
            wire_name = self.wire_names.get(known.name.get_untrusted_value())
            if wire_name is not None:
                known.name = UntrustedString(wire_name)

    def _name_content(self, content: dict[str, Any]) -> None:
        """Call everything bytes or text that is neither JSON nor a form.

        What says the same as the JSON beside it is dropped: one class cannot tell which is meant.
        """
        structured = [content[kind].get("schema", {}) for kind in content if "json" in kind]
        for media_type in [kind for kind in content if kind in _STRUCTURED]:
            if content[media_type].get("schema") in structured:
                del content[media_type]
        texts: list[str] = []
        for media_type, media in content.items():
            known = get_content_type(media_type, self._config) or ""
            if known == "application/json" or known.endswith("+json") or known in _STRUCTURED:
                continue
            if known.startswith("text/"):
                media["schema"] = _TEXT
                texts.append(media_type)
            else:
                # Whatever the schema says of them, bytes are handed over as they are.
                media["schema"] = BINARY
                self._config.content_type_overrides[media_type] = "application/octet-stream"
        for media_type in texts:
            # An answer is read as the first of these: as JSON, of which more is known.
            content[media_type] = content.pop(media_type)

    def _tell_operations_apart(self) -> None:
        """Give each operation of a tag a name of its own, ours the one it would have alone."""
        taken: set[tuple[str, str]] = set()
        for method, path, operation in sorted(
            operations(self.document), key=lambda found: found[:2] != (METHOD, PATH)
        ):
            tag = PythonIdentifier((operation.get("tags") or ["default"])[0], "tag")
            prefix = self._config.field_prefix
            name = operation.get("operationId") or generate_operation_id(
                path=UntrustedString(path), method=method, prefix=prefix
            )
            own = next(n for n in variants(name) if (tag, PythonIdentifier(n, prefix)) not in taken)
            taken.add((tag, PythonIdentifier(own, prefix)))
            if own != name:
                operation["operationId"] = own

    def _tell_parameters_apart(
        self, level: dict[str, Any], known: dict[tuple[str, str], str]
    ) -> dict[tuple[str, str], str]:
        """Give each parameter a Python name that no other at its place has, `known` ones included.

        Those of a path are in its name, too, and keep theirs.
        """
        known = dict(known)
        for number, given in enumerate(level.get("parameters", [])):
            parameter = resolve(self.document, given)
            name, place = parameter["name"], parameter["in"]
            own = name
            for own in variants(name):
                python = PythonIdentifier(own, self._config.field_prefix)
                traced = own not in self._properties and self.wire_names.get(own, name) == name
                is_free = known.setdefault((place, python), name) == name
                if place == "path" or (is_free and (own == name or traced)):
                    break
            if own != name:
                self.wire_names[own] = name
                level["parameters"][number] = {**parameter, "name": own}
        return known

    def _tell_classes_apart(self) -> None:
        components = self.document.get("components", {}).get("schemas", {})
        for name, schema in components.items():
            if _becomes_class(schema):
                self._names[id(schema)] = self._claim(schema, "", schema.get("title") or name)
        for schema in components.values():
            if _becomes_class(schema):
                self._tell_properties_apart(schema, self._names[id(schema)])
        for _, _, operation in operations(self.document):
            for place, node in parts(operation):
                if place[-1:] == ("schema",) and _becomes_class(node):
                    self._tell_properties_apart(node)

    def _tell_alternatives_apart(self) -> None:
        """Give the classes within an operation or a component a title each, where they have any."""
        schemas = self.document.get("components", {}).get("schemas", {}).values()
        for whole in (*schemas, *(operation for _, _, operation in operations(self.document))):
            titles: set[str] = set()
            for place, node in parts(whole):
                title = node.get("title")
                if place and place[-2:-1] != ("properties",) and _becomes_class(node) and title:
                    node["title"] = next(n for n in variants(title) if n not in titles)
                    titles.add(node["title"])

    def _tell_properties_apart(self, schema: dict[str, Any], parent: str = "") -> None:
        """Give each property a Python name and a class of its own; the first keeps what it has.

        The classes of what is written for an operation alone, without a `parent`, are named after
        the operation.
        """
        names = {*_TAKEN_PROPERTIES}
        if parent:
            # The local variable of a model in its module is called like the module.
            names.add(str(Class.from_string(string=parent, config=self._config).module_name))
        properties: dict[str, Any] = {}
        for name, value in schema.get("properties", {}).items():
            own = next(n for n in variants(_plain(name)) if self._is_free(n, name, names))
            names.add(PythonIdentifier(own, self._config.field_prefix))
            properties[own] = value
            if own != name:
                self.wire_names[own] = name
                schema["required"] = [own if r == name else r for r in schema.get("required", [])]
            if _becomes_class(value):
                title = value.get("title") or own
                class_name = self._claim(value, pascal_case(parent), title) if parent else ""
                self._tell_properties_apart(value, class_name)
        if properties:
            schema["properties"] = properties

    def _is_free(self, candidate: str, name: str, taken: set[str]) -> bool:
        # A new name must stand for nothing else anywhere, so that it can be traced back.
        new = candidate == name or candidate not in self._properties | self.wire_names.keys()
        python = PythonIdentifier(candidate, self._config.field_prefix)
        return new and python not in taken and len(python) <= LONGEST_NAME

    def _claim(self, schema: dict[str, Any], prefix: str, title: str) -> str:
        """Reserve a class for a schema, under another title where its own is taken."""
        plain = Class.from_string(string=prefix + title, config=self._config)
        # Where a script has no capitals, the module would hide the class in it.
        hidden = str(plain.name) == str(plain.module_name)
        named = f"Model_{title}" if hidden else title
        room = max(LONGEST_NAME - len(prefix), _LEAST_ROOM)
        if len(plain.name) - len(prefix) > room:
            named = named[:room]
        for variant in variants(named):
            name = prefix + pascal_case(variant) if prefix else variant
            found = Class.from_string(string=name, config=self._config)
            if not self._classes & {found.name, found.module_name}:
                self._classes |= {found.name, found.module_name}
                if variant != title:
                    schema["title"] = variant
                return found.name
        raise AssertionError("there is always another number")


def _plain(name: Any) -> str:
    return unicodedata.normalize("NFKC", str(name))


def _leave_out_text(body: dict[str, Any]) -> None:
    """Drop the text that a body may be beside JSON: the generator can read text, not send it."""
    content = body.get("content", {})
    if any("json" in kind for kind in content):
        for kind in [kind for kind in content if kind.lower().startswith("text/")]:
            del content[kind]


# OpenAPI has parameters of these names ignored: what they hold is said elsewhere.
_IGNORED = {"accept", "authorization", "content-type"}


def leave_out_the_key(document: dict[str, Any]) -> None:
    """Drop the parameter that holds the key: its argument would overrule the client's.

    So it makes no difference whether a document asks for the key by a parameter or by `security`.
    """
    known = [operation for _, _, operation in operations(document)]
    for level in (*document["paths"].values(), *known):
        if is_list(level.get("parameters")):
            level["parameters"] = [p for p in level["parameters"] if not _is_key(document, p)]


def _is_key(document: dict[str, Any], parameter: dict[str, Any]) -> bool:
    """Tell whether a parameter is a header that is the client's to send, as that with the key."""
    if "$ref" in parameter:
        parameter = follow(document, parameter["$ref"])
    place, name = parameter.get("in"), str(parameter.get("name"))
    return place == "header" and name.lower() in _IGNORED


def _becomes_class(schema: Any) -> bool:
    if not is_mapping(schema) or "$ref" in schema:
        return False
    return schema.get("type") == "object" or bool({"enum", "properties", "allOf"} & schema.keys())
