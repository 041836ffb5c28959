"""The seam to the generated package: how one of its operation modules is called."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs

from modelgates.config import DEFAULT, Default, checked_headers
from modelgates.errors import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from types import ModuleType

    from modelgates.config import Timeout
    from modelgates.jobs.cache import AudioCache
    from modelgates.retry import RetryPolicy


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

    Raises:
        ConfigurationError: If it is no operation, or does not take such arguments.
    """
    try:
        # A document that declares the key as a header makes it an argument; the client sends it.
        own = {"authorization": ""} if _takes_key(operation) else {}
        kwargs: dict[str, Any] = operation._get_kwargs(**own, **arguments)  # noqa: SLF001
    except Exception as error:
        name = getattr(operation, "__name__", repr(operation))
        raise ConfigurationError(f"{name} cannot be called so: {error!r}") from error
    return kwargs


@cache
def _takes_key(operation: ModuleType) -> bool:
    return "authorization" in inspect.signature(operation._get_kwargs).parameters  # noqa: SLF001
