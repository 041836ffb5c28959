"""A cache of speech in a folder.

An entry is one file, named by what was asked (address, request and its extra headers; never the
key), written out of sight and renamed, and checked against its SHA-256 before a byte of it is
used. Plain files rather than a cache library: those that are kept up unpickle what they find.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import threading
from collections.abc import Mapping
from functools import lru_cache, partial
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from modelgates_speech.arguments import explained
from modelgates_speech.call import Call, encode_json
from modelgates_speech.config import checked_count, checked_folder, in_short
from modelgates_speech.errors import ArgumentError, SaveError
from modelgates_speech.files import AtomicFile
from modelgates_speech.forks import survive_forks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator

    from modelgates_speech.audio import Receiver
    from modelgates_speech.replies import Reply
    from modelgates_speech.waiting import Waiting

logger = logging.getLogger("modelgates_speech")

MAX_BYTES = 10 * 1024**3  # some 60 hours of 24 kHz mono PCM

_SUFFIX = ".speech"
_ENTRY = re.compile(r"[0-9a-f]{64}" + re.escape(_SUFFIX))
_MAGIC = b"modelgates-1 "
_PREAMBLE = len(_MAGIC) + 64 + 1
_MAX_HEAD = 1024 * 1024
_CHUNK = 64 * 1024


class AudioCache:
    """A folder of speech that several threads and processes may share.

    Args:
        folder: Where it is. It is made with the first entry, and only its owner may read it.
        max_bytes: What it may hold. Beyond that, the least recently used entries go. Several
            processes may each exceed it by a tenth.
        origin: What the entries are known to come from, in place of the client's base URL: for
            a server whose address changes and whose speech does not.

    Raises:
        ConfigurationError: If `max_bytes` is below 1.

    Examples:
        >>> cache = AudioCache("spoken", max_bytes=1024**3)
        >>> client.audio.speech.create(
        ...     model="any/model", voice="alloy", input="Hello", cache_dir=cache
        ... ).format
        'pcm'
    """

    max_bytes = MAX_BYTES

    @explained()
    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_bytes: int = MAX_BYTES,
        origin: str | None = None,
    ) -> None:
        self.max_bytes = checked_count(max_bytes, "max_bytes")
        if not isinstance(origin, str | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(f"origin must be text, not {in_short(origin)}")
        self.folder = checked_folder(folder, "folder")
        self.origin = origin
        self.failing = False
        self._credit = 0
        self.after_fork()
        survive_forks(self)

    def after_fork(self) -> None:
        """Begin anew, in a child."""
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process has a lock of its own.
        return partial(type(self), max_bytes=self.max_bytes, origin=self.origin), (self.folder,)

    def __fspath__(self) -> str:
        """Its folder: where a path is asked for, a cache will do."""
        return str(self.folder)

    def __repr__(self) -> str:
        # A traceback with locals shows one that was refused before it was made.
        folder = str(self.folder) if hasattr(self, "folder") else "..."
        return f"AudioCache({folder!r}, max_bytes={self.max_bytes:,})"

    def key_of(
        self, call: Call, base_url: str, client_headers: Mapping[str, str] | None = None
    ) -> str:
        """The name of what `call` asks for from the API at `base_url`, by a client's headers."""
        return request_key(call, self.origin or base_url, client_headers)

    def holds(self, key: str) -> bool:
        """Whether there is an entry under `key`; it may still turn out damaged."""
        return os.path.isfile(self.path_of(key))  # noqa: PTH113 - unlike a Path's, it never raises

    def find(self, key: str) -> tuple[dict[str, str], BufferedReader] | None:
        """The headers of the entry under `key`, and its body, proven whole; or None."""
        path = self.path_of(key)
        if not self.holds(key):
            return None
        try:
            file = path.open("rb")
        except OSError as error:
            logger.warning("the cache entry %s cannot be read: %s", path, error.strerror)
            return None
        try:
            headers = _headers(file)
        except (OSError, ValueError):
            file.close()
            logger.warning("the cache entry %s is damaged and will be replaced", path)
            return None
        with contextlib.suppress(OSError):  # evicted meanwhile, or not ours: its age is no matter
            os.utime(path)
        return headers, file

    def clear(self) -> None:
        """Remove every entry, and the folder if nothing else is in it."""
        if not self.folder.is_dir():
            return
        entries = [path for _, _, path in self._entries()]
        for path in entries:
            path.unlink(missing_ok=True)
        for folder in (*{path.parent for path in entries}, self.folder):
            with contextlib.suppress(OSError):  # something of somebody else's is in it
                folder.rmdir()

    def make_room(self, size: int) -> None:
        """Note that an entry of `size` bytes came, and let old ones go if need be."""
        with self._lock:
            self._credit -= size
            if self._credit >= 0:
                return
            # Counting the folder is dear: after it, a tenth of the whole may come unseen.
            tenth = self.max_bytes // 10
            self._credit = min(max(0, self.max_bytes - self._shrink(self.max_bytes - tenth)), tenth)

    def path_of(self, key: str) -> Path:
        """Where the entry under `key` is, or would be."""
        return self.folder / key[:2] / (key[2:] + _SUFFIX)

    def _shrink(self, target: int) -> int:
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries[:-1]:  # never the newest, however large it is
            if total <= target:
                break
            with contextlib.suppress(OSError):  # another process took it, or (Windows) reads it
                path.unlink()
                total -= size
        return total

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        for shard in os.scandir(self.folder):
            if not shard.is_dir():
                continue
            for entry in os.scandir(shard):
                # What has another name is somebody else's.
                if _ENTRY.fullmatch(f"{shard.name}{entry.name}"):
                    with contextlib.suppress(FileNotFoundError):  # evicted by another process
                        found = entry.stat()
                        yield found.st_mtime, found.st_size, Path(entry)


# One for each folder, for it counts what it wrote.
_cache_at = lru_cache(maxsize=64)(AudioCache)


def as_cache(cache: str | os.PathLike[str] | AudioCache) -> AudioCache:
    """`cache` itself, or the cache in that folder."""
    if isinstance(cache, AudioCache):
        return cache
    folder = checked_folder(cache, "cache_dir")
    with contextlib.suppress(FileNotFoundError):  # the current folder is gone, and so is this one
        folder = folder.absolute()
    return _cache_at(folder)


def request_key(call: Call, origin: str, client_headers: Mapping[str, str] | None = None) -> str:
    """The SHA-256 of what `call` asks for, in a canonical form; without the API key."""
    asked = {
        "url": origin + call.kwargs["url"],
        "method": call.kwargs["method"],
        # As it is sent: Python's names may be of several types, and those of JSON are texts.
        "body": json.loads(encode_json(call.kwargs.get("json"))),
        "headers": {
            name.lower(): value
            for headers in (client_headers or {}, call.headers)
            for name, value in headers.items()
        },
    }
    # What has none keeps the name that it always had.
    asked |= {part: call.kwargs[part] for part in ("params", "cookies") if part in call.kwargs}
    # With each number written in one way: programs that keep tables make 1.0 of 1.
    plain = json.loads(json.dumps(asked, default=repr), parse_float=_number)
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _number(written: str) -> float:
    number = float(written)
    return int(number) if number.is_integer() else number


@attrs.frozen
class Entry:
    """A reply that was kept: its headers and its body, read like one from the network."""

    headers: dict[str, str]
    _file: BufferedReader
    _waiting: Waiting

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end."""
        return await self._waiting.call(self._file.read, _CHUNK)

    async def aclose(self) -> None:
        """Let the file go. May be called again."""
        self._file.close()

    def abandon(self) -> None:
        """Let the file go, when nobody holds this any more."""
        self._file.close()


class _Recorded:
    """A reply whose bytes are recorded as they are read, and kept if they prove whole.

    A disk that fails costs the entry, not the speech.
    """

    def __init__(
        self, reply: Reply, receiver: Receiver, cache: AudioCache, path: Path, waiting: Waiting
    ) -> None:
        self._reply, self._receiver, self._waiting = reply, receiver, waiting
        self._cache = cache
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: AtomicFile | None = None
        with self._or_give_up():
            cache.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = AtomicFile(path)
            if self._file.in_place:
                raise SaveError(f"{path} is no file: remove it", path=path)
            self._file.write(bytes(_PREAMBLE))
        # A cookie is a credential, and nothing in the audio depends on it.
        kept = {name: value for name, value in reply.headers.items() if name != "set-cookie"}
        self._record(json.dumps(kept).encode() + b"\n")

    async def read(self) -> bytes:
        data = await self._reply.read()
        await self._waiting.call(self._record, data)
        return data

    async def drain(self, start: bytes) -> bytes:
        return await self._reply.drain(start)

    async def aclose(self) -> None:
        try:
            await self._reply.aclose()
            if self._receiver.whole:
                # What is whole is kept, by a call that is cancelled as well.
                with self._waiting.shielded():
                    await self._waiting.call(self._keep)
        finally:
            self._drop()

    def abandon(self) -> None:
        self._reply.abandon()
        self._drop()

    def _record(self, data: bytes) -> None:
        if self._file is not None:
            with self._or_give_up():
                self._file.write(data)
                self._digest.update(data)
                self._size += len(data)

    def _keep(self) -> None:
        if self._file is not None:
            with self._or_give_up():
                self._file.rewrite_start(_MAGIC + self._digest.hexdigest().encode() + b"\n")
                self._file.commit()
                self._cache.make_room(_PREAMBLE + self._size)
                self._cache.failing = False
                self._file = None

    def _drop(self) -> None:
        if self._file is not None:
            self._file.discard()
            self._file = None

    @contextlib.contextmanager
    def _or_give_up(self) -> Generator[None]:
        try:
            yield
        except (OSError, SaveError) as error:
            # Told once, and not of every piece of a book.
            level = logging.DEBUG if self._cache.failing else logging.WARNING
            logger.log(level, "speech is not kept in the cache %s: %s", self._cache.folder, error)
            self._cache.failing = True
            self._drop()


async def start_cached(
    start: Callable[[], Awaitable[tuple[Reply, Receiver]]],
    call: Call,
    receive: Callable[[Mapping[str, str]], Receiver],
    base_url: str,
    client_headers: Mapping[str, str],
    waiting: Waiting,
) -> tuple[Any, Receiver]:
    """Start `call` from its cache, or else from the network and into the cache."""
    assert call.cache_dir is not None
    cache = as_cache(call.cache_dir)
    key = cache.key_of(call, base_url, client_headers)
    # To the end, in a call that is cancelled as well: nobody else would close the file.
    with waiting.shielded():
        found = await waiting.call(cache.find, key)
    if found:
        entry = Entry(*found, waiting)
        return entry, receive(entry.headers)
    reply, receiver = await start()
    # Not in a thread: cancelled meanwhile, nobody would close the reply.
    return _Recorded(reply, receiver, cache, cache.path_of(key), waiting), receiver


def _headers(file: BufferedReader) -> dict[str, str]:
    """The headers of an entry that is proven whole; its body is what is left to be read."""
    preamble = file.read(_PREAMBLE)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    if preamble != _MAGIC + digest.encode() + b"\n":
        raise ValueError("it is not whole")
    file.seek(_PREAMBLE)
    headers: dict[str, str] = json.loads(file.readline(_MAX_HEAD))
    return headers
