"""Servers that are wrong in one way each: the stub, with what it hears or says altered.

`nox -s contract -- --prove` runs the suite against every one. Run one by hand with
`python -m tests.contract.defects NAME [PORT]`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio

from modelgates_speech.stub import StubServer
from tests.contract.document import edition
from tests.contract.settings import STUB_KEY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tests.edition import Edition


@dataclass(frozen=True)
class Ask:
    """A request: method, query, headers by lower-case name, body."""

    method: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        return self.json if isinstance(self.json, dict) else {}

    def with_fields(self, **fields: Any) -> Ask:
        """The same with fields set, if the body is an object."""
        if not isinstance(self.json, dict):
            return self
        return replace(self, body=json.dumps({**self.json, **fields}).encode())

    def without(self, *names: str) -> Ask:
        """The same without some fields."""
        kept = {name: value for name, value in self.fields.items() if name not in names}
        return replace(self, body=json.dumps(kept).encode()) if self.fields else self

    def with_header(self, name: str, value: str | None) -> Ask:
        """The same with a header set, or left out."""
        headers = {**self.headers, name: value or ""}
        return replace(self, headers={k: v for k, v in headers.items() if k != name or value})


@dataclass(frozen=True)
class Answer:
    """A response: status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def as_json(self, value: Any) -> Answer:
        """The same with another JSON body."""
        return replace(self, body=json.dumps(value).encode())

    def with_header(self, name: str, value: str | None) -> Answer:
        """The same with a header set, or left out."""
        headers = {**self.headers, name: value or ""}
        return replace(self, headers={k: v for k, v in headers.items() if k != name or value})


Hearing = Callable[[Ask], Ask | Answer]
Saying = Callable[[Ask, Answer], Answer]
Need = Callable[["Edition"], object]


@dataclass(frozen=True)
class Defect:
    """One way to be wrong.

    Arguments:
        name: what it is called.
        breaks: what a caller would notice.
        caught_by: the check that is meant to notice.
        hear: alters a request before the stub gets it, or answers in its place.
        say: alters the stub's answer.
        needs: whether a document has what is broken, for there is no harm where it has not.
    """

    name: str
    breaks: str
    caught_by: str
    hear: Hearing = lambda ask: ask
    say: Saying = lambda _, answer: answer
    needs: Need = lambda _: True

    def breaks_what(self, edition: Edition) -> bool:
        """Whether what it does is forbidden by a document, and by what the check can ask of it."""
        return bool(NEEDS.get(self.caught_by, lambda _: True)(edition) and self.needs(edition))

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Put the defect around an application."""

        async def defective(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            ask = Ask(
                method=scope["method"],
                query=scope["query_string"].decode(),
                headers={
                    key.decode("latin-1"): value.decode("latin-1")
                    for key, value in scope["headers"]
                },
                body=await _read(receive),
            )
            heard = self.hear(ask)
            answer = await _call(app, scope, heard) if isinstance(heard, Ask) else heard
            answer = self.say(ask, answer)
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status,
                    "headers": _pairs({**answer.headers, "content-length": str(len(answer.body))}),
                }
            )
            await send({"type": "http.response.body", "body": answer.body})

        return defective


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _call(app: ASGIApp, scope: Scope, ask: Ask) -> Answer:
    messages: list[Message] = [{"type": "http.request", "body": ask.body, "more_body": False}]
    headers = {**ask.headers, "content-length": str(len(ask.body))}
    started: dict[str, Any] = {}
    body = bytearray()

    async def receive() -> Message:
        if not messages:
            # Somebody listens until the answer has ended.
            await anyio.sleep_forever()
        return messages.pop()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            body.extend(message.get("body", b""))

    altered = {
        **scope,
        "method": ask.method,
        "query_string": ask.query.encode(),
        "headers": _pairs(headers),
    }
    # Starlette's disconnect listener would end a streamed answer that is not over: ask for none.
    altered["asgi"] = {"version": "3.0", "spec_version": "2.4"}
    await app(altered, receive, send)
    answered = {key.decode("latin-1"): value.decode("latin-1") for key, value in started["headers"]}
    return Answer(started["status"], answered, bytes(body))


def _pairs(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()]


# What the defects are made of.


SPOKEN = 200


def on(status: int, change: Callable[[Answer], Answer]) -> Saying:
    """Alter the answers of one status; that of speech stands for whichever the document has."""

    def say(_: Ask, answer: Answer) -> Answer:
        meant = answer.status == status or (
            status == SPOKEN and answer.status == edition().success[0]
        )
        return change(answer) if meant else answer

    return say


def status(was: int, now: int) -> Saying:
    """Answer one status in place of another."""
    return on(was, lambda answer: replace(answer, status=now))


def header(was: int, name: str, value: str | None) -> Saying:
    """Set a header on the answers of one status, or leave it out."""
    return on(was, lambda answer: answer.with_header(name, value))


def error_body(was: int, change: Callable[[Any], Any]) -> Saying:
    """Alter the JSON of the answers of one status."""
    return on(was, lambda answer: answer.as_json(change(answer.json)) if answer.body else answer)


def error(name: str, breaks: str, by: str, status: int, change: Callable[[Any], Any]) -> Defect:
    """Alter the JSON of the errors of one status, where a document forbids what becomes of it."""

    def needs(edition: Edition) -> bool:
        altered = change({"error": {"code": status, "message": "No."}})
        allowed = edition.allows(edition.error_schema(status) or {}, altered)
        return edition.is_enveloped(status) and not allowed

    return Defect(name, breaks, by, say=error_body(status, change), needs=needs)


def fields(**fields: Any) -> Callable[[Any], Any]:
    """Set fields of `error`."""
    return lambda body: {**body, "error": {**body["error"], **fields}}


def without(name: str) -> Callable[[Any], Any]:
    """Leave a field of `error` out."""

    def change(body: Any) -> Any:
        kept = {key: value for key, value in body["error"].items() if key != name}
        return {**body, "error": kept}

    return change


def refuse(status: int, when: Callable[[Ask], object]) -> Hearing:
    """Answer an error where there is nothing wrong, or another where there is."""
    content = json.dumps({"error": {"code": status, "message": "No."}}).encode()
    answer = Answer(status, {"content-type": "application/json"}, content)
    return lambda ask: answer if ask.method == "POST" and when(ask) else ask


def mend(is_bad: Callable[[Any], bool], name: str) -> Hearing:
    """Accept what should be refused: replace a field whose value is bad by a good one, or none."""

    def hear(ask: Ask) -> Ask:
        if name not in ask.fields or not is_bad(ask.fields[name]):
            return ask
        good = edition().body
        return ask.with_fields(**{name: good[name]}) if name in good else ask.without(name)

    return hear


def fill(name: str) -> Hearing:
    """Accept what should be refused: add a field that is missing."""
    return lambda ask: (
        ask.with_fields(**{name: edition().body[name], **ask.fields}) if ask.fields else ask
    )


def authorize(change: Callable[[str], str]) -> Hearing:
    """Alter the credentials before they are looked at."""
    return lambda ask: ask.with_header(
        "authorization", change(ask.headers.get("authorization", ""))
    )


def audio(change: Callable[[bytes], bytes], response_format: str = "pcm") -> Saying:
    """Alter the audio of one format."""

    def say(ask: Ask, answer: Answer) -> Answer:
        if (
            answer.status != edition().success[0]
            or ask.fields.get("response_format", "pcm") != response_format
        ):
            return answer
        return replace(answer, body=change(answer.body))

    return say


def wants(name: str) -> Callable[[Ask], bool]:
    """Whether a request lacks a field, that a defective server demands."""
    return lambda ask: bool(ask.fields) and name not in ask.fields


def _provider_options(ask: Ask) -> dict[str, Any]:
    provider = ask.fields.get("provider")
    options = provider.get("options") if isinstance(provider, dict) else None
    return options if isinstance(options, dict) else {}


def _nested_too_deep(ask: Ask) -> bool:
    return ask.body.count(b"[") > 5000


def _has_lone_surrogate(ask: Ask) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in json.dumps(ask.json, ensure_ascii=False))


def _has_nul(ask: Ask) -> bool:
    return any("\0" in str(value) for value in ask.fields.values())


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _samples(body: bytes) -> list[bytes]:
    return [body[at : at + 2] for at in range(0, len(body) - 1, 2)]


KEY_OF_ALL = f"Bearer {STUB_KEY}"


def _is_json_type(ask: Ask) -> bool:
    return ask.headers.get("content-type", "").lower().startswith("application/json")


def _speech_type(ask: Ask) -> Ask:
    return ask.with_header("content-type", edition().media_type) if ask.body else ask


def _good(ask: Ask) -> Ask:
    return replace(ask, method="POST", body=json.dumps(edition().body).encode())


# What a document must have for a defect to break it.


def takes(name: str, *values: Any) -> Need:
    """Whether a property may have one of these values."""
    return lambda edition: any(
        edition.allows(edition.properties.get(name, False), value) for value in values
    )


def refuses(name: str, value: Any) -> Need:
    """Whether a property may not have a value."""
    return lambda edition: (
        name in edition.properties and not edition.allows(edition.properties[name], value)
    )


def optional(name: str) -> Need:
    """Whether a property may be left out."""
    return lambda edition: name in edition.properties and name not in edition.required


def required(name: str) -> Need:
    """Whether a property may not be left out."""
    return lambda edition: name in edition.required


def undocumented(status: int) -> Need:
    """Whether no answer has a status."""
    return lambda edition: not edition.answers(status)


def documented(status: int) -> Need:
    """Whether an error has a status."""
    return lambda edition: status in edition.errors


def typed(status: int, but: str = "") -> Need:
    """Whether the errors of a status have a content type, and it is not this one."""
    return lambda edition: bool(edition.errors.get(status)) and but not in edition.errors[status]


def in_json(status: int) -> Need:
    """Whether the errors of a status say something in JSON."""
    return lambda edition: edition.error_schema(status) is not None


def spoken(name: str, *values: Any) -> Need:
    """Whether PCM may be had, and with a property of each of these values."""
    return lambda edition: (
        _has_pcm(edition)
        and all(
            edition.allows(
                edition.schema, {**edition.body, **(edition.asks_for_pcm() or {}), name: it}
            )
            and name in edition.properties
            for it in values
        )
    )


def _has_pcm(edition: Edition) -> bool:
    text = edition.properties.get(edition.text, {})
    return edition.asks_for_pcm() is not None and edition.allows(text, "Hello there. " * 10)


def _asks_in_a_header(edition: Edition) -> bool:
    parameter = edition.parameters.get(("header", "Authorization"), {})
    security = edition.speech.get("security", edition.document.get("security"))
    return bool(parameter.get("required")) and not security


CONFORMS = "status_code_conformance"
SCHEMA = "response_schema_conformance"
TYPE = "content_type_conformance"
ACCEPTS = "positive_data_acceptance"
REJECTS = "negative_data_rejection"
METHOD = "unsupported_method"
AUTH = "ignored_auth"
HEADER = "missing_required_header"
NO_500 = "not_a_server_error"
ODD = "odd but valid requests are answered"
BROKEN = "broken requests are refused"
METHODS = "other methods are refused with allow"
ACCESS = "bad credentials are refused"
URL = "bad credentials are refused in the url"
ORDER = "bad credentials are refused before the body is read"
DEEP = "odd but valid requests are answered or refused when too deep"
ENTRY = "good credentials are accepted"
DOCUMENTED = "documented errors are answered as documented"
PCM = "pcm is 16 bit little endian"
LENGTH = "audio is as long as its text takes"
SPEED = "speed divides the length"
MP3 = "mp3 decodes and is as long as pcm"
DEFAULT = "pcm comes unless asked otherwise"
REPEATS = "the same request gives the same audio"
VOICES = "another voice sounds different"

# What must be there for a check to have anything to ask.
NEEDS: dict[str, Need] = {
    HEADER: _asks_in_a_header,
    AUTH: lambda edition: not edition.is_public,
    URL: lambda edition: not edition.is_public,
    DEEP: takes("provider", {"options": {"openai": {"deep": []}}}),
    PCM: _has_pcm,
    LENGTH: _has_pcm,
    REPEATS: _has_pcm,
    DEFAULT: lambda edition: _has_pcm(edition) and edition.default_format == "pcm",
    SPEED: spoken("speed", 0.5, 3.5),
    MP3: spoken("response_format", "mp3"),
    VOICES: spoken("voice", "alloy", "nova"),
}


def told_as(was: int, now: int, breaks: str) -> Defect:
    """Answer a documented error under another status."""
    say, needs = status(was, now), documented(was)
    return Defect(f"{was}-is-{now}", breaks, DOCUMENTED, say=say, needs=needs)


_ALL = (
    # Statuses
    Defect("created", "201 for speech", CONFORMS, say=status(SPOKEN, 201), needs=undocumented(201)),
    Defect(
        "accepted", "202 for speech", CONFORMS, say=status(SPOKEN, 202), needs=undocumented(202)
    ),
    Defect("partial", "206 for speech", CONFORMS, say=status(SPOKEN, 206), needs=undocumented(206)),
    Defect(
        "unprocessable",
        "422 for invalid requests",
        CONFORMS,
        say=status(400, 422),
        needs=undocumented(422),
    ),
    Defect(
        "unsupported-media",
        "415 for another content type",
        BROKEN,
        hear=refuse(415, lambda ask: ask.body and not _is_json_type(ask)),
    ),
    Defect("forbidden", "403 without credentials", HEADER, say=status(401, 403)),
    Defect("bad-request-for-key", "400 without credentials", HEADER, say=status(401, 400)),
    Defect("crash-on-invalid", "500 for invalid requests", NO_500, say=status(400, 500)),
    Defect(
        "crash-on-missing",
        "500 without voice",
        NO_500,
        hear=refuse(500, wants("voice")),
    ),
    Defect(
        "crash-on-nul",
        "500 for NUL in the text",
        ODD,
        hear=refuse(500, _has_nul),
        needs=lambda edition: takes(edition.text, "Hello\0world")(edition),
    ),
    Defect(
        "crash-on-surrogate",
        "500 for half a character",
        BROKEN,
        hear=refuse(500, _has_lone_surrogate),
    ),
    Defect("crash-on-depth", "500 for deep nesting", DEEP, hear=refuse(500, _nested_too_deep)),
    Defect(
        "crash-on-bytes",
        "500 for what is not UTF-8",
        BROKEN,
        hear=refuse(500, lambda ask: not _is_utf8(ask.body)),
    ),
    Defect(
        "too-large",
        "413 for a million characters",
        ODD,
        hear=refuse(413, lambda ask: len(ask.body) > 100_000),
        needs=lambda edition: takes(edition.text, " " * 1_000_000)(edition),
    ),
    # Methods
    Defect("not-implemented", "501 for other methods", METHOD, say=status(405, 501)),
    Defect("method-not-found", "404 for other methods", METHOD, say=status(405, 404)),
    Defect("method-allowed", "200 for other methods", METHOD, say=status(405, 200)),
    Defect("no-allow", "405 without Allow", METHOD, say=header(405, "allow", None)),
    Defect("wrong-allow", "Allow says GET", METHODS, say=header(405, "allow", "GET")),
    Defect(
        "head-answered",
        "200 for HEAD",
        METHODS,
        hear=lambda ask: Answer(200) if ask.method == "HEAD" else ask,
    ),
    Defect(
        "options-answered",
        "204 for OPTIONS, with Allow: GET",
        "allow_header_conformance",
        hear=lambda ask: Answer(204, {"allow": "GET"}) if ask.method == "OPTIONS" else ask,
    ),
    Defect(
        "trace-answered",
        "TRACE echoes the credentials",
        METHODS,
        hear=lambda ask: (
            Answer(200, {"content-type": "message/http"}, str(ask.headers).encode())
            if ask.method == "TRACE"
            else ask
        ),
    ),
    Defect(
        "get-accepted",
        "GET speaks too",
        METHOD,
        hear=lambda ask: _speech_type(_good(ask)) if ask.method == "GET" else ask,
    ),
    # Demands more than the document does
    Defect(
        "demands-format",
        "response_format required",
        ACCEPTS,
        hear=refuse(400, wants("response_format")),
        needs=optional("response_format"),
    ),
    Defect(
        "demands-speed",
        "speed required",
        ACCEPTS,
        hear=refuse(400, wants("speed")),
        needs=optional("speed"),
    ),
    Defect(
        "demands-provider",
        "provider required",
        ACCEPTS,
        hear=refuse(400, wants("provider")),
        needs=optional("provider"),
    ),
    Defect(
        "demands-text",
        "an empty input is refused",
        ACCEPTS,
        hear=refuse(400, lambda ask: ask.fields.get("input") == ""),
        needs=takes("input", ""),
    ),
    Defect(
        "demands-slow-speech",
        "a speed outside 0.25 ... 4 is refused",
        ACCEPTS,
        hear=refuse(
            400,
            lambda ask: (
                isinstance(speed := ask.fields.get("speed"), int | float) and not 0.25 <= speed <= 4
            ),
        ),
        needs=takes("speed", -1, 0, 5),
    ),
    Defect(
        "demands-known-fields",
        "additional properties are refused",
        ACCEPTS,
        hear=refuse(
            400,
            lambda ask: set(ask.fields) - edition().properties.keys(),
        ),
        needs=lambda edition: edition.is_open,
    ),
    Defect(
        "demands-options",
        "provider without options is refused",
        ACCEPTS,
        hear=refuse(400, lambda ask: ask.fields.get("provider") == {}),
        needs=takes("provider", {}),
    ),
    Defect(
        "demands-one-provider",
        "options for several providers are refused",
        ACCEPTS,
        hear=refuse(400, lambda ask: len(_provider_options(ask)) > 1),
        needs=takes("provider", {"options": {"openai": {}, "groq": {}}}),
    ),
    Defect(
        "demands-pcm",
        "mp3 is refused",
        ACCEPTS,
        hear=refuse(400, lambda ask: ask.fields.get("response_format") == "mp3"),
        needs=takes("response_format", "mp3"),
    ),
    Defect(
        "demands-lower-case",
        "Application/JSON is refused",
        ODD,
        hear=refuse(
            400,
            lambda ask: (kind := ask.headers.get("content-type", "")) != kind.lower(),
        ),
    ),
    Defect(
        "demands-no-charset",
        "charset=utf-8 is refused",
        ODD,
        hear=refuse(400, lambda ask: "charset=utf-8" in ask.headers.get("content-type", "")),
    ),
    # Accepts what the document forbids
    Defect(
        "accepts-no-voice",
        "voice may be missing",
        REJECTS,
        hear=fill("voice"),
        needs=required("voice"),
    ),
    Defect(
        "accepts-no-model",
        "model may be missing",
        REJECTS,
        hear=fill("model"),
        needs=required("model"),
    ),
    Defect(
        "accepts-no-input",
        "input may be missing",
        REJECTS,
        hear=fill("input"),
        needs=required("input"),
    ),
    Defect(
        "accepts-anything",
        "any object will do",
        REJECTS,
        hear=lambda ask: ask.with_fields(**edition().body),
        needs=lambda edition: edition.required,
    ),
    Defect(
        "accepts-number-as-text",
        "input may be a number",
        REJECTS,
        hear=mend(lambda value: isinstance(value, int | float), "input"),
        needs=refuses("input", 1),
    ),
    Defect(
        "accepts-number-as-voice",
        "voice may be a number",
        REJECTS,
        hear=mend(lambda value: isinstance(value, int | float), "voice"),
        needs=refuses("voice", 1),
    ),
    Defect(
        "accepts-boolean-as-model",
        "model may be true or false",
        REJECTS,
        hear=mend(lambda value: isinstance(value, bool), "model"),
        needs=refuses("model", True),
    ),
    Defect(
        "accepts-null-as-text",
        "input may be null",
        REJECTS,
        hear=mend(lambda value: value is None, "input"),
        needs=refuses("input", None),
    ),
    Defect(
        "accepts-list-as-text",
        "input may be a list",
        REJECTS,
        hear=mend(lambda value: isinstance(value, list), "input"),
        needs=refuses("input", []),
    ),
    Defect(
        "accepts-any-format",
        "response_format may be anything",
        REJECTS,
        hear=mend(lambda value: value not in edition().formats, "response_format"),
        needs=refuses("response_format", "another"),
    ),
    Defect(
        "accepts-text-as-speed",
        "speed may be text",
        REJECTS,
        hear=mend(lambda value: isinstance(value, str), "speed"),
        needs=refuses("speed", "one"),
    ),
    Defect(
        "accepts-null-as-speed",
        "speed may be null",
        REJECTS,
        hear=mend(lambda value: value is None, "speed"),
        needs=refuses("speed", None),
    ),
    Defect(
        "accepts-any-provider",
        "provider may be of any type",
        REJECTS,
        hear=mend(lambda value: not isinstance(value, dict), "provider"),
        needs=refuses("provider", "one"),
    ),
    Defect(
        "accepts-any-options",
        "a provider's options may be of any type",
        REJECTS,
        hear=lambda ask: (
            ask.without("provider")
            if any(not isinstance(value, dict) for value in _provider_options(ask).values())
            else ask
        ),
        needs=refuses("provider", {"options": {"openai": "one"}}),
    ),
    Defect(
        "accepts-non-objects",
        "the body may be a list or text",
        REJECTS,
        hear=lambda ask: (
            _good(ask) if ask.method == "POST" and isinstance(ask.json, list | str | int) else ask
        ),
        needs=lambda edition: not edition.allows(edition.schema, []),
    ),
    Defect(
        "accepts-broken-json",
        "the body may be no JSON",
        BROKEN,
        hear=lambda ask: (
            _good(ask) if ask.method == "POST" and ask.body and ask.json is None else ask
        ),
    ),
    Defect(
        "accepts-any-type",
        "the content type may be anything",
        BROKEN,
        hear=_speech_type,
    ),
    Defect(
        "accepts-latin-1",
        "the charset may be anything",
        BROKEN,
        hear=lambda ask: _speech_type(ask) if _is_json_type(ask) else ask,
    ),
    Defect(
        "accepts-duplicates",
        "a key may come twice",
        BROKEN,
        hear=lambda ask: ask.with_fields(),
    ),
    Defect(
        "accepts-surrogates",
        "half a character is spoken",
        BROKEN,
        hear=lambda ask: (
            ask.with_fields(**{edition().text: "?"}) if _has_lone_surrogate(ask) else ask
        ),
    ),
    # Credentials
    Defect("no-auth", "no credentials needed", HEADER, hear=authorize(lambda _: KEY_OF_ALL)),
    Defect(
        "any-key",
        "any bearer token is accepted",
        AUTH,
        hear=authorize(lambda given: KEY_OF_ALL if given else ""),
    ),
    Defect(
        "any-scheme",
        "Basic is accepted",
        ACCESS,
        hear=authorize(lambda given: given.replace("Basic ", "Bearer ")),
    ),
    Defect(
        "bare-key",
        "the key alone is accepted",
        ACCESS,
        hear=authorize(lambda given: given if not given or " " in given else f"Bearer {given}"),
    ),
    Defect(
        "doubled-scheme",
        "Bearer Bearer is accepted",
        ACCESS,
        hear=authorize(lambda given: given.replace("Bearer Bearer", "Bearer")),
    ),
    Defect(
        "key-prefix",
        "whatever begins with the key is accepted",
        ACCESS,
        hear=authorize(lambda given: given.replace("-and-more", "")),
    ),
    Defect(
        "key-in-query",
        "the key is accepted in the URL",
        URL,
        hear=lambda ask: (
            ask.with_header("authorization", f"Bearer {parse_qs(ask.query)['api_key'][0]}")
            if "api_key" in ask.query
            else ask
        ),
    ),
    Defect(
        "case-of-scheme",
        "only Bearer in that case is accepted",
        ENTRY,
        hear=refuse(401, lambda ask: not ask.headers.get("authorization", "B").startswith("B")),
    ),
    Defect(
        "body-before-key",
        "who has no key learns what is wrong with the body",
        ORDER,
        hear=refuse(400, lambda ask: ask.body and ask.json is None),
    ),
    # Bodies and headers of errors
    error("no-error", "400 without error", SCHEMA, 400, lambda _: {"detail": "No."}),
    error("error-is-text", "error is text", SCHEMA, 400, lambda _: {"error": "No."}),
    error("error-is-null", "error is null", SCHEMA, 400, lambda _: {"error": None}),
    error("error-is-list", "a list of errors", SCHEMA, 400, lambda body: [body]),
    error("no-code", "error without code", SCHEMA, 400, without("code")),
    error("no-message", "error without message", SCHEMA, 400, without("message")),
    error("code-is-text", "code is text", SCHEMA, 400, fields(code="400")),
    error("code-is-fraction", "code is 400.5", SCHEMA, 400, fields(code=400.5)),
    error("code-is-null", "code is null", SCHEMA, 400, fields(code=None)),
    error("message-is-null", "message is null", SCHEMA, 400, fields(message=None)),
    error("message-is-list", "message is a list", SCHEMA, 400, fields(message=["No."])),
    error("metadata-is-text", "metadata is text", SCHEMA, 400, fields(metadata="stub")),
    error(
        "user-is-number", "user_id is a number", SCHEMA, 400, lambda body: {**body, "user_id": 7}
    ),
    error(
        "gateway-is-list",
        "modelgates_metadata is a list",
        SCHEMA,
        401,
        lambda body: {**body, "modelgates_metadata": []},
    ),
    error("401-no-code", "401 without code", SCHEMA, 401, without("code")),
    Defect(
        "error-not-json",
        "an error that does not parse",
        SCHEMA,
        say=on(400, lambda answer: replace(answer, body=answer.body[:-2])),
        needs=in_json(400),
    ),
    Defect(
        "error-is-html",
        "400 as HTML",
        TYPE,
        say=header(400, "content-type", "text/html"),
        needs=typed(400, "text/html"),
    ),
    Defect(
        "error-is-problem",
        "400 as problem+json",
        TYPE,
        say=header(400, "content-type", "application/problem+json"),
        needs=typed(400, "application/problem+json"),
    ),
    Defect(
        "error-untyped",
        "400 without content type",
        TYPE,
        say=header(400, "content-type", None),
        needs=typed(400),
    ),
    Defect(
        "401-empty",
        "401 without a body",
        SCHEMA,
        say=on(401, lambda answer: replace(answer, body=b"")),
        needs=in_json(401),
    ),
    told_as(402, 403, "403 for a lack of credits"),
    told_as(404, 400, "400 for an unknown model"),
    told_as(429, 503, "503 for too many requests"),
    told_as(502, 504, "504 for a failed provider"),
    told_as(503, 529, "529 when overloaded"),
    error("402-no-message", "402 without message", DOCUMENTED, 402, without("message")),
    error("404-code-is-text", "404 whose code is text", DOCUMENTED, 404, fields(code="404")),
    Defect(
        "429-is-html",
        "429 as HTML",
        DOCUMENTED,
        say=header(429, "content-type", "text/html"),
        needs=typed(429, "text/html"),
    ),
    error("500-no-error", "500 without error", DOCUMENTED, 500, lambda _: {}),
    Defect(
        "502-not-json",
        "502 that does not parse",
        DOCUMENTED,
        say=on(502, lambda answer: replace(answer, body=b"Bad Gateway")),
        needs=in_json(502),
    ),
    error(
        "503-metadata-is-list", "503 whose metadata is a list", DOCUMENTED, 503, fields(metadata=[])
    ),
    # Audio
    Defect(
        "audio-is-mpeg",
        "audio/mpeg for audio",
        TYPE,
        say=header(SPOKEN, "content-type", "audio/mpeg"),
        needs=lambda edition: not edition.is_audio("audio/mpeg"),
    ),
    Defect(
        "audio-untyped",
        "audio without content type",
        TYPE,
        say=header(SPOKEN, "content-type", None),
        needs=lambda edition: edition.success[1],
    ),
    Defect(
        "audio-empty",
        "200 without audio",
        PCM,
        say=on(SPOKEN, lambda answer: replace(answer, body=b"")),
    ),
    Defect(
        "audio-truncated",
        "half of the audio",
        LENGTH,
        say=audio(lambda body: body[: len(body) // 4 * 2]),
    ),
    Defect(
        "audio-odd", "audio ends in the middle of a sample", PCM, say=audio(lambda body: body[:-1])
    ),
    Defect(
        "audio-half-rate",
        "every other sample, 12 kHz",
        LENGTH,
        say=audio(lambda body: b"".join(_samples(body)[::2])),
    ),
    Defect(
        "audio-stereo",
        "two channels",
        LENGTH,
        say=audio(lambda body: b"".join(s * 2 for s in _samples(body))),
    ),
    Defect(
        "audio-8-bit",
        "8-bit samples",
        LENGTH,
        say=audio(lambda body: bytes((b + 128) % 256 for b in body[1::2])),
    ),
    Defect(
        "audio-big-endian",
        "the other byte order",
        PCM,
        say=audio(lambda body: b"".join(s[::-1] for s in _samples(body))),
    ),
    Defect("audio-silent", "silence", PCM, say=audio(lambda body: bytes(len(body)))),
    Defect(
        "audio-wav",
        "PCM with a WAV header",
        DEFAULT,
        say=audio(lambda body: b"RIFF" + bytes(40) + body),
    ),
    Defect(
        "audio-mp3-default",
        "mp3 unless asked otherwise",
        DEFAULT,
        hear=lambda ask: ask.with_fields(**{"response_format": "mp3", **ask.fields}),
        needs=lambda edition: optional("response_format")(edition) and edition.takes_format("mp3"),
    ),
    Defect(
        "audio-ignores-format",
        "PCM when asked for mp3",
        MP3,
        hear=lambda ask: (
            ask.without("response_format") if ask.fields.get("response_format") == "mp3" else ask
        ),
    ),
    Defect(
        "audio-mp3-truncated",
        "half of the mp3",
        MP3,
        say=audio(lambda body: body[: len(body) // 2], "mp3"),
    ),
    Defect("audio-mp3-noise", "mp3 that is none", MP3, say=audio(lambda body: body[::-1], "mp3")),
    Defect(
        "audio-ignores-speed",
        "speed has no effect",
        SPEED,
        hear=lambda ask: (
            ask.without("speed") if isinstance(ask.fields.get("speed"), int | float) else ask
        ),
    ),
    Defect(
        "audio-inverts-speed",
        "faster is slower",
        SPEED,
        hear=lambda ask: (
            ask.with_fields(speed=1 / speed)
            if isinstance(speed := ask.fields.get("speed"), int | float) and 0.1 < speed < 10
            else ask
        ),
    ),
    Defect(
        "audio-always-the-same",
        "every text sounds alike",
        LENGTH,
        hear=mend(lambda value: isinstance(value, str), "input"),
        needs=lambda edition: "input" in edition.properties,
    ),
    Defect(
        "audio-ignores-voice",
        "every voice sounds alike",
        VOICES,
        hear=mend(lambda value: isinstance(value, str), "voice"),
    ),
    Defect(
        "audio-varies",
        "never twice the same",
        REPEATS,
        say=audio(lambda body: body + time.time_ns().to_bytes(8, "little")),
    ),
)

DEFECTS = {defect.name: defect for defect in _ALL}


def serve(name: str, port: int) -> None:
    """Run a defective server until interrupted."""
    server = StubServer(port=port, api_key=STUB_KEY)
    server.app = DEFECTS[name].wrap(server.app)
    with server:
        print(f"{name}: {DEFECTS[name].breaks}\n")
        print(f"MODELGATES_API_KEY={STUB_KEY} nox -s contract -- --base-url {server.base_url}")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in DEFECTS:
        serve(sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else 0)
    sys.exit("name one of the defects: " + ", ".join(DEFECTS))
