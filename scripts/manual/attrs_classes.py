"""Shows griffe how classes of attrs are made, as it knows itself for dataclasses."""

from __future__ import annotations

from typing import Any

import griffe


class AttrsClasses(griffe.Extension):
    """Gives each class of attrs the `__init__` that attrs will write for it."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Add it, once the members of a class are known."""
        made = [each for each in map(str, _decorators(cls)) if each.startswith("attrs.")]
        if not made or "__init__" in cls.members:
            return
        kind = griffe.ParameterKind.positional_or_keyword
        if "kw_only=True" in made[0]:
            kind = griffe.ParameterKind.keyword_only
        parameters = [
            griffe.Parameter(name, annotation=each.annotation, kind=kind, default=_default(each))
            for name, each in cls.attributes.items()
            if each.annotation and not each.has_labels("property")
        ]
        init = griffe.Function(
            "__init__", parameters=griffe.Parameters(*parameters), returns="None", lineno=cls.lineno
        )
        cls.set_member("__init__", init)


def _decorators(cls: griffe.Class) -> list[str | griffe.Expr]:
    return [decorator.value for decorator in cls.decorators]


def _default(field: griffe.Attribute) -> str | griffe.Expr | None:
    call = field.value
    if not isinstance(call, griffe.ExprCall) or str(call.function) != "attrs.field":
        return call
    given = {
        each.name: each.value for each in call.arguments if isinstance(each, griffe.ExprKeyword)
    }
    return given.get("default", "..." if "factory" in given else None)
