"""Arguments: what is known of them, and what is wrong with those that a function was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from modelgates_speech.errors import ArgumentError

P = ParamSpec("P")
T = TypeVar("T")
ClassT = TypeVar("ClassT")

# What other SDKs call it.
ELSEWHERE = {"max_retries": "retry", "http_client": "transport", "proxy": "transport"}


class Argument(NamedTuple):
    """An argument of a request, as the OpenAPI document describes it: a property of its schema."""

    name: str
    type: str
    description: str
    values: tuple[str, ...] = ()
    required: bool = False
    deprecated: bool = False


def explained(public: str = "") -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Have a function say what is wrong with its arguments, instead of Python.

    Args:
        public: How it is called by users; by default the name of the class, for its `__init__`.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except TypeError as error:
                # A frame below: the arguments were taken, and this is about something else.
                if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                    raise
                called = public or type(args[0]).__name__
                problem = f"{called}(): {misuse(function, len(args), list(kwargs))}"
            finally:
                # One of them may be the key, and a traceback with locals shows this frame.
                kwargs.clear()
                del args
            raise ArgumentError(problem)

        return call

    return decorate


def explained_settings(cls: ClassT) -> ClassT:
    """Do so for what a class of attrs is made of."""
    setattr(cls, "__init__", explained()(vars(cls)["__init__"]))  # noqa: B010 - for type checkers
    return cls


def misuse(function: Callable[..., Any], count: int, names: Iterable[str]) -> str:
    """What is wrong with a call of `count` arguments and others by `names`; ``""`` for nothing."""
    # Slow to load, and needed by mistakes alone.
    from inspect import Parameter, signature

    parameters: Mapping[str, Parameter] = signature(function).parameters
    by_place = [n for n, each in parameters.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
    any_name = [n for n, each in parameters.items() if each.kind is Parameter.VAR_KEYWORD]
    known = [n for n in parameters if n not in any_name]
    given = {*by_place[:count], *names}
    missing = [n for n in known if parameters[n].default is Parameter.empty and n not in given]
    told = [f"{name!r} is given twice" for name in names if name in by_place[:count]]
    for name in names:
        if name not in known and not any_name:
            told.append(unexpected(name, [n for n in known if n not in given], missing))
            missing = [n for n in missing if not told[-1].endswith(f"{n!r}?")]
    told += [f"missing argument {name!r}" for name in missing]
    if count > len(by_place):
        told.append("pass the arguments by name")
    return "; ".join(told)


def unexpected(name: str, known: Iterable[str], missing: Iterable[str] = ()) -> str:
    """What to say of an argument that does not exist."""
    from difflib import get_close_matches

    near = get_close_matches(ELSEWHERE.get(name, name), known) or [*missing]
    return f"unexpected argument {name!r}" + (f": did you mean {near[0]!r}?" if near else "")
