"""The seam to the generated package: how one of its operation modules is called."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

from modelgates_speech.config import DEFAULT, Default, checked_headers
from modelgates_speech.errors import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from types import ModuleType

    from modelgates_speech.config import Timeout
    from modelgates_speech.jobs.cache import AudioCache
    from modelgates_speech.retry import RetryPolicy


@runtime_checkable
class HasDict(Protocol):
    """A generated model, such as ``SpeechRequestProvider``."""

    def to_dict(self) -> dict[str, Any]:
        """The model as JSON would have it."""
        ...


@attrs.frozen(kw_only=True)
class Call:
    """A call that is described but not yet made.

    Attributes:
        operation: The generated module whose call this is.
        kwargs: What its ``_get_kwargs`` returned.
        headers: Headers to add.
        timeout: Seconds for each phase, or a `Timeout`; by default the client's.
        deadline: Seconds for the whole call, or None; by default the client's.
        retry: A `RetryPolicy`, or None; by default the client's.
        cache_dir: Where the answer is looked for first and kept, or None.
    """

    operation: ModuleType
    kwargs: dict[str, Any]
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=checked_headers)
    timeout: float | Timeout | Default = DEFAULT
    deadline: float | Default | None = DEFAULT
    retry: RetryPolicy | Default | None = DEFAULT
    cache_dir: str | os.PathLike[str] | AudioCache | None = None


def operation_kwargs(operation: ModuleType, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the generated `operation` would send for `arguments`.

    Headers that it requires may be absent: those of the client and of the call are added later,
    the key among them.

    Raises:
        ConfigurationError: If it is no operation, or does not take such arguments.
    """
    name = getattr(operation, "__name__", repr(operation))
    try:
        absent = _required(operation) - arguments.keys()
        kwargs: dict[str, Any] = operation._get_kwargs(  # noqa: SLF001
            **dict.fromkeys(absent, _NOT_GIVEN), **arguments
        )
    except Exception as error:
        raise ConfigurationError(f"{name} cannot be called so: {error!r}") from error
    if "headers" in kwargs:
        kwargs["headers"] = {k: v for k, v in kwargs["headers"].items() if v != _NOT_GIVEN}
    if any(_NOT_GIVEN in str(kwargs.get(part, "")) for part in ("url", "params", "cookies")):
        raise ConfigurationError(f"{name} cannot be called without {', '.join(sorted(absent))}")
    return kwargs


# Stands for an argument that nobody gave, until it is known whether it is a header.
_NOT_GIVEN = "modelgates-argument-not-given"


@cache
def _required(operation: ModuleType) -> frozenset[str]:
    parameters = inspect.signature(operation._get_kwargs).parameters.values()  # noqa: SLF001
    return frozenset(each.name for each in parameters if each.default is each.empty)
