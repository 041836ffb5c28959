"""What the system that runs the tests has."""

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


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no forks")
