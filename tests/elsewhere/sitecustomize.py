"""Take away from Python what other systems lack, before anything of ours is imported.

Python imports this module when it starts with this folder in PYTHONPATH, and so do the programs
that tests start. `TAKEN_AWAY` says what: names of `LACKS`, with commas between them.
"""

import builtins
import errno
import os
import signal
import sys

OURS = "modelgates_speech"
WORDS = os.environ.get("TAKEN_AWAY", "").split(",")


def without(module, *names):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


def without_proc():
    """As on macOS: nothing of ours finds a file below /proc."""

    def hiding(function):
        def hidden(path, *arguments, **options):
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith("/proc/"):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
            return function(path, *arguments, **options)

        return hidden

    import io

    os.stat, os.open = hiding(os.stat), hiding(os.open)
    io.open = builtins.open = hiding(open)


def without_fcntl():
    """As on Windows: `msvcrt` locks instead, as far as anything of ours asks it to.

    Refused to our package alone: Python's own cannot do without `fcntl` here.
    """
    import fcntl
    import types

    def locking(descriptor, mode, _count):
        try:
            fcntl.flock(descriptor, mode)
        except BlockingIOError as error:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from error

    msvcrt = types.ModuleType("msvcrt")
    msvcrt.LK_NBLCK, msvcrt.LK_UNLCK = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
    msvcrt.locking = locking
    importing = builtins.__import__

    def refusing(name, namespace=None, *arguments, **options):
        if name == "fcntl" and (namespace or {}).get("__name__", "").startswith(OURS):
            # Not before: the standard library would take itself to be on Windows.
            sys.modules["msvcrt"] = msvcrt
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return importing(name, namespace, *arguments, **options)

    builtins.__import__ = refusing


LACKS = {
    "unnamed-files": lambda: without(os, "O_TMPFILE"),
    "proc": without_proc,
    "fcntl": without_fcntl,
    "signals": lambda: without(signal, "SIGHUP", "SIGPIPE", "SIGQUIT"),
    "forks": lambda: without(os, "fork", "register_at_fork"),
    "posix": lambda: without(os, "O_TMPFILE", "O_NONBLOCK", "O_DIRECTORY", "mkfifo", "geteuid"),
}

if WORDS != [""]:
    for word in LACKS if WORDS == ["all"] else WORDS:
        LACKS[word]()
