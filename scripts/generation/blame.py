"""Find the operations whose generated code does not type-check, so that they can be left out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from scripts.document.operation import METHOD, PATH, operations
from scripts.document.references import reachable
from scripts.document.scope import OURS, UNUSED

_ERROR = re.compile(r"^generated/(\S+\.py):(\d+): error: (.*)$", re.MULTILINE)
_IMPORT = re.compile(r"^\s*from (\.+)([\w.]*) import", re.MULTILINE)


def blame(output: Path, said: str) -> dict[str, str]:
    """Name the operations that need a module which does not type-check.

    Args:
        output: The folder of the generated package.
        said: What the type checker printed.

    Returns:
        For each operation the reason; nothing where ours is among them.
    """
    [shipped] = output.glob("*/openapi.json")
    document = json.loads(shipped.read_text("utf-8"))
    names = {
        (method, _shape(path)): f"{method.upper()} {path}"
        for method, path, _ in operations(document)
    }
    found: dict[str, str] = {}
    wrong = {
        Path(output, file): f"{file}:{line}: {why}" for file, line, why in _ERROR.findall(said)
    }
    blamed: set[Path] = set()
    for module in sorted(output.glob("*/api/*/*.py")):
        if module.name == "__init__.py":
            continue
        method, path = _operation(module)
        needed = _needed(module, output)
        if reason := next((wrong[file] for file in needed if file in wrong), None):
            if (method, path) == (METHOD, PATH):
                return {}
            found[names[method, _shape(path)]] = f"its code would not type-check, {reason}"
            blamed |= needed
    if unused := {file.stem: reason for file, reason in wrong.items() if file not in blamed}:
        found[UNUSED] = f"their code would not type-check, {next(iter(unused.values()))}"
        found |= _written_about(document, unused)
    return found


def _written_about(document: dict[str, Any], modules: dict[str, str]) -> dict[str, str]:
    """Name the operations whose components became modules that no code imports.

    The generator has left out the answer that needed them, or the whole operation.
    """
    modules = {_plain(stem): reason for stem, reason in modules.items()}
    found: dict[str, str] = {}
    for method, path, operation in operations(document):
        parts = {_plain(name) for _, name in reachable(document, operation)}
        if known := sorted(parts & modules.keys()):
            found[f"{method.upper()} {path}"] = (
                f"part of its code would not type-check, {modules[known[0]]}"
            )
    return {} if OURS in found else found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _operation(module: Path) -> tuple[str, str]:
    text = module.read_text("utf-8")
    method = re.search(r'"method": "(\w+)"', text)
    url = re.search(r'"url": "([^"]*)"', text)
    assert method, module
    assert url, module
    return method[1], url[1]


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _needed(module: Path, output: Path) -> set[Path]:
    """Give the modules that one imports, directly or not."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if one in found or not one.is_file() or one.name == "__init__.py":
            continue
        found.add(one)
        for dots, name in _IMPORT.findall(one.read_text("utf-8")):
            folder = one
            for _ in dots:
                folder = folder.parent
            waiting.append(Path(folder, *name.split(".")).with_suffix(".py"))
    return found
