"""What the tests of one run share: the document, the ways to the server, the ledger."""

from __future__ import annotations

import copy
import functools
import itertools
import os
import socket
import time
import tomllib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import requests
import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.python.asgi import ASGIClient
from schemathesis.transport.requests import REQUESTS_TRANSPORT

from modelgates_speech.stub import StubServer, create_app
from modelgates_speech.stub.document import load
from modelgates_speech.stub.engine import Tones
from tests.contract.defects import DEFECTS
from tests.contract.document import document, edition
from tests.contract.ledger import Ledger, characters_of
from tests.contract.settings import KEY_VARIABLE, ROOT, STUB_KEY, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from schemathesis.specs.openapi.schemas import OpenApiSchema

SPEECH = "/audio/speech"
TIMEOUT = 60

SETTINGS = Settings.load()
KEY = os.environ[KEY_VARIABLE] if SETTINGS.base_url else STUB_KEY
LEDGER = Ledger(KEY)
BEARER = {"Authorization": f"Bearer {KEY}"}


class StoppedError(Exception):
    """Nothing more is sent; `LEDGER.stopped` says why."""


def stop(reason: str) -> StoppedError:
    LEDGER.stopped = LEDGER.stopped or reason
    return StoppedError(LEDGER.stopped)


class Recorded(requests.Session):
    """A session that enters everything in the ledger and stops when the budget is spent."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if LEDGER.stopped:
            raise StoppedError(LEDGER.stopped)
        cost = characters_of(request)
        if SETTINGS.max_requests is not None and len(LEDGER.exchanges) >= SETTINGS.max_requests:
            raise stop("the budget of requests is spent")
        if SETTINGS.max_characters is not None:
            if cost > SETTINGS.max_characters:
                # Only this one is too dear.
                raise StoppedError("the budget of characters is smaller than its text")
            if LEDGER.characters + cost > SETTINGS.max_characters:
                raise stop("the budget of characters is spent")
        options["timeout"] = options.get("timeout") or TIMEOUT
        try:
            response = super().send(request, **options)
        except requests.ConnectionError:
            # A connection cut under a request is the server's fault; one refused to everybody is
            # no contract's matter.
            if not _listening(str(request.url)):
                raise stop("the server is unreachable") from None
            raise
        LEDGER.characters += cost
        LEDGER.sent(request, response)
        if response.status_code == 402 and not SETTINGS.stub:
            raise stop("the account is out of credits")
        return response


class RecordedInProcess(Recorded, ASGIClient):
    """The same, to an application in this process."""


def _listening(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    try:
        socket.create_connection((str(parts.hostname), port), timeout=5).close()
    except OSError:
        return False
    return True


# What a valid request is answered with.
OK = edition().success[0]
# How HTTP refuses: a server may, whether or not its document says so.
REFUSALS = {"400": "Refused", "401": "Refused for want of a key"}


def judged() -> dict[str, Any]:
    """The document, with the refusals that it leaves unsaid: of any shape.

    Where a body may be JSON, JSON is what is sent: the stub takes a form's word for it.
    """
    made = copy.deepcopy(document())
    paths = made["paths"].items()
    made["paths"] = {path: item for path, item in paths if not path.startswith("x-")}
    tell_by_values(made)
    send_as_bytes(made)
    tell_numbers_by_their_digits(made)
    for item in made["paths"].values():
        for method in METHODS & item.keys():
            answers = item[method]["responses"].items()
            responses = {str(key): it for key, it in answers if not str(key).startswith("x-")}
            if not {"default", "4XX", "4xx"} & responses.keys():
                responses = {
                    status: {"description": t} for status, t in REFUSALS.items()
                } | responses
            item[method]["responses"] = responses
            for response in responses.values():
                for kind, media in response.get("content", {}).items():
                    if _is_bytes(kind, media):
                        # They are handed over as they are, whatever a schema says of them.
                        media["schema"] = {"type": "string", "format": "binary"}
            _leave_out("user-agent", item, item[method])
            for header in _OWN_HEADERS:
                _leave_out(header, item, item[method], unless_required=True)
            _spell_out(item, item[method])
            body = item[method].get("requestBody", {})
            structured = {kind: m for kind, m in body.get("content", {}).items() if "json" in kind}
            if structured:
                body["content"] = structured
            for kind, media in body.get("content", {}).items():
                if "form" in kind and SETTINGS.stub:
                    media["schema"] = _of_texts(media.get("schema", {}))
    return asking_once(made)


# The judge writes these its own way, whatever a schema says of them but for the values it lists;
# and of the last a server takes what it can undo, whatever the document says.
_OWN_HEADERS = (
    *("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
    "content-encoding",
)


def _is_bytes(kind: str, media: dict[str, Any]) -> bool:
    """Whether an answer of a type is a file: what is of any type, and none, is JSON."""
    if "json" in kind or kind.startswith("text/"):
        return False
    schema = edition().told(media.get("schema", {}))
    return kind != "*/*" or schema.get("type", "string") == "string"


def mappings(node: Any) -> Iterator[dict[str, Any]]:
    """Each mapping at or below a node, samples of data too."""
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from mappings(each)


def tell_by_values(made: dict[str, Any]) -> None:
    """Leave out discriminators without a mapping whose values are not the schemas' names.

    Publishers forget the mapping; the values that the schemas allow tell them apart all the same.
    """
    for part in mappings(made):
        teller = part.get("discriminator")
        listed = [part[key] for key in ("oneOf", "anyOf") if isinstance(part.get(key), list)]
        if isinstance(teller, dict) and "mapping" not in teller:
            for known in itertools.chain(*listed):
                told = edition().merged(known)[0].get(teller.get("propertyName"), {})
                values, name = edition().values(told), str(known.get("$ref")).rpartition("/")[2]
                if values and name not in values:
                    part.pop("discriminator", None)


def keep_at_hand(made: dict[str, Any]) -> None:
    """Leave out examples that are elsewhere: they would be fetched, from hosts of anybody.

    So would what a `$ref` within an example names, though it is a text there like any other.
    """
    for part in mappings(made):
        if isinstance(part.get("externalValue"), str):
            del part["externalValue"]
        for word in ("example", "examples", "default"):
            if any(_leads_nowhere(each) for each in mappings(part.get(word))):
                del part[word]


def _leads_nowhere(part: dict[str, Any]) -> bool:
    try:
        return isinstance(part.get("$ref"), str) and not edition().resolved(part)
    except (LookupError, TypeError, ValueError):
        return True


def send_as_bytes(made: dict[str, Any]) -> None:
    """Have what the judge cannot write, as audio, be sent as the bytes that it draws."""
    for part in mappings(made):
        content = part.get("content")
        for kind in content if isinstance(content, dict) else ():
            if "/" in kind and REQUESTS_TRANSPORT.get_first_matching_media_type(kind) is None:
                concrete = kind.partition(";")[0].replace("*", "any")
                schemathesis.serializer.alias(concrete, "application/octet-stream")


def tell_numbers_by_their_digits(made: dict[str, Any]) -> None:
    """Say of a header that is a number or else a text which text a number is.

    The judge reads as a number what can be nothing else.
    """
    headers = [part["headers"] for part in mappings(made) if isinstance(part.get("headers"), dict)]
    # Or a property of that name, with no schema below its words.
    known = [each for named in headers for each in named.values() if isinstance(each, dict)]
    for schema in (each["schema"] for each in known if isinstance(each.get("schema"), dict)):
        parts = [each for key in ("anyOf", "oneOf") for each in schema.get(key, [])]
        for part in (each for each in parts if isinstance(each, dict)):
            if part.get("type") in {"integer", "number"}:
                part |= {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}


def _of_texts(schema: Any) -> Any:
    """The same form, its fields texts: the judge fails over files that may be something else."""
    properties, required = edition().merged(schema)
    texts = {name: {"type": "string"} for name in {*properties, *required}}
    return {"type": "object", "properties": texts, "required": required}


def error_of(documented: str, answers: Iterable[str]) -> int | None:
    """The error that an answer is for, or one of those; None where others are for all errors."""
    if documented.isdigit():
        return int(documented) if int(documented) >= 400 else None
    known = {each.upper() for each in answers}
    is_rest = documented == "default"
    left = [f"{kind}XX" for kind in "45" if (f"{kind}XX" in known) != is_rest]
    starts = [int(kind[0]) * 100 for kind in left if is_rest or kind == documented.upper()]
    numbers = (n for start in starts for n in range(start + 18, start + 99))
    return next((n for n in numbers if str(n) not in known), None)


MANY_VALUES = 50
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@functools.cache
def required_anywhere() -> set[str]:
    """The names that some part of the document requires, be it of another part's object."""
    wanted = (part.get("required") for part in mappings(document()))
    return {name for names in wanted if isinstance(names, list) for name in names}


def narrowed(part: Any, breadth: int | None = SETTINGS.breadth) -> Any:
    """The document as far as generated cases explore it: `breadth` properties of each object.

    111 providers with the same schema take nine in ten of the cases, and the time and money. So do
    the values of a long `enum`: of thousands of voices, each is tried.
    """
    if isinstance(part, list):
        return [narrowed(each, breadth) for each in part]
    if not isinstance(part, dict):
        return part
    part = {name: narrowed(each, breadth) for name, each in part.items()}
    properties = part.get("properties")
    if isinstance(properties, dict):
        wanted = required_anywhere() | {*list(properties)[:breadth]}
        # Of an object that has a property of `true`, the judge explores nothing.
        known = {name: {} if value is True else value for name, value in properties.items()}
        part["properties"] = {name: known[name] for name in known if name in wanted}
    if breadth and isinstance(values := part.get("enum"), list):
        part["enum"] = values[:MANY_VALUES]
    return part


def secured() -> dict[str, Any]:
    """The document, with what it says in prose said as a requirement: calls need the key."""
    made = judged()
    schemes = made.setdefault("components", {}).setdefault("securitySchemes", {})
    if not schemes:
        schemes["apiKey"] = {"type": "http", "scheme": "bearer"}
    if not edition().is_public:
        made["security"] = [{next(iter(schemes)): []}]
    return asking_once(made)


def by_bearer(made: dict[str, Any]) -> dict[str, Any]:
    """The document as a stub takes it, to which a bearer token will do for any credentials.

    It is what the client sends, whatever is asked for.
    """
    levels = [made, *(item[m] for item in made["paths"].values() for m in METHODS & item.keys())]
    asking = [level for level in levels if any(level.get("security") or [])]
    for level in asking:
        level["security"] = [{"bearer": []}, *(each for each in level["security"] if not each)]
    if asking:
        schemes = {"bearer": {"type": "http", "scheme": "bearer"}}
        made.setdefault("components", {})["securitySchemes"] = schemes
    return made


def asking_once(made: dict[str, Any]) -> dict[str, Any]:
    """Leave the key to `security` where that asks for it, too, or a random one would be tried."""
    for item in made["paths"].values():
        for method in METHODS & item.keys():
            if item[method].get("security", made.get("security")):
                _leave_out("authorization", item, item[method])
    # A server that is no stub may want what the document says, and gets it.
    return by_bearer(made) if SETTINGS.stub else made


def _leave_out(parameter: str, *levels: dict[str, Any], unless_required: bool = False) -> None:
    for level in levels:
        if "parameters" in level:
            resolved = [(each, edition().resolved(each)) for each in level["parameters"]]
            level["parameters"] = [
                each
                for each, it in resolved
                if str(it.get("name")).lower() != parameter
                or (unless_required and it.get("required"))
            ]


def _spell_out(*levels: dict[str, Any]) -> None:
    """Say of parameters what the judge overlooks, for on the way all of them are text.

    It draws what a `+` in the pattern of a header does not take, and takes what is empty for a list
    of nothing as well as of one, and a number for no text.
    """
    for level in levels:
        for at, each in enumerate(level.get("parameters", [])):
            it = edition().resolved(each)
            known = edition().told(it.get("schema", {}))
            name = str(it.get("name")).lower()
            if name == "authorization":
                # What is drawn makes way for the key.
                known = {"type": "string"}
            elif it.get("in") == "header" and ("pattern" in known or name in _OWN_HEADERS):
                known = {"type": "string", "enum": [edition().sample(it["schema"])]}
            elif known.get("type") == "array":
                known = {"minItems": 1, **known}
            elif isinstance(known.get("additionalProperties"), dict):
                known = {**known, "additionalProperties": True}
            else:
                continue
            level["parameters"][at] = {**it, "schema": known}


def schema(
    contents: dict[str, Any], *, coverage: bool = True, breadth: int | None = SETTINGS.breadth
) -> OpenApiSchema:
    """Read a document as Schemathesis does, configured for this run."""
    given = tomllib.loads((ROOT / "schemathesis.toml").read_text("utf-8"))
    given["seed"] = SETTINGS.seed
    others = [] if SETTINGS.stub else edition().key_headers
    given["headers"] = BEARER | dict.fromkeys(others, KEY)
    given["generation"] |= {"max-examples": SETTINGS.examples, "no-shrink": not SETTINGS.shrink}
    given["phases"]["coverage"] = {"enabled": coverage}
    load_all_checks()
    made = narrowed(contents, breadth)
    keep_at_hand(made)
    return schemathesis.openapi.from_dict(made, config=schemathesis.Config.from_dict(given))


def explored(contents: dict[str, Any]) -> dict[str, Any]:
    """The part of a document that generated cases explore: of a stub, speech alone.

    To other operations a stub answers with examples, so that a program can be tried; that it
    refuses whatever the API would, it promises for speech.
    """
    if SETTINGS.base_url and not SETTINGS.stub:
        return contents
    speech = copy.deepcopy(contents["paths"][SPEECH])
    responses = speech["post"]["responses"]
    for status, response in responses.items():
        response = edition().resolved(response)
        links = response.get("links", {}).items()
        kept = {name: link for name, link in links if _leads_to_speech(edition().resolved(link))}
        responses[status] = {**response, "links": kept}
    return {**contents, "paths": {SPEECH: speech}}


def _leads_to_speech(link: dict[str, Any]) -> bool:
    if "operationId" in link:
        return link["operationId"] == edition().speech.get("operationId")
    return link.get("operationRef") == f"#/paths/{SPEECH.replace('/', '~1')}/post"


@functools.cache
def published() -> OpenApiSchema:
    return schema(judged())


@functools.cache
def in_process() -> InProcess:
    return InProcess()


def operations(of: OpenApiSchema) -> dict[str, Any]:
    """The operations that the server has and that answer a request, by their labels."""
    every = [found.ok() for found in of.get_all_operations()]
    return {
        each.label: each
        for each in every
        # Methods that OpenAPI 3.2 has added, the server and the client have not.
        if each.method.lower() in METHODS
        and not edition().is_elsewhere(each.path, each.method)
        and each.label not in contradictory()
    }


@functools.cache
def contradictory() -> dict[str, str]:
    """Why operations other than speech cannot be answered as documented, by their labels."""
    known = load(document())
    found: dict[str, str] = {}
    for operation in known.operations:
        label = f"{operation.method} {operation.path.removeprefix(operation.prefix)}"
        if not any(status[0] in "23D" for status in operation.replies):
            # As of one that was switched off: whatever succeeds is undocumented.
            found[label] = "it has no answer but errors"
        for status, reply in operation.replies.items() if label != f"POST {SPEECH}" else ():
            for schema in (it for kind, it in reply.content.items() if it and "json" in kind):
                if problem := known.problem(schema, known.example(schema, {})):
                    found[label] = f"no {status} was found that fits its schema: {problem[0]}"
    return found


def name_documented_answers() -> None:
    """Enter in the ledger which answers there are to be seen, and which cannot be."""
    LEDGER.skipped |= contradictory()
    for label, operation in operations(schema(document())).items():
        LEDGER.documented[label] = dict.fromkeys(operation.responses.status_codes, 0)


class InProcess:
    """The stub, called without a network."""

    def __init__(self) -> None:
        app = create_app(document(), engine=Tones())
        app.state.stub.api_key = KEY
        self.app = DEFECTS[SETTINGS.defect].wrap(app) if SETTINGS.defect else app
        self.session = RecordedInProcess(self.app)
        # A .netrc and proxies, looked up for each request, have no part in one that stays here.
        self.session.trust_env = False
        self.options: dict[str, Any] = {"session": self.session}


class OverSocket:
    """A server behind a socket: the stub, started here, or the one at `--base-url`."""

    def __init__(self) -> None:
        self.server: StubServer | None = None
        if SETTINGS.base_url is None:
            # What is defective in the audio of one engine is so in another's.
            engine = Tones() if SETTINGS.defect else None
            self.server = StubServer(api_key=KEY, document=document(), engine=engine)
            if SETTINGS.defect:
                self.server.app = DEFECTS[SETTINGS.defect].wrap(self.server.app)
            self.server.start()
            self.base_url = self.server.base_url
        else:
            self.base_url = SETTINGS.base_url.rstrip("/")
        self.session = Recorded()
        # Or a .netrc of the user's replaces the credentials; the proxies are still wanted.
        self.session.trust_env = False
        self.session.proxies.update(requests.utils.get_environ_proxies(self.base_url))
        self.options: dict[str, Any] = {"base_url": self.base_url, "session": self.session}

    def close(self) -> None:
        self.session.close()
        if self.server:
            self.server.stop()

    def send(
        self,
        body: Any = None,
        *,
        data: bytes | None = None,
        method: str = "POST",
        headers: dict[str, Any] | None = None,
        query: str = "",
    ) -> requests.Response:
        """Send one request to the speech operation, credentials and JSON unless told otherwise."""
        given: dict[str, Any] = {**edition().headers, **BEARER, **(headers or {})}
        wire = {name: value for name, value in given.items() if value is not None}
        if body is not None:
            wire.setdefault("Content-Type", edition().media_type)
        query = query or urlencode(edition().demanded("query"))
        request = requests.Request(
            method,
            f"{self.base_url}{SPEECH}?{query}".rstrip("?"),
            headers=wire,
            json=body,
            data=data,
        )
        return self.session.send(request.prepare(), allow_redirects=False)

    def speak(self, **fields: Any) -> requests.Response:
        """Ask for speech."""
        return self.send({**speech_request(), **fields})

    def judge(self, response: requests.Response, *, status: int | None = None) -> None:
        """Hold an answer against the document.

        Arguments:
            response: the answer.
            status: what it should be.
        """
        if status is not None:
            assert response.status_code == status, (
                f"answered {response.status_code}, not {status}: {response.text[:200]}"
            )
        operation = published()[SPEECH]["POST"]
        spoken_case(operation).validate_response(response, checks=document_checks(), headers=BEARER)
        LEDGER.saw(operation.label, response.status_code)


def document_checks() -> list[Any]:
    """The checks that need nothing but an answer and the document."""
    from schemathesis import checks

    return [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]


def speech_request() -> dict[str, Any]:
    """The smallest request for speech that this run's server takes."""
    known = {edition().text: "Hello.", "model": SETTINGS.model, "voice": SETTINGS.voice}
    wanted = {
        name: value
        for name, value in known.items()
        if value and edition().allows(edition().properties.get(name, False), value)
    }
    return {**edition().body, **wanted}


def spoken_case(operation: Any) -> Any:
    """A case of Schemathesis's that asks for speech and is valid."""
    return operation.Case(
        body=speech_request(),
        headers={**edition().headers, **BEARER},
        query=edition().demanded("query"),
        media_type=edition().media_type,
    )


def is_over() -> bool:
    """Whether no more cases are to be sent."""
    return bool(LEDGER.stopped) or (SETTINGS.until is not None and time.time() > SETTINGS.until)


def name_model(case: Any) -> None:
    """Put a model and a voice that exist in a generated case, where it has any."""
    for name, value in (("model", SETTINGS.model), ("voice", SETTINGS.voice)):
        if value and isinstance(case.body, dict) and isinstance(case.body.get(name), str):
            case.body[name] = value
