"""The OpenAPI document of the day as tests need it, so that none of them has to know it by heart.

Every fact comes from the document: what a request must hold, which formats and errors there are,
what counts as audio. Where the document demands what the client cannot know (a header, a constant,
a voice from a list), `HELLO` gives what it demands.
"""

import contextlib
import functools
import inspect
import json
import math
import random
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.resources import files

import jsonschema_rs
import pytest
import rstr

from modelgates_api import models
from modelgates_speech import _binding
from modelgates_speech._binding import ARGUMENTS
from modelgates_speech.jobs.joining import JOINABLE
from modelgates_speech.stub.schemas import in_python

PATH = "/audio/speech"
# What a request has said since the first document, wherever the document lets it.
USUAL = {"input": "Hello. And again.", "model": "any/model", "voice": "alloy"}


class Edition:
    """An OpenAPI document with our operation in it.

    Arguments:
        document: the document, parsed.
    """

    def __init__(self, document):
        self.document = document
        self.item = self.resolved(document["paths"][PATH])
        self.speech = self.item["post"]
        self.responses = {
            str(status).upper(): self.resolved(response)
            for status, response in self.speech["responses"].items()
            if not str(status).startswith("x-")
        }
        self.parameters = {}
        for level in (self.item, self.speech):
            for parameter in map(self.resolved, level.get("parameters", [])):
                self.parameters[parameter["in"], parameter["name"]] = parameter
        content = self.resolved(self.speech["requestBody"])["content"]
        self.media_types = [kind.partition(";")[0].strip().lower() for kind in content]
        self.media_type = next(kind for kind in content if kind.partition(";")[0].endswith("json"))
        self.schema = content[self.media_type].get("schema", {})
        self.properties, self.required = self.merged(self.schema)
        self._depth = 0

    def resolved(self, node):
        """Follow the references of a part; what stands beside one adds to what it points at."""
        while isinstance(node, Mapping) and "$ref" in node:
            found = self.document
            for key in node["$ref"].removeprefix("#/").split("/"):
                key = key.replace("~1", "/").replace("~0", "~")
                found = found[int(key) if isinstance(found, list) else key]
            if not isinstance(found, Mapping):
                return found
            node = {**found, **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    def _as_object(self, schema):
        schema = self.resolved(schema)
        return schema if isinstance(schema, Mapping) else {}

    def merged(self, schema):
        """Give the properties of an object and the names of those required.

        Parts of it count; of several that it may be, what any has and what all require.
        """
        schema = self._as_object(schema)
        properties, required = {}, list(schema.get("required", []))
        for part in schema.get("allOf", []):
            inner, demanded = self.merged(part)
            properties |= inner
            required += demanded
        for key in ("anyOf", "oneOf"):
            given = map(self.resolved, schema.get(key, []))
            branches = [self.merged(part) for part in given if _may_be_object(part)]
            for inner, _ in branches:
                properties = inner | properties
            first = branches[0][1] if branches else []
            required += [name for name in first if all(name in b for _, b in branches)]
        properties |= schema.get("properties", {})
        return properties, list(dict.fromkeys(required))

    def told(self, schema):
        """Give a schema that is one thing or null, or a part of one, as that one thing."""
        schema = self._as_object(schema)
        for key in ("allOf", "anyOf", "oneOf"):
            others = [part for part in schema.get(key, []) if not _is_null(part)]
            if len(others) == 1:
                return {**self.told(others[0]), **schema}
        return schema

    def values(self, schema):
        """Give the values that a schema lists, in parts of it too."""
        schema = self._as_object(schema)
        found = [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]
        for key in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(key, []):
                found += self.values(part)
        return found

    @property
    def is_open(self):
        """Whether a request may hold a property that the document does not know."""
        return self.allows(self.schema, self.body | {"brand_new": 7})

    def validator(self, schema):
        """Give a validator for a schema of the document; another one than the stub's."""
        if not isinstance(schema, Mapping):
            schema = {} if schema else {"not": {}}
        return jsonschema_rs.Draft202012Validator(
            {"$defs": {"here": _modern(schema)}, "$ref": "#/$defs/here"} | self._places,
            validate_formats=True,
        )

    @functools.cached_property
    def _places(self):
        """What a schema may refer to; written once, as a document may be large."""
        return _modern({key: self.document.get(key, {}) for key in ("components", "paths")})

    def allows(self, schema, value):
        """Tell whether a value is one that a schema allows."""
        return self.validator(schema).is_valid(value)

    def sample(self, schema, usual=None):
        """Give a value that a schema allows: the usual one where it does."""
        validator = self.validator(schema)
        if usual is not None and validator.is_valid(usual):
            return usual
        for value in self._samples(self.resolved(schema)):
            if validator.is_valid(value):
                return value
        raise AssertionError(f"no sample of {schema}")

    def _samples(self, schema):
        if not isinstance(schema, Mapping):
            yield "sample"
            return
        if schema.get("format") in ("date-time", "uuid"):
            # As the models write them, who read them in other spellings, too.
            yield from _FORMATTED
        yield from (schema[key] for key in ("const", "default", "example") if key in schema)
        yield from [*schema.get("examples", []), *schema.get("enum", [])]
        if "properties" in schema or "allOf" in schema or schema.get("type") == "object":
            properties, required = self.merged(schema)
            for name in [*required]:
                required += schema.get("dependentRequired", {}).get(name, [])
            made = {name: self.sample(properties.get(name, {})) for name in required}
            yield made
            yield self._with_more(made, properties, schema)
            for key in ("anyOf", "oneOf"):
                for part in schema.get(key, []):
                    demanded = self.merged(part)[1] if isinstance(part, Mapping) else ()
                    yield made | {name: self.sample(properties.get(name, {})) for name in demanded}
        for key in ("anyOf", "oneOf", "allOf"):
            for part in schema.get(key, []):
                yield from self._samples(self.resolved(part))
        if "pattern" in schema:
            yield from _matching(schema["pattern"], schema.get("minLength", 0))
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        step = schema.get("multipleOf", 1)
        # The bound itself may be excluded.
        yield from (-(-least // step) * step, (-(-least // step) + 1) * step)
        length = schema.get("minLength", 0)
        yield from (f"{'Hello':e<{length}}"[: schema.get("maxLength")], *_FORMATTED)
        yield from (least, least + 1, least + 0.5, 1, 1.0, True, None)
        most = schema.get("maximum", schema.get("exclusiveMaximum", 0))
        yield from (most, most - 1)
        first = []
        # A list ends before what nothing fits.
        with contextlib.suppress(AssertionError):
            first += (self.sample(part) for part in schema.get("prefixItems", []))
        yield first
        if "contains" in schema:
            first = first + self._several(schema["contains"], schema.get("minContains", 1))
        if schema.get("items", {}) is not False and self._depth < _DEEP:
            self._depth += 1
            rest = self._several(schema.get("items", {}), schema.get("minItems", 1) - len(first))
            self._depth -= 1
            yield first + rest
        yield first
        yield {}
        # Where one of several properties must be there, whichever it is.
        properties, _ = self.merged(schema)
        if properties and self._depth < _DEEP:
            self._depth += 1
            made = {name: self.sample(part) for name, part in properties.items()}
            self._depth -= 1
            yield made

    def _several(self, schema, count):
        """Give samples of a schema, no two alike where it has as many."""
        if count < 2:
            return [self.sample(schema) for _ in range(count)]
        allowed = self.validator(schema).is_valid
        found = [value for value in self._samples(self.resolved(schema)) if allowed(value)]
        distinct = {json.dumps(value): value for value in found}.values()
        return [*distinct, *found[:1] * count][:count]

    def _with_more(self, made, properties, schema):
        """Give an object with as many properties as it must have at least."""
        patterns = schema.get("patternProperties", {})
        rest = schema.get("additionalProperties", not patterns)
        others = patterns or ({"^[a-z]+$": rest} if rest is not False else {})
        named = [name for name in properties if name not in made]
        made = dict(made)
        while len(made) < schema.get("minProperties", 0) and (named or others):
            if named:
                name = named.pop(0)
                made[name] = self.sample(properties[name])
            else:
                pattern, value = next(iter(others.items()))
                free = (name for name in _matching(pattern, len(made) + 1) if name not in made)
                if (name := next(free, None)) is None:
                    break
                made[name] = self.sample(value)
        return made

    @functools.cached_property
    def body(self):
        """The smallest body of a request, which says what was always said where it may."""
        usual = {name: value for name, value in USUAL.items() if name in self.properties}
        whole = self.resolved(self.schema)
        parts = [part for key in ("anyOf", "oneOf") for part in whole.get(key, [])]
        # What a condition demands, of which authors forget that it holds where nothing is said.
        parts += [whole[key] for key in ("then", "else") if key in whole]
        either = [self.merged(part)[1] for part in parts]
        bodies = []
        for more in ([], *either):
            wanted = dict.fromkeys([*self.required, *more, *([] if bodies else usual)])
            bodies.append({name: self._usual(name) for name in wanted})
        return next((body for body in bodies if self.allows(self.schema, body)), bodies[0])

    def _usual(self, name):
        usual = USUAL.get("input" if name == self.text else name)
        return self.sample(self.properties.get(name, {}), usual)

    @functools.cached_property
    def text(self):
        """What the text to speak is called: `input`, or the first text that is required."""
        others = [name for name in self.properties if name in self.required and name not in USUAL]
        texts = (name for name in others if self.allows(self.properties[name], USUAL["input"]))
        return "input" if "input" in self.properties else next(texts, "input")

    def is_impossible(self, name):
        """Whether nothing fits a property, so that a request never holds it."""
        schema = self.properties[name]
        said = self._as_object(schema)
        crossed = (said.get(f"min{of}", 0) > said.get(f"max{of}", math.inf) for of in _BOUNDED)
        return self.resolved(schema) is False or said.get("not") in ({}, True) or any(crossed)

    def demanded(self, place):
        """Give the required parameters at a place, `header` or `query`, but for the key."""
        found = {}
        for (where, name), parameter in self.parameters.items():
            if where == place and parameter.get("required") and name.lower() not in _IGNORED:
                value = self.sample(_described(parameter))
                if parameter.get("style") == "deepObject":
                    found |= {f"{name}[{key}]": _as_text({}, one) for key, one in value.items()}
                else:
                    found[name] = _as_text(parameter, value)
        return found

    @property
    def demands_an_object_in_parts(self):
        """Whether a request needs an object in its query that generated code writes otherwise."""
        return any(
            parameter.get("required") and parameter.get("style") == "deepObject"
            for parameter in self.parameters.values()
        )

    @functools.cached_property
    def headers(self):
        """The headers that a request needs beside the key, the cookies among them."""
        cookies = [f"{name}={value}" for name, value in self.demanded("cookie").items()]
        return self.demanded("header") | ({"Cookie": "; ".join(cookies)} if cookies else {})

    def is_elsewhere(self, path, method):
        """Whether an operation is at another server than ours, or changes to another protocol."""
        item = self.resolved(self.document["paths"][path])
        operation = item[method.lower()]
        statuses = [status for status in map(str, operation["responses"]) if status[0] in "123"]
        ours, theirs = self._server(self.item, self.speech), self._server(item, operation)
        return ours != theirs or bool(statuses and all(status[0] == "1" for status in statuses))

    def wants_body(self, path, method):
        """Whether an operation must be told something in its body."""
        operation = self.resolved(self.document["paths"][path])[method.lower()]
        return self.resolved(operation.get("requestBody", {})).get("required", False)

    def _server(self, *levels):
        servers = (level.get("servers") for level in (*levels[::-1], self.document))
        return next((found[0] for found in servers if found), None)

    @property
    def key_headers(self):
        """The headers that carry the key as it is, for whoever does not take a bearer token."""
        schemes = self.document.get("components", {}).get("securitySchemes", {})
        found = map(self.resolved, schemes.values())
        names = [each["name"] for each in found if each.get("in") == "header"]
        return [name for name in names if name.lower() != "authorization"]

    @property
    def is_public(self):
        """Whether a request may do without a key."""
        security = self.speech.get("security", self.document.get("security"))
        if security == []:
            # Programs write it where nobody has said anything.
            asked = self.parameters.get(("header", "Authorization"), {})
            return not asked.get("required")
        return security is not None and {} in security

    @functools.cached_property
    def success(self):
        """The first success: its status and its content."""
        status = min(status for status in self.responses if status[0] == "2")
        return int(status.replace("X", "0")), self.responses[status].get("content", {})

    @functools.cached_property
    def audio_types(self):
        """The media types that speech may have, wildcards included."""
        return [kind for kind in self.success[1] if not _is_other(kind)]

    def is_audio(self, content_type):
        """Tell whether speech may have a content type."""
        media_type = content_type.partition(";")[0]
        return any(fnmatchcase(media_type, documented) for documented in self.audio_types)

    def may_hold(self, content_type):
        """Tell whether speech may be audio of a type, by its name or as bytes of any type."""
        return self.is_audio(content_type) or self.is_audio("application/octet-stream")

    @functools.cached_property
    def errors(self):
        """Each documented error by its status, with its content."""
        return {
            int(status): response.get("content", {})
            for status, response in self.responses.items()
            if status.isdigit() and int(status) >= 400
        }

    def answers(self, status):
        """Tell whether the document has an answer of a status, by itself or by its class."""
        return {str(status), f"{status // 100}XX", "DEFAULT"} & self.responses.keys() != set()

    def error_schema(self, status):
        """Give the schema of an error in JSON, or None where it says nothing in JSON."""
        content = self.errors.get(status, {})
        return next((content[kind].get("schema", {}) for kind in content if "json" in kind), None)

    def is_enveloped(self, status):
        """Tell whether an error is in the envelope that the first document had, and in no other."""
        schema = self.error_schema(status)
        if schema is None or {"anyOf", "oneOf"} & self.told(schema).keys():
            return False
        said = {"code": status, "message": "No."}
        less = [{"error": {name: value}} for name, value in said.items()]
        return self.allows(schema, {"error": said}) and not any(
            self.allows(schema, each) for each in less
        )

    @functools.cached_property
    def formats(self):
        """The formats that `response_format` names; empty where it names none."""
        named = self.values(self.properties.get("response_format", {}))
        return [name for name in named if isinstance(name, str)]

    @functools.cached_property
    def default_format(self):
        """The format that comes where none was asked for, which has been PCM since ever."""
        schema = self.told(self.properties.get("response_format", {}))
        return schema.get("default", "pcm")

    def asks_for_pcm(self):
        """Give the fields of a body that asks for PCM, or None where nobody can."""
        if not self.may_hold("audio/pcm"):
            return None
        if self.takes_format("pcm"):
            return {"response_format": "pcm"}
        return {} if self.default_format == "pcm" and not self.formats else None

    def takes_format(self, name):
        """Tell whether a request may ask for a format by its name."""
        return "response_format" in self.properties and self.allows(
            self.properties["response_format"], name
        )


# OpenAPI has parameters of these names ignored.
_IGNORED = {"accept", "authorization", "content-type"}
# As many repeats the library has for `*` and `+`.
_ANY_NUMBER = 100
_BOUNDED = ("imum", "Items", "Length", "Properties")
# So deep is a sample of a list that may hold itself.
_DEEP = 3
_FORMATTED = (
    "https://example.com/",
    "2026-11-25",
    "2026-11-25T12:00:00+00:00",
    "0c6ff3a4-1f5b-4cc1-9f67-64b9a3a1d1c4",
    "somebody@example.com",
    "127.0.0.1",
    "::1",
    "12:00:00Z",
    "PT1S",
    "example.com",
    "/example",
    "SGVsbG8=",
    "0",
)


def _modern(node):
    """Say `nullable` and bounds that are exclusive as OpenAPI 3.1 does, for the validator."""
    if isinstance(node, Mapping):
        node = {key: _modern(value) for key, value in node.items()}
        named = node.get("examples")
        if isinstance(named, Mapping) and all(
            isinstance(each, Mapping) and "value" in each for each in named.values()
        ):
            # As media types have them, where a schema has a list.
            del node["examples"]
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(node.get(exclusive), bool) and node.pop(exclusive) and bound in node:
                node[exclusive] = node.pop(bound)
        if node.get("nullable") is True:
            return {"anyOf": [node, {"type": "null"}]}
    elif isinstance(node, list):
        return [_modern(value) for value in node]
    return node


def _may_be_object(schema):
    return not isinstance(schema, Mapping) or "object" in str(schema.get("type", "object"))


def _is_null(schema):
    return isinstance(schema, Mapping) and schema.get("type") == "null"


def _matching(pattern, length):
    """Give texts that a pattern takes: short ones, those with more in them, then any.

    What Python cannot read, such as Unicode properties, has none.
    """
    with contextlib.suppress(re.error, LookupError, ValueError):
        said = in_python(pattern)
        for more in (*range(min(length, 100) + 1), length):
            text = rstr.Rstr(_Plain(more)).xeger(said)
            longer = text + "a" * max(more, length - len(text))
            yield from (each for each in (text, longer) if re.search(said, each))
        drawn = rstr.Rstr(_Few(pattern))
        texts = (drawn.xeger(said) for _ in range(100))
        yield from (each for each in texts if re.search(said, each))


class _Few(random.Random):
    """Draws few repeats: those of repeats soon are thousands."""

    def randint(self, a, b):
        return super().randint(a, max(a, min(a + 5, b)))


class _Plain(random.Random):
    """Draws nothing: the first character there is, as few repeats as may be and some."""

    def __init__(self, more):
        super().__init__(0)
        self.more = more

    def randint(self, a, b):
        return max(a, min(a + self.more, b if b < _ANY_NUMBER else math.inf))

    def choice(self, seq):
        if all(isinstance(each, str) for each in seq):
            return min(seq, key=lambda each: (not each.isalnum(), each.isspace(), each))
        return seq[0]


def _described(parameter):
    media = next(iter(parameter.get("content", {}).values()), parameter)
    return media.get("schema", {})


def _as_text(parameter, value):
    """Write the value of a parameter as it is sent."""
    if "content" in parameter or not isinstance(value, str | list | dict):
        return json.dumps(value)
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else [part for pair in value.items() for part in pair]
    separator = {"pipeDelimited": "|", "spaceDelimited": " "}.get(parameter.get("style"), ",")
    return separator.join(_as_text({}, part) for part in parts)


def _is_other(media_type):
    return bool(re.search("^text/|^multipart/|json|xml|yaml", media_type))


DOCUMENT = json.loads(files("modelgates_api").joinpath("openapi.json").read_text("utf-8"))
EDITION = Edition(DOCUMENT)
SPEECH = EDITION.speech
# A request that the document allows, as it is sent.
BODY = EDITION.body

_NAMES = {argument.name: name for name, argument in ARGUMENTS.items()}
# The argument that is spoken.
TEXT = _NAMES.get(EDITION.text, "input")
# The same as the arguments of `create`, with what they cannot say.
ONLY = {_NAMES[name]: value for name, value in BODY.items()}
EXTRAS = {
    name: value
    for name, value in (
        ("extra_headers", EDITION.headers),
        ("extra_query", EDITION.demanded("query")),
    )
    if value
}
HELLO = ONLY | EXTRAS
# The same for `save`, which asks for the format of the file's suffix.
SAVED = {name: value for name, value in HELLO.items() if name != "response_format"}

# Whether a request must say more than it has always said.
DEMANDS_MORE = bool(EXTRAS) or not EDITION.allows(EDITION.schema, USUAL)
needs_nothing_new = pytest.mark.skipif(
    DEMANDS_MORE,
    reason="the OpenAPI document demands more than the pages show: they have to be written anew",
)
needs_rows = pytest.mark.skipif(
    bool(EXTRAS) or "input" not in ARGUMENTS,
    reason="the OpenAPI document demands a header or query, which no row has, or has no input",
)
ANSWERS_WITH_PCM = (
    _binding.DEFAULT_RESPONSE_FORMAT == "pcm"
    and EDITION.takes_format("pcm")
    and EDITION.may_hold("audio/pcm")
)
needs_pcm = pytest.mark.skipif(
    not ANSWERS_WITH_PCM,
    reason="the OpenAPI document does not answer with PCM unless asked otherwise",
)
# What has PCM come: nothing, its name, or None where it cannot be had.
IS_USUAL = _binding.DEFAULT_RESPONSE_FORMAT == "pcm" and EDITION.may_hold("audio/pcm")
PCM = {} if IS_USUAL else EDITION.asks_for_pcm()
# Whether samples come, which most tests read, of who asks for nothing else than `SPEAKER`.
HAS_SAMPLES = PCM is not None or _binding.DEFAULT_RESPONSE_FORMAT == "wav"
needs_mp3 = pytest.mark.skipif(
    not all(EDITION.takes_format(name) for name in ("mp3", "pcm"))
    or not all(EDITION.may_hold(kind) for kind in ("audio/mpeg", "audio/pcm")),
    reason="the OpenAPI document does not have both MP3 and PCM",
)
needs_format = pytest.mark.skipif(
    not ("response_format" in ARGUMENTS and ARGUMENTS["response_format"].type == "string"),
    reason="the OpenAPI document has no format that a name stands for",
)
needs_narration = pytest.mark.skipif(
    "input" not in ARGUMENTS
    or HELLO.get("response_format", _binding.DEFAULT_RESPONSE_FORMAT) not in JOINABLE,
    reason="the OpenAPI document has no input, or demands a format that cannot be joined",
)
needs_provider = pytest.mark.skipif(
    not EDITION.allows(
        EDITION.properties.get("provider", False), {"options": {"openai": {"instructions": "calm"}}}
    ),
    reason="the OpenAPI document has no options of providers by their slugs",
)
# Who speaks, and how: a request without its text, for samples if it can be.
SPEAKER = {name: value for name, value in HELLO.items() if name != TEXT} | (PCM or {})

needs_text = pytest.mark.skipif(
    not EDITION.allows(EDITION.properties.get("input", False), "One. Two. Three. " * 200),
    reason="the OpenAPI document does not take texts of a few thousand characters",
)


def taken(**settings):
    """Those of some arguments, each with a value, that the document takes."""
    return {
        name: value
        for name, value in settings.items()
        if name in ARGUMENTS
        and EDITION.allows(EDITION.properties.get(ARGUMENTS[name].name, False), value)
    }


def taken_or_skipped(**settings):
    """All of some arguments; the test is skipped where the document does not take one."""
    for name in settings.keys() - taken(**settings).keys():
        pytest.skip(f"the OpenAPI document does not take {name}={settings[name]!r}")
    return settings


# What pages set beside what every request says; a document may do without.
SHOWN = {
    "speed": 1.5,
    "response_format": "mp3",
    "provider": {"options": {"openai": {"instructions": "calm"}}},
}
WORDS = {"response_format": r"\bresponse_format\b|\bmp3\b|--format\b"}


_SAID = re.compile(r"""\b(voice|model)(?:["']?[=:] ?["']| )([^\s"'{}<>]+)""")


def gone_from(shown):
    """What the document no longer has of that which is in a program or a transcript of a page."""
    gone = {
        name
        for name in SHOWN.keys() - taken(**SHOWN).keys()
        if re.search(WORDS.get(name, rf"\b{name}\b"), shown)
    }
    for names in re.findall(r"^ *from modelgates_api\.models import (.+)$", shown, re.MULTILINE):
        gone |= {name for name in re.findall(r"\w+", names) if not hasattr(models, name)}
    if not ANSWERS_WITH_PCM and re.search(r"\bpcm\b|getnframes", shown, re.IGNORECASE):
        gone.add("PCM by default")
    for name, value in _SAID.findall(shown):
        if name in EDITION.properties and not EDITION.allows(EDITION.properties[name], value):
            gone.add(f"{name} {value!r}")
    if not IS_USUAL and re.search(r"\.wav\b|to_wav", shown):
        gone.add("samples where nothing is asked for")
    return gone


def skip_what_is_gone(*shown):
    """Skip the rest of a test, with the reason, where the document lacks something shown."""
    if gone := set().union(*map(gone_from, shown)):
        pytest.skip(f"the OpenAPI document has no more {', '.join(sorted(gone))}")


def saying(text):
    """The arguments of a request for `text`, for tests that choose what is said."""
    if not EDITION.allows(EDITION.properties.get(EDITION.text, False), text):
        pytest.skip("the OpenAPI document takes no text as it is")
    return HELLO | {TEXT: text}


def arguments_of(operation):
    """A value for each argument that a generated operation requires, but for client and body."""
    parameters = inspect.signature(operation._get_kwargs).parameters.values()
    needed = [each for each in parameters if each.default is each.empty and each.name != "body"]
    demanded = EDITION.demanded("header") | EDITION.demanded("query") | EDITION.demanded("cookie")
    known = {re.sub(r"\W|_", "", name).lower(): value for name, value in demanded.items()}
    return {each.name: known.get(each.name.replace("_", ""), Sample("sample")) for each in needed}


class Sample(str):
    """A text that may be taken for an object as well."""

    __slots__ = ()

    def to_dict(self):
        return {self: self}
