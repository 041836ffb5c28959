"""What a client is made of: checked once, before anything is sent.

`checked_...` give back what is valid and raise a `ConfigurationError` for anything else.
"""

from __future__ import annotations

import contextlib
import enum
import importlib
import os
import re
import socket
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

import attrs

from modelgates_speech.arguments import explained_settings
from modelgates_speech.errors import MAX_SUMMARY, ArgumentError, ConfigurationError

T = TypeVar("T")
CallbackT = TypeVar("CallbackT", bound="Callable[..., Any] | None")

KEY_VARIABLE = "MODELGATES_API_KEY"
URL_VARIABLE = "MODELGATES_BASE_URL"

MAX_SECONDS = 4_000_000_000  # a century: more is a mistake, and beyond some systems

# Connections of a client at most, and the seconds that an unused one is kept: fewer than those that
# many a server keeps it, for which one closes just as the next request comes.
MAX_CONNECTIONS = 100
KEEPALIVE_SECONDS = 4.0

# Bytes that are read at once, and that are written before the deadline is looked at again.
READ_SIZE = 128 * 1024
WRITE_SIZE = 64 * 1024

# What is read of a body that is not audio: it is wanted for an error's message alone, so a server
# that drips one is not waited for.
MAX_EXCERPT = 64 * 1024
EXCERPT_SECONDS = 5.0

# What a failed `save` keeps in memory of audio that was paid for: 22 minutes of 24 kHz mono PCM.
MAX_RESCUED = 64 * 1024 * 1024

# What a notebook is given to play: 11 minutes of such PCM.
MAX_SHOWN = 32 * 1024 * 1024

# A narration's requests at once. The most characters of one are below every published limit of a
# hosted model known to us, and about a minute of speech.
NARRATE_CONCURRENCY = 4
MAX_CHARS = 1000

# Seconds of silence that a narration adds after a paragraph and around a heading; the most of each.
PARAGRAPH_PAUSE = 0.6
HEADING_PAUSE = 1.5
MAX_PAUSE = 60
RESULTS = "results.jsonl"  # of a batch, in its folder

# What a batch or a narration that is cancelled gives to what is under way, for it is paid for.
GRACE_SECONDS = 5.0

# PCM whose rate and channels nobody names, and the most of both: the header of a WAV holds them.
DEFAULT_RATE = 24_000
DEFAULT_CHANNELS = 1
MAX_RATE = 1_000_000
MAX_CHANNELS = 1_000


class Default(enum.Enum):
    """The type of `DEFAULT`, which says "as the client has it" where None says "none"."""

    DEFAULT = "DEFAULT"

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = Default.DEFAULT

# What is shorter stands for a key where none is needed, and may be a part of anything.
SHORTEST_KEY = 6
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_RESERVED = {
    "accept-encoding": "audio is always asked for uncompressed",
    "authorization": "pass api_key instead",
    "connection": "the transport sets it",
    "content-length": "the transport sets it",
    "content-type": "the OpenAPI document decides it",
    "host": "pass base_url instead",
    "transfer-encoding": "the transport sets it",
}


@explained_settings
@attrs.frozen
class Timeout:
    """How long each phase of a try may take, in seconds, each above 0.

    Args:
        connect: To open a connection, TLS included.
        read: Between two pieces of the reply.
        write: Between two pieces of the request.
        pool: To wait for a free connection.

    Raises:
        ConfigurationError: If a number is not finite and above 0.

    Examples:
        >>> client.with_options(timeout=Timeout(connect=2, read=20)).audio.speech.create(
        ...     model="any/model", voice="alloy", input="Hello"
        ... ).format
        'pcm'
    """

    connect: float = 5.0
    read: float = 60.0
    write: float = 60.0
    pool: float = 60.0

    def __attrs_post_init__(self) -> None:
        for name, seconds in self.phases().items():
            object.__setattr__(self, name, checked_seconds(seconds, f"timeout ({name})"))

    def phases(self) -> dict[str, float]:
        """The seconds by the name of the phase."""
        return {"connect": self.connect, "read": self.read, "write": self.write, "pool": self.pool}


def as_timeout(value: float | Timeout) -> Timeout:
    """`value` itself, or `value` seconds for each phase."""
    if isinstance(value, Timeout):
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        wanted = "a number of seconds, or a Timeout such as Timeout(read=30)"
        raise must_be(wanted, value, "timeout")
    return Timeout(value, value, value, value)


def as_number(value: object) -> float | None:
    """`value` as a number of Python's own, be it one of another's, such as NumPy's or an enum's.

    None where it is none, True and False among these, or is too large.
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            return int(value) if isinstance(value, Integral) else float(value)
    return None


def checked_seconds(value: float, name: str) -> float:
    """`value` if it is a number of seconds above 0."""
    seconds = as_number(value)
    if seconds is not None and 0 < seconds <= MAX_SECONDS:
        return seconds
    wanted = f"a number of seconds above 0 and at most {MAX_SECONDS:,}"
    raise must_be(wanted, value, name)


def checked_count(value: int, name: str, most: int | None = None) -> int:
    """`value` if it is a whole number from 1 to `most`."""
    count = as_number(value)
    if isinstance(count, int) and 1 <= count <= (count if most is None else most):
        return count
    wanted = "1 or more" if most is None else f"a whole number from 1 to {most:,}"
    raise must_be(wanted, value, name)


def checked_layout(sample_rate: int | None, channels: int | None) -> dict[str, int]:
    """What PCM is to be taken for, by the names of the arguments; None says nothing."""
    given = ("sample_rate", sample_rate, MAX_RATE), ("channels", channels, MAX_CHANNELS)
    return {name: checked_count(n, name, most) for name, n, most in given if n is not None}


def checked_path(value: object, name: str) -> Path:
    """`value` as a path, if it is one."""
    try:
        return Path(value)  # type: ignore[arg-type] # it says so itself
    except TypeError:
        raise ArgumentError(f"{name} must be a path, not {in_short(value)}") from None


def checked_folder(value: object, name: str) -> Path:
    """`value` as the path of a folder, if one can have it."""
    if value == "":
        raise ConfigurationError(f"{name} is empty: name a folder, or . for the current one")
    path = checked_path(value, name)
    with contextlib.suppress(UnicodeEncodeError):
        if b"\0" not in os.fsencode(path):
            return path
    raise ConfigurationError(f"{name} must be a path: no folder can be called {in_short(value)}")


def checked_callback(value: CallbackT, name: str) -> CallbackT:
    """`value` if it can be called, or is None."""
    if value is not None and not callable(value):
        raise ArgumentError(f"{name} must be a function, not {in_short(value)}")
    if iscoroutinefunction(value) or iscoroutinefunction(type(value).__call__):
        raise ArgumentError(f"{name} must be a plain function: {value!r} would never be awaited")
    return value


def must_be(wanted: str, value: object, name: str) -> ConfigurationError:
    """The error for a `value` that is not what is wanted."""
    return ConfigurationError(f"{name} must be {wanted}, not {in_short(value)}")


def in_short(value: object) -> str:
    """`value` for a message: in short, and whatever its `repr` does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a number of 5,000 digits has none, nor have broken objects
        return f"something of type {type(value).__name__}"
    return text if len(text) <= MAX_SUMMARY else f"{text[:MAX_SUMMARY]}..."


class Secret:
    """An API key, or a function that is asked for it, which no repr, log or traceback shows.

    Of a traceback, not even one with locals.
    """

    __slots__ = ("_key",)

    def __init__(self, key: Any) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key cannot be pickled: pass it to the other process separately")

    def check(self) -> Self:
        """Itself, if it is good as far as can be known without asking."""
        if callable(self._key):
            checked_callback(self._key, "api_key")
            return self
        return self._checked()

    def secret(self) -> Secret:
        """The key as it is now."""
        try:
            return Secret(self._key())._checked() if callable(self._key) else self  # noqa: SLF001
        except ConfigurationError:
            raise
        except Exception as error:
            raise ConfigurationError(f"api_key() failed with {type(error).__name__}") from error

    def _checked(self) -> Self:
        if not isinstance(self._key, str | None):
            raise ConfigurationError(f"api_key must be a string, not {type(self._key).__name__}")
        if not self._key:
            raise ConfigurationError(
                f"no API key: set {KEY_VARIABLE} or pass api_key. To try without one, start the "
                "local stub with `modelgates-speech stub`, or use `modelgates-speech speak --local`"
            )
        if not _PRINTABLE.fullmatch(self._key):
            raise ConfigurationError(
                "the API key holds white space, a line break or a character outside ASCII (the "
                "key is not shown here): was it copied together with its line end?"
            )
        return self

    def bearer(self) -> str:
        """The value of the ``Authorization`` header."""
        return f"Bearer {self._key}"

    def scrub(self, data: bytes) -> bytes:
        """`data` without the key, should a server have echoed it, in JSON or a URL too."""
        if len(self._key) < SHORTEST_KEY:
            return data
        data = data.replace(self._key.encode(), b"[redacted]")
        if b"\\" not in data and b"%" not in data:
            return data
        forms = (rf"{re.escape(c)}|\\{re.escape(c)}|(?i:(\\u00|%){ord(c):02x})" for c in self._key)
        written = "".join(f"(?:{form})" for form in forms)
        return re.sub(written.encode(), b"[redacted]", data)

    def scrub_text(self, text: str) -> str:
        """`text` without the key, likewise."""
        if self._key not in text and "%" not in text and "\\" not in text:
            return text
        return self.scrub(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def checked_mapping(value: Mapping[str, T], name: str) -> Mapping[str, T]:
    """`value` itself, if it is a mapping."""
    if isinstance(value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        return value
    raise ConfigurationError(f"{name} must be a mapping, not {type(value).__name__}")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """`headers` if they can be sent beside the client's own."""
    for name in checked_mapping(headers, "headers"):
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigurationError(f"{name!r} is not a valid header name")
        if reason := _RESERVED.get(name.lower()):
            raise ConfigurationError(f"the header {name} cannot be set: {reason}")
    # White space around a value is no part of it.
    return {name: value.strip() for name, value in checked_values(headers).items()}


def checked_values(headers: Mapping[str, str]) -> Mapping[str, str]:
    """`headers` themselves, if their values can be sent."""
    for name, value in headers.items():
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise ConfigurationError(
                f"the header {name} must be a string of ASCII characters without line breaks"
            )
    return headers


def checked_base_url(base_url: str, *, allow_plain_http: bool, name: str) -> str:
    """`base_url` without a trailing slash, if the key may go there."""
    if not isinstance(base_url, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"{name} must be a string, not {type(base_url).__name__}")
    base_url = base_url.strip()
    # First, for each of the other messages quotes it.
    if "@" in base_url.split("//", 1)[-1].partition("/")[0]:
        raise ConfigurationError(f"{name} must not hold credentials: pass the key as api_key")
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"{name} {base_url!r} is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(
            f"{name} {base_url!r} is not an http or https URL: it must begin with https:// "
            "(or http://, for this machine) and name a host"
        )
    if not host.isascii():
        advice = ""
        with contextlib.suppress(UnicodeError):
            advice = f": write it as {host.encode('idna').decode('ascii')!r}"
        raise ConfigurationError(f"{name} {base_url!r} has a host name outside ASCII{advice}")
    if not _PRINTABLE.fullmatch(base_url):
        raise ConfigurationError(
            f"{name} {base_url!r} contains a space or a character outside ASCII: percent-encode it"
        )
    if "?" in base_url or "#" in base_url:
        raise ConfigurationError(
            f"{name} {base_url!r} must not have a query or fragment: leave out what follows ? or #"
        )
    if parts.scheme == "http" and not (is_loopback(host) or allow_plain_http):
        raise ConfigurationError(
            f"{name} {base_url!r} would send the key unencrypted: use https, or pass "
            "allow_plain_http=True if you trust the network in between"
        )
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    # `ipaddress` knows it too, and takes longer to load than all else here.
    with contextlib.suppress(OSError):
        return socket.inet_pton(socket.AF_INET, host)[0] == 127
    with contextlib.suppress(OSError):
        return socket.inet_pton(socket.AF_INET6, host) == bytes(15) + b"\1"
    return False


def installed(module: str, what: str, extra: str) -> Any:
    """A module of the extra that `what` needs."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{what} needs {error.name or module}, which is not installed: "
            f'pip install "modelgates-speech[{extra}]"'
        ) from error
    except ImportError as error:  # of a library of the system, or one made for another Python
        raise ConfigurationError(f"{what} needs {module}, which does not load: {error}") from error


def from_environment(variable: str) -> str | None:
    """The variable's value, or None when it is unset or blank."""
    value = os.environ.get(variable, "")
    return value if value.strip() else None
