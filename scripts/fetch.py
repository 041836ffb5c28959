"""Fetch a document from where it is published, if it has changed since the last time."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from scripts.document.reading import MAX_BYTES, checked_size

SECONDS = 30


class FetchError(Exception):
    """The document could not be fetched; trying again later may help."""


@dataclass(frozen=True)
class Fetched:
    """An answer with a document.

    Attributes:
        data: The document's bytes.
        validators: What to send to be told whether it has changed since.
    """

    data: bytes
    validators: dict[str, str] = field(default_factory=dict[str, str])


def is_url(source: str) -> bool:
    """Tell a URL from a path."""
    return source.startswith(("https://", "http://"))


def fetch(url: str, validators: dict[str, str] | None = None) -> Fetched | None:
    """Get a document.

    Args:
        url: Where it is published.
        validators: Those of the last answer, to ask whether it has changed since.

    Returns:
        The document, or None if it has not changed.

    Raises:
        DocumentError: It is larger than a document can be.
        FetchError: There is no answer, or another than 200 and 304.
    """
    headers = {"Accept": "application/yaml, application/json, */*", **(validators or {})}
    try:
        with (
            httpx.Client(timeout=SECONDS, follow_redirects=True, max_redirects=5) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code == HTTPStatus.NOT_MODIFIED:
                return None
            if response.status_code != HTTPStatus.OK:
                raise FetchError(f"{url} answered {response.status_code}")
            data = bytearray()
            for piece in response.iter_bytes():
                data += piece
                if len(data) > MAX_BYTES:
                    break
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"{url} cannot be fetched: {error!r}") from error
    return Fetched(checked_size(bytes(data)), _validators(response.headers))


def _validators(headers: httpx.Headers) -> dict[str, str]:
    names = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
    return {sent: headers[name] for name, sent in names.items() if name in headers}
