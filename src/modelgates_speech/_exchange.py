"""One call to the API, without its I/O: what to send, when to retry, which error to raise.

`exchange` is a generator. It yields the steps it wants done (`Send`, `Drain`, `Sleep`), is sent
their results, and returns the reply that succeeded. The sync and the async client run the same
generator and differ only in how they do a step.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

from modelgates_speech.audio import request_id_of
from modelgates_speech.call import HasDict
from modelgates_speech.errors import APIStatusError, InvalidResponseError, ModelGatesError
from modelgates_speech.retry import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from modelgates_speech.deadline import Deadline
    from modelgates_speech.retry import RetryPolicy

logger = logging.getLogger("modelgates_speech")

MAX_SUMMARY = 200


class ReplyHead(Protocol):
    """The part of a reply that is there before its body."""

    status: int
    headers: dict[str, str]


R = TypeVar("R", bound=ReplyHead)
T = TypeVar("T")


class Send:
    """Send the request; the result is the reply, its body not yet read."""


class Drain(NamedTuple):
    """Read the body up to `MAX_EXCERPT` bytes and close; the result is what was read."""

    reply: Any


class Sleep(NamedTuple):
    """Wait so many seconds."""

    seconds: float


Step = Send | Drain | Sleep


def exchange(
    what: str,
    *,
    accept: Callable[[R], T],
    parse_error: Callable[[R, bytes], object],
    policy: RetryPolicy | None,
    deadline: Deadline,
) -> Generator[Step, Any, tuple[R, T]]:
    """Make one call, retries included.

    Args:
        what: Method and URL, for the log.
        accept: Makes of a successful reply what the caller wants; may raise
            `InvalidResponseError`.
        parse_error: Makes of a failed reply and its body the document's model, or None.
        policy: When to retry, or None for never.
        deadline: When to give up.

    Raises:
        ModelGatesError: What the last try ended with.
    """
    retries = 0
    while True:
        began = time.monotonic()
        try:
            reply: R = yield Send()
            logger.debug(
                "%s: %d, try %d, %.3f s", what, reply.status, retries + 1, time.monotonic() - began
            )
            if 200 <= reply.status < 300:
                try:
                    return reply, accept(reply)
                except InvalidResponseError as error:
                    error.body = yield Drain(reply)
                    raise
            body: bytes = yield Drain(reply)
            failure: ModelGatesError = status_error(reply, body, parse_error(reply, body))
        except ModelGatesError as error:
            failure = error
        wait = policy.delay(failure, retries) if policy else None
        if wait is not None and wait >= deadline.left():
            wait = None
        logger.debug(
            "%s: %s, try %d, %.3f s, %s",
            *(what, type(failure).__name__, retries + 1, time.monotonic() - began),
            "giving up" if wait is None else f"next try in {wait:.1f} s",
        )
        if wait is None:
            raise failure
        retries += 1
        yield Sleep(wait)


def status_error(reply: ReplyHead, body: bytes, parsed: object) -> APIStatusError:
    """The error for a reply that is no success, whatever its body turned out to be."""
    payload = _payload(body, parsed)
    detail = _mapping(payload.get("error")) or {}
    code, message = detail.get("code"), detail.get("message")
    user_id = payload.get("user_id")
    return APIStatusError.for_status(reply.status)(
        message if isinstance(message, str) else _summary(reply, body),
        status=reply.status,
        code=code if isinstance(code, int) else None,
        metadata=_mapping(detail.get("metadata")),
        user_id=user_id if isinstance(user_id, str) else None,
        request_id=request_id_of(reply.headers),
        retry_after=parse_retry_after(reply.headers.get("retry-after")),
        body=body,
    )


def _payload(body: bytes, parsed: object) -> dict[str, Any]:
    if isinstance(parsed, HasDict):
        # The generated model has checked the shape; what it did not know it kept.
        return parsed.to_dict()
    try:
        return _mapping(json.loads(body)) or {}
    except (ValueError, RecursionError):
        return {}


def _mapping(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _summary(reply: ReplyHead, body: bytes) -> str:
    if 300 <= reply.status < 400:
        where = reply.headers.get("location", "nowhere")
        return f"a redirect to {where}, which is not followed: set base_url to the right address"
    if not body:
        return "an empty body"
    text = " ".join(body[: 4 * MAX_SUMMARY].decode("utf-8", "replace").split())
    kind = reply.headers.get("content-type", "no content type")
    shown = f"{text[:MAX_SUMMARY]}…" if len(text) > MAX_SUMMARY else text
    return f"a body outside the document ({kind}): {shown}"
