"""Which part of an OpenAPI document is generated: `generator-scope.yaml`.

A document of seventy endpoints need not become two thousand files, and must not be lost for one of
them that cannot be generated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from scripts.document.operation import METHOD, PATH, BindingError, operations
from scripts.document.reading import is_list, is_mapping
from scripts.document.references import METHODS, parts, reachable

if TYPE_CHECKING:
    from pathlib import Path

ALL = "all"
OURS = f"{METHOD.upper()} {PATH}"
# An entry of `left_out` for components that no operation needs.
UNUSED = "components that no operation uses"


class ScopeError(Exception):
    """The file does not say what it should."""


@dataclass
class Scope:
    """What is generated.

    Attributes:
        operations: `all`, or those wanted, as `GET /models`.
        server: Where the API is, should the document name no absolute server.
        left_out: What cannot be generated, and why.
    """

    operations: str | list[str] = ALL
    server: str | None = None
    left_out: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, path: Path) -> Scope:
        """Read the file.

        Raises:
            ScopeError: It is not one.
        """
        found: Any = YAML(typ="safe").load(path.read_bytes())  # pyright: ignore[reportUnknownMemberType]
        try:
            scope = cls(**found)
        except TypeError as error:
            raise ScopeError(f"{path.name}: {error}") from error
        wanted = scope.operations
        if wanted != ALL and not isinstance(wanted, list):
            raise ScopeError(f"{path.name}: operations is `all` or a list, not {wanted!r}")
        return scope

    def write(self, path: Path) -> None:
        """Put server and reasons into the file, comments kept."""
        yaml = YAML()
        yaml.width = 1000
        contents: Any = yaml.load(path.read_bytes())  # pyright: ignore[reportUnknownMemberType]
        contents["server"], contents["left_out"] = self.server, self.left_out
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(contents, file)  # pyright: ignore[reportUnknownMemberType]

    def of(self, document: dict[str, Any]) -> dict[str, Any]:
        """Give a document with the operations of this scope alone; itself if those are all.

        Components go with the operations that need them.
        """
        known = {f"{method.upper()} {path}" for method, path, _ in operations(document)}
        wanted = known if self.operations == ALL else known & {*self.operations, OURS}
        kept = wanted - self.left_out.keys()
        if kept == known and UNUSED not in self.left_out:
            return document
        paths: dict[str, Any] = {}
        for path, item in document["paths"].items():
            others = {key: value for key, value in item.items() if key not in METHODS}
            found = {m: item[m] for m in METHODS if m in item and f"{m.upper()} {path}" in kept}
            if found:
                paths[path] = {**others, **found}
        return pruned({**document, "paths": paths})


def pruned(document: dict[str, Any]) -> dict[str, Any]:
    """Give a document without what its paths do not need: components, and calls to others."""
    needed = {*reachable(document, document["paths"])}
    for _, node in parts({**document, "components": {}}):
        for requirement in node["security"] if is_list(node.get("security")) else ():
            needed |= {("securitySchemes", name) for name in requirement}
    components = {
        kind: {name: part for name, part in named.items() if (kind, name) in needed}
        for kind, named in document.get("components", {}).items()
        if is_mapping(named)
    }
    kept = {key: value for key, value in document.items() if key != "webhooks"}
    return {**kept, "components": components} if components else kept


def only(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """Give a document with one operation and what it needs.

    Raises:
        BindingError: It is not there.
    """
    item = document.get("paths", {}).get(path, {})
    if method not in item:
        raise BindingError(f"the document has no {method.upper()} {path}")
    kept = {key: value for key, value in item.items() if key not in METHODS or key == method}
    kept_keys = {"openapi", "info", "servers", "security", "components"}
    rest = {key: value for key, value in document.items() if key in kept_keys}
    return pruned({**rest, "paths": {path: kept}})
