"""What changed for programs that import the packages, as griffe reads their sources.

Names and arguments make the rating: an import path that moves, a model renamed, an argument
required or gone. Types are rated on the wire, where it is known which way a value travels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import griffe

from scripts.comparison.changes import Change, Rating, grouped
from scripts.manual.attrs_classes import AttrsClasses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = ("modelgates_speech", "modelgates_api")
_MODULE_OF_A_MODEL = re.compile(r"(?<=^modelgates_api\.models\.)[a-z0-9_]+\.(?=\w+\.)")

# A default or a return type: what calls look like stays the same.
_FOLLOW_THE_WIRE = {
    griffe.BreakageKind.PARAMETER_CHANGED_DEFAULT,
    griffe.BreakageKind.RETURN_CHANGED_TYPE,
    griffe.BreakageKind.ATTRIBUTE_CHANGED_TYPE,
    griffe.BreakageKind.ATTRIBUTE_CHANGED_VALUE,
}


def python_changes(old: list[Path], new: list[Path]) -> list[Change]:
    """Compare the public API of both packages.

    Args:
        old: The folders that hold the packages as they are.
        new: The folders that hold them as they would be.
    """
    changes: set[Change] = set()
    for package in PACKAGES:
        before, after = _load(package, old), _load(package, new)
        # What going back would break is what going forward adds.
        added, broken = [*_gone(_breakages(after, before))], [*_breakages(before, after)]
        for rating, text in _broken(broken, added):
            changes.add(Change(rating, "python", text))
        for name in set(added) - _demanded(broken):
            changes.add(Change(Rating.COMPATIBLE, "python", f"`{name}` is new"))
    return grouped(sorted(changes, reverse=True))


def _load(package: str, folders: list[Path]) -> griffe.Module:
    loader = griffe.GriffeLoader(
        search_paths=folders,
        extensions=griffe.load_extensions(AttrsClasses()),
        allow_inspection=False,
    )
    module = loader.load(package, try_relative_path=False)
    loader.resolve_aliases(implicit=True, external=False)
    assert isinstance(module, griffe.Module)
    return module


def _broken(breakages: list[griffe.Breakage], added: list[str]) -> Iterator[tuple[Rating, str]]:
    # It may have been renamed where it was, or moved under its name.
    parents = {name.rpartition(".")[0] for name in added}
    names = {name.rpartition(".")[2] for name in added}
    for breakage in breakages:
        name = _path(breakage)
        # Parameters have a name; what else a breakage holds is a kind of object or a base.
        argument = getattr(breakage.old_value or breakage.new_value, "name", "")
        rating = Rating.BREAKING
        match breakage.kind:
            case griffe.BreakageKind.OBJECT_REMOVED if _is_list_of_values(breakage.obj):
                # A type, which follows the wire: any value is taken now, or the property is gone.
                rating, text = Rating.COMPATIBLE, f"`{name}` is gone, a list of values"
            case griffe.BreakageKind.OBJECT_REMOVED:
                parent, _, own = name.rpartition(".")
                # Objects that take no other properties lose all that holds these.
                is_lost = own.startswith(("additional_", "__"))
                is_elsewhere = not is_lost and (parent in parents or own in names)
                text = f"`{name}` is gone or has moved" if is_elsewhere else f"`{name}` is gone"
            case griffe.BreakageKind.PARAMETER_ADDED_REQUIRED:
                text = f"`{name}` requires a new argument `{argument}`"
            case griffe.BreakageKind.PARAMETER_CHANGED_REQUIRED:
                text = f"`{name}` now requires its argument `{argument}`"
            case griffe.BreakageKind.PARAMETER_REMOVED:
                text = f"`{name}` no longer takes `{argument}`"
            case _:
                text = f"`{name}`: {breakage.kind.value[:1].lower()}{breakage.kind.value[1:]}"
        yield rating, text


def _is_list_of_values(found: griffe.Object | griffe.Alias) -> bool:
    target = found.final_target if isinstance(found, griffe.Alias) else found
    value = target.value if isinstance(target, griffe.Attribute) else None
    return str(value).startswith("Literal[")


def _gone(breakages: Iterator[griffe.Breakage]) -> Iterator[str]:
    for breakage in breakages:
        if breakage.kind is griffe.BreakageKind.OBJECT_REMOVED:
            yield _path(breakage)
        elif breakage.kind is griffe.BreakageKind.PARAMETER_REMOVED:
            yield f"{_path(breakage)}({breakage.old_value.name}=)"


def _demanded(breakages: list[griffe.Breakage]) -> set[str]:
    """Give the new arguments that break calls without them, which says that they are new, too."""
    demanded = griffe.BreakageKind.PARAMETER_ADDED_REQUIRED
    found = (each for each in breakages if each.kind is demanded)
    return {f"{_path(each)}({each.new_value.name}=)" for each in found}


def _path(breakage: griffe.Breakage) -> str:
    """Say where users meet it: they import models from where all of them are."""
    return _MODULE_OF_A_MODEL.sub("", breakage.obj.path)


def _breakages(old: griffe.Module, new: griffe.Module) -> Iterator[griffe.Breakage]:
    """Give what breaks, each thing once."""
    for breakage in griffe.find_breaking_changes(old, new):
        gone = breakage.kind is griffe.BreakageKind.OBJECT_REMOVED
        parent = breakage.obj.parent
        # A model's module goes with the model, a constructor's argument with the attribute.
        said_elsewhere = (
            gone and breakage.obj.is_module and parent and parent.name == "models"
        ) or (
            breakage.kind is griffe.BreakageKind.PARAMETER_REMOVED
            and breakage.obj.name == "__init__"
        )
        if not said_elsewhere and breakage.kind not in _FOLLOW_THE_WIRE:
            yield breakage
