"""What passes between the client and whatever carries its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    import httpcore


# No repr: the headers hold the key.
@attrs.define(eq=False, repr=False)
class Request:
    """A request with a whole body, and the seconds that each phase of it may take."""

    method: bytes
    url: httpcore.URL
    headers: Sequence[tuple[bytes, bytes]]
    content: bytes
    timeout: Mapping[str, float]


class Body(Protocol):
    """The body of a reply as it arrives; to be closed, whether it was read or not."""

    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class AsyncBody(Protocol):
    """The same for an event loop."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


@attrs.define(eq=False, repr=False)
class Response:
    """A reply whose body is not yet read."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: Body


@attrs.define(eq=False, repr=False)
class AsyncResponse:
    """The same for an event loop."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: AsyncBody


class Transport(Protocol):
    """What carries requests: a pool, or one of its connections, which carries one at a time.

    It raises the exceptions of `httpcore` or of `httpx`.
    """

    def send(self, request: Request) -> Response:
        """Send `request` and wait for the head of the reply."""
        ...

    def close(self) -> None:
        """Close what is open. May be called again."""
        ...


class AsyncTransport(Protocol):
    """The same for an event loop."""

    async def send(self, request: Request) -> AsyncResponse:
        """Send `request` and wait for the head of the reply."""
        ...

    async def aclose(self) -> None:
        """Close what is open. May be called again."""
        ...
