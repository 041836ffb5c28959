"""What the system that runs the tests has."""

import contextlib
import ipaddress
import os
import socket
from pathlib import Path

import pytest

# As the client finds out: on Linux, where /proc is mounted.
HAS_UNNAMED_FILES = hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir()

needs_unnamed_files = pytest.mark.skipif(
    not HAS_UNNAMED_FILES, reason="this system has no unnamed files"
)


def _has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def _link_local():
    """An address that only its zone makes one of this machine, such as `fe80::1%eth0`."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text("ascii").splitlines():
            digits, *_, scope, _, name = line.split()
            if scope == "20":
                return f"{ipaddress.IPv6Address(bytes.fromhex(digits))}%{name}"
    return None


LINK_LOCAL = _link_local()
needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no forks")
