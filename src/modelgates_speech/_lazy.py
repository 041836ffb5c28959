"""Packages whose public names are loaded when they are first used."""

import sys

# True to type checkers, either to editors; `typing`, which has it too, would be most of the cost.
TYPE_CHECKING = bool()  # noqa: UP018 - editors would believe a plain False
if TYPE_CHECKING:
    from collections.abc import Callable


def attach(package: str, **names: str) -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """The `__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        package: Its name.
        **names: Its public names, separated by spaces, under the module that has them. They stand
            in code, for a program that is packed into one file has no files to read.
    """
    homes = {name: module for module, group in names.items() for name in group.split()}

    def getattr_(name: str) -> object:
        if name == "__all__":
            value: object = sorted(homes)
        elif name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        else:
            from importlib import import_module

            value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return getattr_, lambda: sorted({*vars(sys.modules[package]), *homes})
