"""Find the operations whose generated code does not type-check, so that they can be left out."""

from __future__ import annotations

import json
import re
from pathlib import Path

from scripts.binding import METHOD, PATH
from scripts.scope import UNUSED
from scripts.terms import operations

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
    names = {
        (method, _shape(path)): f"{method.upper()} {path}"
        for method, path, _ in operations(json.loads(shipped.read_text("utf-8")))
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
    if wrong.keys() - blamed:
        found[UNUSED] = f"their code would not type-check, {next(iter(wrong.values()))}"
    return found


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
