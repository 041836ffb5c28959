"""Shows griffe how classes of attrs are made, as it knows itself for dataclasses."""

from __future__ import annotations

from typing import Any

import griffe

# How the generator calls what it imports.
_GENERATED, _FIELDS = "_attrs_define", {"attrs.field", "_attrs_field"}


class AttrsClasses(griffe.Extension):
    """Gives each class of attrs the `__init__` that attrs will write for it.

    The arguments of generated models count as keyword-only: their order is the generator's and
    changes when one becomes optional.
    """

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Add it, once the members of a class are known."""
        decorators = [str(decorator.value) for decorator in cls.decorators]
        made = [each for each in decorators if each.startswith(("attrs.", _GENERATED))]
        if not made or "__init__" in cls.members:
            return
        kind = griffe.ParameterKind.positional_or_keyword
        if "kw_only=True" in made[0] or made[0] == _GENERATED:
            kind = griffe.ParameterKind.keyword_only
        parameters = [
            griffe.Parameter(name, annotation=each.annotation, kind=kind, default=_default(each))
            for name, each in cls.attributes.items()
            if each.annotation
            and not each.has_labels("property")
            and "init=False" not in str(each.value)
        ]
        init = griffe.Function(
            "__init__", parameters=griffe.Parameters(*parameters), returns="None", lineno=cls.lineno
        )
        cls.set_member("__init__", init)


def _default(field: griffe.Attribute) -> str | griffe.Expr | None:
    call = field.value
    if not isinstance(call, griffe.ExprCall) or str(call.function) not in _FIELDS:
        return call
    given = {
        each.name: each.value for each in call.arguments if isinstance(each, griffe.ExprKeyword)
    }
    return given.get("default", "..." if "factory" in given else None)
