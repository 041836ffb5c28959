"""What a client is made of, checked before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import attrs

from modelgates_speech.config import (
    KeySource,
    Timeout,
    as_timeout,
    checked_deadline,
    checked_headers,
    checked_layout,
)
from modelgates_speech.retry import checked_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelgates_speech.retry import RetryPolicy


class Options(TypedDict, total=False):
    """What `with_options` can change; each as in `ModelGates`."""

    api_key: str | Callable[[], str]
    timeout: float | Timeout
    deadline: float | None
    retry: RetryPolicy | None
    headers: Mapping[str, str]
    sample_rate: int
    channels: int


# No repr: that of attrs fails on settings which were refused halfway, in crash reports of all.
@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """A client's settings, checked."""

    api_key: KeySource
    base_url: str
    timeout: Timeout = attrs.field(converter=as_timeout)
    deadline: float | None = attrs.field(converter=checked_deadline)
    retry: RetryPolicy | None = attrs.field(converter=checked_policy)
    headers: Mapping[str, str] = attrs.field(converter=checked_headers)

    sample_rate: int
    channels: int

    def __attrs_post_init__(self) -> None:
        self.api_key.check()
        checked_layout(self.sample_rate, self.channels)
