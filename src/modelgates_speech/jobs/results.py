"""`results.jsonl`: a line for every row of a batch, written as rows finish, read to resume.

A line is handed to the system in one write once its audio file is in place: a killed process
loses none. To outlive a power cut it is also synced, once a second at most; what that loses is
bought again, for its line is missing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from importlib import import_module
from stat import S_ISDIR, S_ISREG
from typing import IO, TYPE_CHECKING, Any

from modelgates_speech.config import RESULTS
from modelgates_speech.errors import ConfigurationError, SaveError
from modelgates_speech.files import AtomicFile
from modelgates_speech.forks import survive_forks
from modelgates_speech.jobs.manifest import BadRow

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from modelgates_speech.jobs.manifest import Row

logger = logging.getLogger("modelgates_speech")

KEPT = "kept"  # the folder, beside the results, for audio of rows that failed
SYNC_SECONDS = 1.0
_OURS = b'{"id": '  # how each of its lines begins


class Known:
    """What earlier runs of a batch have left in its folder, which is only looked at.

    It is in a temporary database of SQLite, so that a million rows take no memory: kept are the
    results whose file agrees in size and SHA-256.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RESULTS
        self._folder = folder
        self._lock = threading.Lock()
        self.skipped = 0
        self._stale = False
        self._known = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._known.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE known (name TEXT PRIMARY KEY, key TEXT, at INTEGER,"
            " seen INTEGER DEFAULT 0) WITHOUT ROWID; BEGIN;"
        )

    def learn(self) -> int:
        """Learn which lines stand, and count all that there are."""
        self._known.execute("DELETE FROM known")
        lines = 0
        for at, result in _lines(self.path):
            lines += 1
            name, key = result.get("name"), result.get("request")
            # A name as batches write it: percent-encoded.
            if not (isinstance(name, str) and name.isascii()):
                continue
            name = name.casefold()
            # Of several lines for a row the last one counts, be it a failure.
            self._known.execute("DELETE FROM known WHERE name = ?", (name,))
            known = result.get("status") == "ok" and isinstance(key, str) and key.isascii()
            if known and _agrees(self._folder, result):
                facts = (name, key, at)
                self._known.execute("INSERT INTO known (name, key, at) VALUES (?, ?, ?)", facts)
        return lines

    def due(self, rows: Iterable[Row | BadRow]) -> Generator[Row | BadRow]:
        """Those of `rows` whose result does not stand; `skipped` counts the others.

        A second one with an id (these are compared without regard to case) is a bad one.
        """
        for row in rows:
            key, seen = ("", 0) if isinstance(row, BadRow) else self._see(row.name)
            if isinstance(row, BadRow):
                yield row
            elif seen > 1:
                reason = f"duplicate id {row.id!r} (ids are compared case-insensitively)"
                yield BadRow(row.number, row.id, reason)
            elif key == row.key:
                self.skipped += 1
            else:
                # Of one that asks for something else than it did the old line goes at the end.
                self._stale = self._stale or key is not None
                yield row

    def _see(self, name: str) -> tuple[str | None, int]:
        """What a row asked for in an earlier run, and how often it came in this one."""
        name = name.casefold()
        with self._lock, _writing(self.path):
            self._known.execute(
                "INSERT INTO known (name, seen) VALUES (?, 1)"
                " ON CONFLICT (name) DO UPDATE SET seen = seen + 1",
                (name,),
            )
            found = self._known.execute("SELECT key, seen FROM known WHERE name = ?", (name,))
            [(key, seen)] = found
            return key, seen

    def close(self) -> None:
        """Forget it."""
        with self._lock:  # a thread that is left behind may be about to ask
            self._known.close()


class Results(Known):
    """The results of a batch in its folder, held by one process at a time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._synced = time.monotonic()
        with contextlib.ExitStack() as undo, _writing(self.path):
            undo.callback(self._known.close)
            folder.mkdir(parents=True, exist_ok=True)
            self._holder = undo.enter_context(_held(folder / ".lock"))
            # Written to once, when it is made.
            self._since = os.fstat(self._holder.fileno()).st_mtime_ns
            self._tidy()
            self._file = self.path.open("ab", buffering=0)
            undo.pop_all()
        survive_forks(self)

    def after_fork(self) -> None:
        """Let go of the folder, in a child: it is held by the parent, and for no longer."""
        self._lock = threading.Lock()
        self._holder.close()

    def check_free(self, name: str, path: Path) -> None:
        """Refuse a file that was there before the first batch in this folder, as it is not ours.

        So is a pipe or a device: what was written into one cannot be read back.
        """
        with self._lock, _writing(self.path):
            folded = (name.casefold(),)
            [(key,)] = self._known.execute("SELECT key FROM known WHERE name = ?", folded)
        with contextlib.suppress(OSError):
            found = path.stat()
            old = key is None and found.st_mtime_ns < self._since
            if not S_ISDIR(found.st_mode) and (old or not S_ISREG(found.st_mode)):
                reason = f"{path.name} is there already, from before this batch: move it elsewhere"
                raise SaveError(reason, path=path, errno=errno.EPERM)

    def add(self, result: Mapping[str, Any]) -> None:
        """Append a line."""
        line = json.dumps(result, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        with self._lock, _writing(self.path):
            written = self._file.write(line)
            if written != len(line):
                # The rest of a torn line would spoil the next one: the next run drops it.
                self._file.write(b"\n")
                raise OSError(errno.ENOSPC, "the disk is full")
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and let go of the folder."""
        os.fsync(self._file.fileno())
        self._file.close()
        if self._stale:
            self._tidy()
        super().close()
        with contextlib.suppress(OSError):
            # By its name: a child that was forked has a copy of the file, which holds the lock too.
            _lock(self._holder, take=False)
        self._holder.close()

    def _tidy(self) -> None:
        """Learn what is there; leave of it one line for every row whose file agrees."""
        lines = self.learn()
        [(kept,)] = self._known.execute("SELECT count(*) FROM known")
        if kept == lines:
            return
        with AtomicFile(self.path) as file, self.path.open("rb") as old:
            for (at,) in self._known.execute("SELECT at FROM known ORDER BY at"):
                old.seek(at)
                file.write(old.readline().rstrip(b"\n") + b"\n")
            file.commit()


@contextlib.contextmanager
def _writing(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise SaveError(
            f"could not write {error.filename or path}: {error.strerror}",
            path=path,
            errno=error.errno,
        ) from error
    except sqlite3.Error as error:
        what = f"no temporary file could be written ({error}): set TMPDIR to a folder with room"
        raise SaveError(what, path=path) from error


def describe(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file, as a result has them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def read_back(path: Path) -> dict[str, Any]:
    """Describe a file that the batch has written."""
    try:
        return describe(path)
    except OSError as error:
        what = f"{path.name} was written but cannot be read back: {error.strerror}"
        # It says nothing of other files.
        raise SaveError(what, path=path, errno=errno.EBUSY) from error


def _agrees(folder: Path, result: Mapping[str, Any]) -> bool:
    path = folder / str(result.get("path"))
    try:
        # The size first, which costs nothing.
        same_size = path.stat().st_size == result.get("bytes")
        return same_size and describe(path).items() <= result.items()
    except (OSError, ValueError):
        # A file that is not there, or cannot be read or be, agrees with nothing.
        return False


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines with their offsets; one that a killed process left torn counts as empty.

    So does what is missing of the last one: its line break.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        at = 0
        for number, line in enumerate(file, start=1):
            try:
                found: Any = json.loads(line)
            except (ValueError, RecursionError):
                found = {}
                # A power cut may leave zeros.
                foreign = not _OURS.startswith(line.strip(b"\0 \r\n")[: len(_OURS)])
            else:
                foreign = not isinstance(found, dict) or not {"name", "status"} <= found.keys()
            if foreign:  # it would not outlive the batch
                raise ConfigurationError(
                    f"{path}, line {number}: not the result of a batch: move the file elsewhere, "
                    "or choose another folder"
                )
            yield at, found
            at += len(line)
            if not line.endswith(b"\n"):  # the next one would continue it
                yield at, {}


def _lock(file: IO[bytes], *, take: bool) -> None:
    """Lock a file for this process alone or let go of it, without waiting."""
    try:
        import fcntl
    except ModuleNotFoundError:
        msvcrt = import_module("msvcrt")
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK if take else msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if take else fcntl.LOCK_UN)


def _held(path: Path) -> IO[bytes]:
    """The lock file of the folder, locked until it is closed or the process ends."""
    file = path.open("ab")
    try:
        _lock(file, take=True)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            # Some network mounts know no locks: that is no reason not to write.
            logger.warning(
                "%s cannot be locked (%s): make sure that no other batch writes to its folder",
                path,
                error.strerror,
            )
            return file
        file.close()
        raise ConfigurationError(
            f"another batch is writing to {path.parent}: wait until it is done"
        ) from error
    return file
