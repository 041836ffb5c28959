"""What the commands that speak have in common: their options, and the connection."""

from __future__ import annotations

import functools
import logging
import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modelgates_speech._binding import ARGUMENTS, DEFAULT_RESPONSE_FORMAT
from modelgates_speech.cli.inputs import parse_provider_options
from modelgates_speech.config import MAX_CHANNELS, MAX_RATE, installed
from modelgates_speech.jobs.values import value_of
from modelgates_speech.keeping import formats_by_suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from modelgates_speech.arguments import Argument


CommandT = TypeVar("CommandT", bound="Callable[..., Any]")


class _PositiveNumber(click.FloatRange):
    """A number above zero: `click.FloatRange` alone lets infinity and NaN through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


POSITIVE = _PositiveNumber(min=0, min_open=True)


class _Value(click.types.StringParamType):
    """A value of one of several types, or one that is written as JSON."""

    def __init__(self, kind: str) -> None:
        names = {"any": "json|text", "array": "json", "object": "json", "string": "text"}
        self.kind = kind
        self.name = "|".join(dict.fromkeys(names.get(each, each) for each in kind.split("|")))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return value_of(value, self.kind) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"{value!r}: {error}.", param, ctx)


class _Folder(click.Path):
    """A folder: `click.Path` alone takes an empty text for the current one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty: name a folder, or . for the current one.", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = _Folder(file_okay=False, path_type=Path)

FORMATS = ARGUMENTS["response_format"].values if "response_format" in ARGUMENTS else ()
SUFFIXES = " or ".join(", ".join(formats_by_suffix()).rsplit(", ", 1))

# What is asked for when nobody says; the OpenAPI document knows no model and no voice.
_DEFAULTS = {"model": "elevenlabs/eleven-turbo-v2", "voice": "alloy"}
# Options that commands have already; an argument of that name has to stand aside.
_TAKEN = {
    *("base_url", "cache_dir", "concurrency", "deadline", "debug", "dry_run", "file", "format"),
    *("allow_plain_http", "header", "heading_pause", "help", "json", "language", "local"),
    *("max_characters", "max_chars", "max_errors", "paragraph_pause", "play"),
    *("channels", "out_dir", "output", "provider_option", "quiet", "sample_rate", "timeout"),
}
_PREFIX = "request_"

_PROVIDER = click.option(
    "--provider-option",
    "provider_options",
    multiple=True,
    metavar="SLUG.NAME=VALUE",
    help='Option passed through to a provider, such as openai.instructions="calm"; '
    "VALUE is JSON or text. Repeatable.",
)


def _option_for(name: str, argument: Argument) -> Callable[[Any], Any]:
    """The option of an argument of the OpenAPI document; not given, it says neither yes nor no."""
    if name == "response_format":
        return _FORMAT
    if (name, argument.type) == ("provider", "object"):
        return _PROVIDER
    spelled = name.strip("_")
    flag = f"{_PREFIX}{spelled}" if spelled in _TAKEN else spelled
    flag = flag.replace("_", "-").lower()
    text = argument.description.strip().split("\n")[0]
    if argument.deprecated:
        text = f"Deprecated. {text}"
    settings: dict[str, Any] = {"help": text}
    if name in _DEFAULTS and {"any", "string"} & {*argument.type.split("|")}:
        known = argument.values or (_DEFAULTS[name],)
        settings["default"] = _DEFAULTS[name] if _DEFAULTS[name] in known else known[0]
    if argument.type == "boolean":
        return click.option(f"--{flag}/--no-{flag}", _PREFIX + name, default=None, **settings)
    numeric = argument.type in ("number", "integer")
    settings["type"] = POSITIVE if name == "speed" and numeric else _Value(argument.type)
    if argument.values:
        # Suggestions, not a choice: a value that the API learns tomorrow goes through today.
        settings["metavar"] = "|".join(argument.values)
    return click.option(f"--{flag}", _PREFIX + name, show_default=True, **settings)


def _complete_format(_context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    return [name for name in FORMATS if name.startswith(typed)]


_FORMAT = click.option(
    "--format",
    "response_format",
    metavar="|".join(FORMATS) or "FORMAT",
    shell_complete=_complete_format,
    help=f"Format to ask for.  [default: {DEFAULT_RESPONSE_FORMAT}, or by the file's suffix]",
)


def _only_with_dry_run(
    context: click.Context, _option: click.Parameter, price: float | None
) -> float | None:
    if price is not None and not context.params.get("dry_run"):
        raise click.UsageError("--price-per-million needs --dry-run")
    return price


# Read before the others, so that the price knows of it.
DRY_RUN = click.option(
    "--dry-run", is_flag=True, is_eager=True, help="Say what would be sent; send nothing."
)
PRICE = click.option(
    "--price-per-million",
    type=_PositiveNumber(min=0, min_open=True, max=10**12),
    callback=_only_with_dry_run,
    metavar="AMOUNT",
    help="With --dry-run: the price of a million characters, to say what it would cost.",
)

PLAY = click.option(
    "--play",
    is_flag=True,
    help="Play it from the first sound on; with -o, write it as well.",
)

_REQUEST = [
    *(_option_for(name, argument) for name, argument in ARGUMENTS.items() if name != "input"),
    click.option(
        "--sample-rate",
        type=click.IntRange(1, MAX_RATE),
        metavar="HZ",
        help="Sample rate to assume if PCM comes without one.  [default: 24000]",
    ),
    click.option(
        "--channels",
        type=click.IntRange(1, MAX_CHANNELS),
        metavar="COUNT",
        help="Number of channels to assume if PCM comes without one.  [default: 1]",
    ),
]


def _headers(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    if without := next((each for each in given if ":" not in each), None):
        raise click.BadParameter(f"{without!r} is not NAME:VALUE.")
    return dict(each.split(":", 1) for each in given)


_API = (
    click.option("--local", is_flag=True, help="Speak with the bundled stub: offline, no key."),
    click.option("--base-url", metavar="URL", help="API to call. [default: $MODELGATES_BASE_URL]"),
    click.option(
        "--allow-plain-http",
        is_flag=True,
        help="Allow plain http to another machine, over a network that you trust.",
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        callback=_headers,
        metavar="NAME:VALUE",
        help="Header to add to every request. Repeatable.",
    ),
    click.option(
        "--timeout",
        type=POSITIVE,
        metavar="SECONDS",
        help="Longest silence to accept while connecting or receiving.",
    ),
    click.option(
        "--deadline",
        type=POSITIVE,
        metavar="SECONDS",
        help="Longest time to accept for a whole request, retries included.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    click.option("--json", "as_json", is_flag=True, help="Print result and errors as JSON."),
    click.option(
        "--debug", is_flag=True, help="Log requests and show tracebacks on standard error."
    ),
)

_CONNECTION = ("local", "base_url", "allow_plain_http", "headers", "timeout", "deadline")


def request_options(command: CommandT) -> CommandT:
    """Give a command the options that say how to speak."""
    for option in reversed(_REQUEST):
        command = option(command)
    return command


def api_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where to call, and what to print.

    Those of the connection reach it together, as `api`, for `connection`.
    """

    @functools.wraps(command)
    def gathered(*, debug: bool, **options: Any) -> Any:
        if debug:
            logging.basicConfig(format="%(name)s: %(levelname)s: %(message)s")
            logging.getLogger("modelgates_speech").setLevel(logging.DEBUG)
        return command(api={name: options.pop(name) for name in _CONNECTION}, **options)

    for option in reversed(_API):
        gathered = option(gathered)
    return gathered


def request_of(*, provider_options: tuple[str, ...] = (), **options: Any) -> dict[str, Any]:
    """The arguments of a request that the options of `request_options` describe."""
    request = {
        name.removeprefix(_PREFIX): value for name, value in options.items() if value is not None
    }
    if provider_options:
        request["provider"] = {"options": parse_provider_options(provider_options)}
    return request


@contextmanager
def connection(
    *, local: bool, base_url: str | None, **others: float | bool | Mapping[str, str] | None
) -> Generator[Mapping[str, Any]]:
    """The arguments of a client for the API that the options of `api_options` name."""
    settings: dict[str, Any] = {name: value for name, value in others.items() if value is not None}
    if base_url is not None:
        if local:
            raise click.UsageError("--local and --base-url cannot be used together")
        settings["base_url"] = base_url
    if not local:
        yield settings
        return
    installed("modelgates_speech.stub.server", "--local", "stub")
    from modelgates_speech.stub import StubServer

    with StubServer() as stub:
        yield settings | {"base_url": stub.base_url, "api_key": stub.api_key}
