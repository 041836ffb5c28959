"""What the commands that speak have in common: their options, and the connection."""

from __future__ import annotations

import logging
import math
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modelgates_speech.cli.exits import needs_extra
from modelgates_speech.cli.inputs import parse_provider_options

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

__all__ = [
    "POSITIVE",
    "api_options",
    "connection",
    "log_to_standard_error",
    "request_of",
    "request_options",
]

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

_REQUEST = (
    click.option("--model", default="elevenlabs/eleven-turbo-v2", show_default=True),
    click.option("--voice", default="alloy", show_default=True),
    click.option("--speed", type=POSITIVE, help="Speed multiplier, for models that support it."),
    click.option(
        "--provider-option",
        "provider_options",
        multiple=True,
        metavar="SLUG.NAME=VALUE",
        help='Option passed through to a provider, such as openai.instructions="calm"; '
        "VALUE is JSON or text. Repeatable.",
    ),
)
_API = (
    click.option("--local", is_flag=True, help="Speak with the bundled stub: offline, no key."),
    click.option("--base-url", metavar="URL", help="API to call. [default: $MODELGATES_BASE_URL]"),
    click.option(
        "--timeout",
        type=POSITIVE,
        metavar="SECONDS",
        help="Longest silence to accept while connecting or receiving.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
    click.option(
        "--debug", is_flag=True, help="Log requests and show tracebacks on standard error."
    ),
)


def request_options(command: CommandT) -> CommandT:
    """Give a command the options that say how to speak."""
    for option in reversed(_REQUEST):
        command = option(command)
    return command


def api_options(command: CommandT) -> CommandT:
    """Give a command the options that say where to call, and what to print."""
    for option in reversed(_API):
        command = option(command)
    return command


def request_of(
    *, model: str, voice: str, speed: float | None, provider_options: tuple[str, ...]
) -> dict[str, Any]:
    """The arguments of a request that the options of `request_options` describe."""
    request: dict[str, Any] = {"model": model, "voice": voice}
    if speed is not None:
        request["speed"] = speed
    if provider_options:
        request["provider"] = {"options": parse_provider_options(provider_options)}
    return request


@contextmanager
def connection(
    *, local: bool, base_url: str | None, **limits: float | None
) -> Generator[Mapping[str, Any]]:
    """The arguments of a client for the API that the options of `api_options` name."""
    settings: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    if base_url is not None:
        if local:
            raise click.UsageError("--local and --base-url exclude each other")
        settings["base_url"] = base_url
    if not local:
        yield settings
        return
    with needs_extra("stub"):
        from modelgates_speech.stub import StubServer
    with StubServer() as stub:
        yield settings | {"base_url": stub.base_url, "api_key": stub.api_key}


def log_to_standard_error() -> None:
    """Show what the client logs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(levelname)s: %(message)s"))
    logger = logging.getLogger("modelgates_speech")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
