"""What a reply that is not a success says, whatever its body turned out to be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from modelgates_speech.audio import request_id_of
from modelgates_speech.call import HasDict, parse
from modelgates_speech.config import KEY_VARIABLE
from modelgates_speech.errors import APIStatusError, InvalidResponseError, in_brief
from modelgates_speech.retry import parse_retry_after

if TYPE_CHECKING:
    from modelgates_speech.call import Call
    from modelgates_speech.replies import Reply


def refusal(call: Call, reply: Reply, body: bytes) -> APIStatusError:
    """The error for a reply that is not a success, whatever its body turned out to be."""
    try:
        parsed = parse(call.operation, reply, body)
    except InvalidResponseError:
        parsed = None
    payload = _payload(parsed, body)
    # Shapes other than today's, problem+json among them, once the OpenAPI document has them.
    known = isinstance(parsed, HasDict)
    detail = _mapping(payload.get("error")) or (payload if known else {})
    code, user_id = detail.get("code"), payload.get("user_id")
    message = _message(parsed, detail if known else {"message": detail.get("message")})
    return APIStatusError.for_status(reply.status)(
        _summary(reply, body) if message is None else message,
        status=reply.status,
        code=code if isinstance(code, int | str) else None,
        metadata=_mapping(detail.get("metadata")),
        user_id=user_id if isinstance(user_id, str) else None,
        request_id=request_id_of(reply.headers),
        retry_after=parse_retry_after(reply.headers.get("retry-after")),
        body=body,
        advice=_advice(reply.status, call.kwargs.get("json")),
    )


def _advice(status: int, asked: object) -> str | None:
    request = _mapping(asked) or {}
    match status:
        case 401:
            return f"check the key in {KEY_VARIABLE}, or the one passed as api_key"
        case 402:
            return f"the account of the key in {KEY_VARIABLE} needs credits"
        case 404 if request:
            named = [f"{name} {request[name]!r}" for name in ("model", "voice") if name in request]
            return f"the request named {', '.join(named)}" if named else None
        case _:
            return None


def _payload(parsed: object, body: bytes) -> dict[str, Any]:
    if isinstance(parsed, HasDict):
        # The generated model has checked the shape; what it did not know it kept.
        return parsed.to_dict()
    try:
        return _mapping(json.loads(body)) or {}
    except (ValueError, RecursionError):
        return {}


def _message(parsed: object, detail: dict[str, Any]) -> str | None:
    found = [detail.get(name) for name in ("message", "detail", "title", "error")]
    found += [parsed.strip() or None] if isinstance(parsed, str) else []
    text = next((text for text in found if isinstance(text, str)), None)
    # Half a character, as JSON may have it, could not be printed.
    return text and text.encode("utf-8", "replace").decode("utf-8")


def _mapping(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _summary(reply: Reply, body: bytes) -> str:
    if reply.status == 304:
        return "not modified, which answers no request of ours: is a cache or proxy in between?"
    if 300 <= reply.status < 400:
        where = reply.headers.get("location")
        target = f"to {where}" if where else "without a target"
        return f"a redirect {target}, which is not followed: set base_url to the right address"
    if not body:
        return "an empty body"
    kind = reply.headers.get("content-type", "no content type")
    return f"unexpected response body ({kind}): {in_brief(body)}"
