"""The seam to the generated package: how its operations are called, speech above all."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable
from urllib.parse import quote, urlsplit

import attrs

from modelgates_speech import _binding
from modelgates_speech._version import __version__
from modelgates_speech.arguments import misuse, unexpected
from modelgates_speech.audio import request_id_of
from modelgates_speech.config import (
    DEFAULT,
    MAX_EXCERPT,
    as_number,
    checked_headers,
    checked_layout,
    checked_mapping,
    checked_values,
)
from modelgates_speech.errors import ConfigurationError, InvalidResponseError

if TYPE_CHECKING:
    from modelgates_speech.replies import Reply

USER_AGENT = f"modelgates-speech/{__version__}"


@runtime_checkable
class HasDict(Protocol):
    """A generated model, such as ``SpeechRequestProvider``."""

    def to_dict(self) -> dict[str, Any]:
        """The model as JSON would have it."""
        ...


class Request(NamedTuple):
    """A request as it goes out, but for the key."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes


# No repr: that of attrs fails on what was refused halfway, in tracebacks with locals.
@attrs.frozen(kw_only=True, eq=False, repr=False)
class Call:
    """A call that is described but not yet made; its `options` change the client's settings."""

    operation: ModuleType
    kwargs: dict[str, Any]
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=checked_headers)
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    cache_dir: str | os.PathLike[str] | None = None
    response_format: str = ""

    def request(self, base_url: str, client_headers: Mapping[str, str]) -> Request:
        """The request to send. Its headers win over the client's, those over the operation's."""
        kwargs = dict(self.kwargs)
        method, path = kwargs.pop("method"), kwargs.pop("url")
        if path.count("/") > 1 and base_url.endswith(path):
            raise ConfigurationError(
                f"base_url {base_url!r} ends with {path}, which each call adds: leave it out"
            )
        # A path may be in any script; what the operation has written into it is quoted already.
        url = base_url + quote(path, safe="%/?:;=@&+$,!*'()")
        headers = {"host": urlsplit(base_url).netloc, "user-agent": USER_AGENT}
        for given in (checked_values(kwargs.pop("headers", {})), client_headers, self.headers):
            headers |= {name.lower(): value for name, value in given.items()}
        headers["accept-encoding"] = "identity"
        if "json" in kwargs:
            kwargs["content"] = encode_json(kwargs.pop("json"))
        content = kwargs.get("content", b"")
        if kwargs.keys() - {"content"}:
            url, content, written = _written_by_httpx(method, url, kwargs)
            headers = {**checked_values(written), **headers}
        if not content:
            # Generated operations name the type of a body that was left out, too.
            headers.pop("content-type", None)
        headers["content-length"] = str(len(content))
        return Request(method.upper(), url, headers, content)


def _written_by_httpx(
    method: str, url: str, kwargs: dict[str, Any]
) -> tuple[str, bytes, dict[str, str]]:
    # What speech has no need of, such as a query or a form, is for the library to write.
    import httpx

    try:
        request = httpx.Request(method, url, **kwargs)
        return str(request.url), request.read(), dict(request.headers)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise ConfigurationError(f"a request to {url} cannot be made: {error}") from error


def _number(value: object) -> Any:
    if (number := as_number(value)) is None:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return number


_JSON = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_number
)


def encode_json(payload: object) -> bytes:
    """`payload` as JSON in UTF-8."""
    try:
        return _JSON.encode(payload).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"the request holds a lone surrogate ({error.object[error.start]!r}), which is not a "
            "character: read the text with the right encoding"
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{_culprit(payload)} cannot be written as JSON: {error}"
        ) from error


def _culprit(payload: object) -> str:
    """Which argument it is that JSON cannot express."""
    if not isinstance(payload, dict):
        return "the request"
    for name, value in cast("Mapping[str, Any]", payload).items():
        try:
            _JSON.encode(value)
        except (TypeError, ValueError, RecursionError):
            return str(name)
    return "the request"


def operation_kwargs(operation: ModuleType, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the generated `operation` would send for `arguments`.

    Headers, cookies and parts of the query that it requires may be absent: those of the client and
    of the call are added later, the key among them.
    """
    name = getattr(operation, "__name__", None) or repr(operation)
    if not hasattr(operation, "_get_kwargs"):
        raise ConfigurationError(
            f"{name} is not an operation: pass a module of modelgates_api.api, such as "
            f"{_binding.speech_operation.__name__}"
        )
    try:
        absent = _required(operation) - arguments.keys()
        kwargs: dict[str, Any] = operation._get_kwargs(  # noqa: SLF001
            **dict.fromkeys(absent, _NOT_GIVEN), **arguments
        )
    except Exception as error:
        reason = misuse(operation._get_kwargs, 0, arguments) or repr(error)  # noqa: SLF001
        raise ConfigurationError(f"{name} cannot be called like this: {reason}") from error
    for part in {"headers", "params", "cookies"} & kwargs.keys():
        kwargs[part] = {key: v for key, v in kwargs[part].items() if v not in _NOTHING}
        if not kwargs[part]:
            del kwargs[part]
    if _NOT_GIVEN in kwargs["url"]:
        raise ConfigurationError(f"{name} cannot be called without {', '.join(sorted(absent))}")
    return kwargs


class _NotGiven(str):
    """Stands for an argument that nobody gave, until it is known where it would have gone."""

    def __str__(self) -> str:
        return self

    def isoformat(self) -> str:
        return self

    def to_dict(self) -> dict[str, str]:
        return {self: self}

    def __iter__(self) -> Iterator[str]:
        yield self


_NOT_GIVEN = _NotGiven("modelgates-argument-not-given")
_NOTHING = (_NOT_GIVEN, [_NOT_GIVEN])


@cache
def _required(operation: ModuleType) -> frozenset[str]:
    parameters = inspect.signature(operation._get_kwargs).parameters.values()  # noqa: SLF001
    return frozenset(each.name for each in parameters if each.default is each.empty)


def parse(operation: ModuleType, reply: Reply, body: bytes) -> Any:
    """What the generated `operation` makes of a reply; its parser trusts its input, we do not."""
    import httpx

    from modelgates_api import Client

    content_type = reply.headers.get("content-type", "")
    # In bytes: a server may write what is not ASCII.
    headers = [(b"content-type", content_type.encode())]
    try:
        response = httpx.Response(reply.status, headers=headers, content=body)
        return operation._parse_response(  # noqa: SLF001
            client=Client(base_url=""), response=response
        )
    except Exception as error:
        raise InvalidResponseError(
            f"the server answered {reply.status} with a body that does not match the OpenAPI "
            "document",
            content_type=content_type or None,
            body=body[:MAX_EXCERPT],
            request_id=request_id_of(reply.headers),
        ) from error


def prepare(
    *,
    extra_body: Mapping[str, Any] | None = None,
    extra_headers: Mapping[str, str] | None = None,
    extra_query: Mapping[str, str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    **arguments: Any,
) -> Call:
    """The call that these arguments of `client.audio.speech.create` describe.

    None stands for one that is not given.
    """
    options = {n: v for n, each in _OPTIONS.items() if (v := arguments.pop(n, each)) is not each}
    options |= checked_layout(options.get("sample_rate"), options.get("channels"))
    known = _binding.ARGUMENTS
    body: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in known:
            raise ConfigurationError(unexpected(name, known))
        if value is not None:
            body[known[name].name] = as_json(value)
    if extra_body is not None:
        body.update(checked_mapping(extra_body, "extra_body"))
    kwargs = operation_kwargs(_binding.speech_operation, {"body": _request(body)})
    if extra_query is not None:
        query = dict(checked_mapping(extra_query, "extra_query"))
        kwargs["params"] = kwargs.get("params", {}) | query
    asked = body.get("response_format") or _binding.DEFAULT_RESPONSE_FORMAT
    return Call(
        operation=_binding.speech_operation,
        kwargs=kwargs,
        headers={} if extra_headers is None else extra_headers,
        options=options,
        cache_dir=cache_dir,
        response_format=str(asked),
    )


# What leaves each as the client has it.
_OPTIONS = {
    **dict.fromkeys(("timeout", "deadline", "retry"), DEFAULT),
    **dict.fromkeys(("sample_rate", "channels")),
}


def as_json(value: Any) -> Any:
    """`value` as JSON would have it, should it be a mapping or a generated model."""
    if isinstance(value, str):
        return str.__str__(value)  # a member of an enum is text by its value, not by its name
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    return value.to_dict() if isinstance(value, HasDict) else value


def _request(body: dict[str, Any]) -> Any:
    """The generated model of a request, which is sent as given."""
    for name, argument in _binding.ARGUMENTS.items():
        if argument.required and argument.name not in body:
            raise ConfigurationError(f"missing argument {name!r}")
    request = object.__new__(_sent_as_given(_binding.SpeechRequest))
    request.body = body
    return request


@cache
def _sent_as_given(model: type) -> Any:
    """The generated `model`, but for what it refuses or writes in its own way.

    Values newer than the OpenAPI document are for the server to judge, and the provider's options,
    whose 111 models are not worth loading, are a mapping already.
    """

    def to_dict(request: Any) -> Any:
        return request.body

    return type(model.__name__, (model,), {"to_dict": to_dict})
