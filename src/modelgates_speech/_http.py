"""What passes between the client and whatever carries its requests.

Plain classes: they are made for every call, and their headers, which may hold the key, must be in
no repr.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from typing import Protocol

    import httpcore


class Request:
    """A request with a whole body, and the seconds that each phase of it may take."""

    __slots__ = ("content", "headers", "method", "timeout", "url")

    def __init__(
        self,
        method: bytes,
        url: httpcore.URL,
        headers: Sequence[tuple[bytes, bytes]],
        content: bytes,
        timeout: Mapping[str, float],
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.content = content
        self.timeout = timeout


B = TypeVar("B", bound="Body | AsyncBody")


class Response(Generic[B]):
    """A reply whose body is not yet read."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: B) -> None:
        self.status = status
        self.headers = headers
        self.body = body


# To a running program these are no more than names, which would cost it a millisecond.
if TYPE_CHECKING:

    class Body(Protocol):
        """The body of a reply as it arrives; to be closed, whether it was read or not."""

        def __iter__(self) -> Iterator[bytes]: ...
        def close(self) -> None: ...

    class AsyncBody(Protocol):
        """The same for an event loop."""

        def __aiter__(self) -> AsyncIterator[bytes]: ...
        async def aclose(self) -> None: ...

    class Transport(Protocol):
        """What carries requests: a pool, or one of its connections, which carries one at a time.

        It raises the exceptions of `httpcore` or of `httpx`.
        """

        def send(self, request: Request) -> Response[Body]:
            """Send `request` and wait for the head of the reply."""
            ...

        def close(self) -> None:
            """Close what is open. May be called again."""
            ...

    class AsyncTransport(Protocol):
        """The same for an event loop."""

        async def send(self, request: Request) -> Response[AsyncBody]:
            """Send `request` and wait for the head of the reply."""
            ...

        async def aclose(self) -> None:
            """Close what is open. May be called again."""
            ...
