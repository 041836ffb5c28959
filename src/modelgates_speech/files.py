"""Files that appear under their name whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import time
from itertools import count
from pathlib import Path
from typing import Self

from modelgates_speech.config import checked_path
from modelgates_speech.errors import SaveError
from modelgates_speech.waiting import in_thread

_MODE = 0o666

# How long a pipe may be without a reader before anything is sent, and how often that is looked at.
PIPE_SECONDS = 5.0
_PIPE_PAUSE = 0.01


class AtomicFile:
    """A file written out of sight and given its name by `commit`, whole.

    Until then the target is as it was; a symbolic link is written through. Where the system knows
    unnamed files (Linux), not even a killed process leaves anything behind; elsewhere a temporary
    file stands beside the target and is removed on any failure that Python sees.

    A device or a pipe has nothing to be kept whole: it is opened by `with`, and written into.

    Attributes:
        in_place: Whether this is a device or a pipe.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = checked_path(path, "path")
        self._temporary: Path | None = None
        self.in_place = False
        try:
            self._target = Path(os.path.realpath(self.path))
            own = f"{os.getpid()}.{os.urandom(4).hex()}"
            self._beside = self._target.with_name(f".{shortened(self._target.name, 64)}.{own}.part")
            with contextlib.suppress(FileNotFoundError):
                self.in_place = self._takes_bytes(self.path.stat())
            opened = os.open(os.devnull, os.O_RDWR) if self.in_place else self._open()
            self._file = os.fdopen(opened, "w+b", 0)  # of `os`, which tests may have made their own
            if self.in_place:
                # Until it is entered there is nothing to be written.
                self._file.close()
        except (OSError, ValueError) as error:
            raise self._failure(error) from error

    def __enter__(self) -> Self:
        if self.in_place:
            self._open_in_place()
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()

    async def __aenter__(self) -> Self:
        if self.in_place:
            try:
                await in_thread(self._open_in_place)
            except BaseException:
                self.discard()  # which a cancelled call may have opened
                raise
        return self

    async def __aexit__(self, *error: object) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        """Append `data`."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise self._failure(error) from error

    def rewrite_start(self, data: bytes) -> None:
        """Replace the first bytes with `data`, for a header that holds the length."""
        try:
            self._file.seek(0)
        except OSError as error:
            raise self._failure(error) from error
        self.write(data)

    def read(self, start: int, size: int) -> bytes:
        """Up to `size` bytes of what was written, from offset `start`."""
        self._file.seek(start)
        return self._file.read(size) or b""

    def commit(self) -> Path:
        """Make the file appear under its name, durably, in place of what was there."""
        try:
            if self.in_place:
                self._file.close()
                return self.path
            os.fsync(self._file.fileno())
            if self._temporary is None:
                self._temporary = self._give_name() or self._copy()
            if os.name == "nt":  # pragma: no cover - an open file cannot be renamed there
                self._file.close()
            if self._temporary != self._target:
                with contextlib.suppress(FileNotFoundError):
                    self._temporary.chmod(stat.S_IMODE(self._target.stat().st_mode))
                self._temporary.replace(self._target)
        except OSError as error:
            raise self._failure(error) from error
        self._temporary = None
        self._file.close()
        return self.path

    def discard(self) -> None:
        """Drop what was written, unless it was committed. May be called again."""
        self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None

    def _takes_bytes(self, found: os.stat_result) -> bool:
        """Whether the target is to be written into; what could never be replaced is refused."""
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if stat.S_ISSOCK(found.st_mode):
            raise OSError(errno.ENXIO, "it is a socket")
        # What is open under no name, such as /dev/stdout may be, has none to be replaced under.
        if not (stat.S_ISREG(found.st_mode) and self._target.exists()):
            return True
        if _is_mount(self._target):
            raise OSError(
                errno.EBUSY, "it is mounted as a file and cannot be replaced: mount its folder"
            )
        # A rename would replace it all the same, and what its owner has protected is to stay.
        if not os.access(self._target, os.W_OK):
            raise PermissionError(errno.EPERM, "it is write-protected")
        folder = self._target.parent.stat()
        if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, found.st_uid, folder.st_uid):
            raise PermissionError(errno.EPERM, "it belongs to another user, in a folder like /tmp")
        return False

    def _open_in_place(self) -> None:
        """Open what is written into, once a pipe has a reader."""
        until = time.monotonic() + PIPE_SECONDS
        nonblocking = getattr(os, "O_NONBLOCK", 0)
        flags = os.O_WRONLY | os.O_TRUNC | nonblocking | getattr(os, "O_BINARY", 0)
        while self._file.closed:
            try:
                descriptor = os.open(self.path, flags)
                if nonblocking:
                    os.set_blocking(descriptor, True)
                self._file = os.fdopen(descriptor, "wb", 0)
            except OSError as error:
                if error.errno != errno.ENXIO or not self.path.is_fifo():
                    raise self._failure(error) from error
                if time.monotonic() >= until:
                    raise self._failure(OSError(errno.ENXIO, "nobody reads this pipe")) from error
                time.sleep(_PIPE_PAUSE)

    def _open(self) -> int:
        folder = self._target.parent
        if hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir():
            # Not every file system has unnamed files; those without refuse in various ways.
            with contextlib.suppress(OSError):
                return os.open(folder, os.O_TMPFILE | os.O_RDWR, _MODE)
        return self._create_beside()

    def _create_beside(self) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._beside, flags, _MODE)
        self._temporary = self._beside
        return descriptor

    def _give_name(self) -> Path | None:
        """Link the unnamed file: to the target where that is free, else beside it.

        None where the system knows such files, but does not let them be named.
        """
        source = f"/proc/self/fd/{self._file.fileno()}"
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            for candidate in (self._target, self._beside):
                with contextlib.suppress(FileExistsError):
                    # A folder's descriptor makes this linkat(2), which follows the link in /proc.
                    os.link(source, candidate.name, dst_dir_fd=folder)
                    return candidate
        except OSError:
            pass
        finally:
            os.close(folder)
        return None

    def _copy(self) -> Path:
        """Copy the unnamed file into one that has a name beside the target."""
        unnamed = self._file
        with unnamed:
            self._file = os.fdopen(self._create_beside(), "w+b", 0)
            unnamed.seek(0)
            shutil.copyfileobj(unnamed, self._file)
        os.fsync(self._file.fileno())
        return self._beside

    def _failure(self, error: OSError | ValueError) -> SaveError:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        kept = "" if self.in_place else "; the target is as it was before"
        # A name need not be text, and a message must be.
        named = f"{self.path}".encode("utf-8", "replace").decode("utf-8")
        return SaveError(
            f"could not write {named}: {reason}{kept}",
            path=self.path,
            errno=error.errno if isinstance(error, OSError) else None,
        )


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A name in `folder` that no file has yet: with `stem`, or it and a number."""
    stem = shortened(stem, 200)
    names = (folder / f"{stem}{'' if n == 1 else f'-{n}'}{suffix}" for n in count(1))
    return next(name for name in names if not name.exists())


def shortened(name: str, most: int) -> str:
    """The start of a name, so long at most: in bytes, as file systems count, between characters."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= most else encoded[:most].decode("utf-8", "ignore")


def _is_mount(file: Path) -> bool:
    """Whether a file is a mount by itself, as in containers, so far as the system says."""
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return False
    name = re.sub(rb"[\s\\]", lambda found: b"\\%03o" % found[0][0], os.fsencode(file))
    return any(mount.split()[4] == name for mount in mounts)
