"""Packages whose public names stand in their `__init__.pyi`, once, and load when first used."""

import sys

# Type checkers take it for true; to import `typing` for it would be most of the cost.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def attach(package: str, file: str) -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """The `__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        package: Its name.
        file: Its `__init__.py`. Beside it, `__init__.pyi` has a line for each name, of the form
            ``from .module import Name as Name``.
    """

    def homes() -> dict[str, str]:
        with open(f"{file.removesuffix('.py')}.pyi", encoding="utf-8") as stub:  # noqa: PTH123
            lines = [line.split() for line in stub if line.startswith("from .")]
        return {words[3]: words[1] for words in lines}

    def getattr_(name: str) -> object:
        if name == "__all__":
            value: object = sorted(homes())
        elif (name.startswith("_") and name != "__version__") or name not in (known := homes()):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        else:
            from importlib import import_module

            value = getattr(import_module(known[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    return getattr_, lambda: sorted({*vars(sys.modules[package]), *homes()})
