"""How to call the API by hand and make it fail, for people; without any library, for the help."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

MAGIC_PREFIX = "stub/"
# The OpenAPI document of the control; programs in other languages read it as well.
CONTROL: Mapping[str, Any] = json.loads(Path(__file__).with_name("control.json").read_text("utf-8"))

_EMPTY = {"number": 1, "integer": 1, "boolean": True, "object": dict[str, object](), "array": ()}
SAMPLES = {"input": "Hello world.", "model": "any/model", "voice": "alloy"}


class Kind(NamedTuple):
    """A kind of fault: what it is called, what it does, and the schemas of what can be set."""

    name: str
    does: str
    options: Mapping[str, Mapping[str, Any]]


def body_schema(path: str, method: str) -> Mapping[str, Any]:
    """The schema of what a request to the control holds."""
    body = CONTROL["paths"][path][method]["requestBody"]
    schema: Mapping[str, Any] = body["content"]["application/json"]["schema"]
    return schema


def _kinds() -> Iterator[Kind]:
    for kind in body_schema("/_stub/faults", "post")["oneOf"]:
        options = {**kind["properties"]}
        name = options.pop("fault").get("const", "400 ... 599")
        del options["times"]
        yield Kind(name, kind["description"], options)


STATUS, *_others = _kinds()
TIMES = body_schema("/_stub/faults", "post")["oneOf"][0]["properties"]["times"]
KINDS = {kind.name: kind for kind in _others}


def usage(url: str, fields: Mapping[str, Mapping[str, Any]], required: Container[str]) -> str:
    """Say what a request to `url` is, of fields with their schemas, and give one for a shell."""
    width = max(map(len, fields), default=0)
    lines = [
        f"A request is a POST of JSON to {url}",
        "with the headers `Authorization: Bearer <key>` and `Content-Type: application/json`:",
        "",
        *(_line(name, width, known, required) for name, known in fields.items()),
        "",
        "The answer is audio: 16-bit PCM, little-endian, 24 kHz, mono, or MP3. For example:",
        "",
    ]
    body = {name: _sample(name, known) for name, known in fields.items() if name in required}
    lines += [
        f"  curl {shlex.quote(url)} \\",
        "    -H 'Authorization: Bearer KEY' \\",
        "    -H 'Content-Type: application/json' \\",
        f"    -d {shlex.quote(json.dumps(body, ensure_ascii=False))} -o hello.pcm",
    ]
    return "\n".join(lines)


def _line(name: str, width: int, known: Mapping[str, Any], required: Container[str]) -> str:
    kind = " or ".join(map(str, known.get("enum", [])[:8])) or str(known.get("type", "any"))
    asked = ", required" if name in required else ""
    text = f"{kind}{asked}. {known.get('description', '')}"
    return f"  {name:<{width}}  {textwrap.shorten(text, 96 - width, placeholder=' ...')}"


def _sample(name: str, known: Mapping[str, Any]) -> object:
    first = SAMPLES.get(name, _EMPTY.get(str(known.get("type")), "text"))
    return next(iter(known.get("enum", [])), first)


def describe() -> str:
    """Say every magic model name and what it does, a line each, for people."""
    kinds = (STATUS, *KINDS.values())
    rows = [(f"{MAGIC_PREFIX}{kind.name}", kind.does) for kind in kinds]
    settings = dict.fromkeys(name.replace("_", "-") for kind in kinds for name in kind.options)
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {does}" for name, does in rows]
    lines += [
        "",
        "Settings follow a question mark: stub/429?retry-after=1, stub/cut?after=5000. They are",
        f"times, {', '.join(settings)};",
        "each fault takes those that apply to it.",
        "stub/503?times=2 fails twice, then answers once as usual, then begins again.",
    ]
    return "\n".join(lines)


def welcome(ready: Mapping[str, str], page: str) -> str:
    """Say where a stub is that is ready, and how to point a client at it."""
    wanted = {"MODELGATES_BASE_URL": ready["base_url"], "MODELGATES_API_KEY": ready["api_key"]}
    if "ca_file" in ready:
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        wanted |= dict.fromkeys(names, ready["ca_file"])
    exports = "\n".join(f"  export {name}={shlex.quote(text)}" for name, text in wanted.items())
    return (
        f"The ModelGates stub speaks at {ready['base_url']} until Ctrl-C. Point a client at it:\n\n"
        f"{exports}\n\nA page to try it: {page}\n\n"
        f"Speech: {ready['speech']}. Models that misbehave:\n\n{describe()}\n"
    )
