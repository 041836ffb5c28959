"""What the system that runs the tests has."""

import os
from pathlib import Path

import pytest

# As the client finds out: on Linux, where /proc is mounted.
HAS_UNNAMED_FILES = hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir()

needs_unnamed_files = pytest.mark.skipif(
    not HAS_UNNAMED_FILES, reason="this system has no unnamed files"
)
needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no forks")
