"""An environment for each peer, with what it requires and no more; kept between runs."""

import json
import os
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Environment:
    """One peer's environment.

    Args:
        folder: Where all of them are.
        name: The peer's.
    """

    def __init__(self, folder, name):
        self.name = name
        self.peer = import_module(f"benchmarks.peers.{name}")
        self.path = folder / name
        self.python = self.path / "bin" / "python"

    def prepare(self):
        """Install what the peer requires, unless it is there; this project always anew."""
        wanted = "\n".join(self.peer.REQUIRES)
        mark = self.path / "requirements.txt"
        own = any(requirement.startswith((".", "/")) for requirement in self.peer.REQUIRES)
        if mark.is_file() and mark.read_text() == wanted and not own:
            return
        if not self.python.exists() or not own:
            shutil.rmtree(self.path, ignore_errors=True)
            self._uv("venv", "--quiet", str(self.path))
        if wanted:
            again = ("--reinstall-package", self.peer.PACKAGE) if own else ()
            self._pip("install", *again, *self.peer.REQUIRES)
            command = [str(self.python), "-m", "compileall", "-q", str(self.packages())]
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        mark.write_text(wanted)

    def packages(self):
        """The folder of the installed packages."""
        [found] = (self.path / "lib").glob("python*/site-packages")
        return found

    def versions(self):
        """The versions of all that is installed, by name."""
        listed = self._pip("list", "--format", "json")
        return {entry["name"]: entry["version"] for entry in json.loads(listed)}

    def size(self):
        """Bytes of the installed packages, compiled files left out."""
        return sum(
            path.stat().st_size
            for path in self.packages().rglob("*")
            if path.is_file() and path.suffix != ".pyc" and not path.name.startswith("_virtualenv")
        )

    def run(self, job, url, *, cpu, quick):
        """Do a job on the processor `cpu` and give its figures."""
        size = job.size // 16 if quick and job.size > 1 << 20 else job.size
        source = str(ROOT / "generated") if self.name == "generated" else ""
        result = subprocess.run(
            [
                *(str(self.python), "-m", "benchmarks.worker"),
                *(self.name, job.does, url, str(size), str(job.count)),
            ],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{source}"},
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )
        if result.returncode:
            raise RuntimeError(f"{self.name} failed at {job.name}:\n{result.stderr}")
        return json.loads(result.stdout.splitlines()[-1])

    def _pip(self, verb, *arguments):
        # Named outright: nox tells uv of an environment of its own.
        return self._uv("pip", verb, "--quiet", "--python", str(self.python), *arguments)

    def _uv(self, *arguments):
        return subprocess.run(
            ["uv", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
