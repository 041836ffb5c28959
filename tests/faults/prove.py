"""Prove that the suite can fail: put each defect into a copy of the wrapper, and run its test."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import modelgates_speech
from tests.faults.defects import DEFECTS, Defect

HERE = Path(__file__).parent
SOURCE = Path(modelgates_speech.__file__).parent
PARALLEL = 2
# Under CI pytest compares long values in full, which takes minutes and proves nothing more; and
# without bytecode each defect would have all modules compiled anew.
NOT_PASSED_ON = {"CI", "PYTHONDONTWRITEBYTECODE"}


def run(source: Path, *tests: str, **variables: str) -> tuple[int, str]:
    """Run `tests` against the package in `source`: the exit code, and what went wrong."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    # Each is a process of its own, which would wait longer for plugins than for its test.
    command += ["--disable-plugin-autoload", "--show-capture=no"]
    process = subprocess.run(
        [*command, *(f"{HERE / test}" for test in tests)],
        env={name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        | {"PYTHONPATH": os.pathsep.join([f"{source}", *sys.path])}
        | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = [line for line in process.stdout.splitlines() if re.match(r"E  |\s*\| E  ", line)]
    return process.returncode, "\n".join(said) or process.stdout[-2000:] + process.stderr[-2000:]


def verdict(defect: Defect) -> str:
    """Nothing if the defect is caught for the reason given, else what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "modelgates_speech")
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("stub"))
        # The stub is not changed, and its data not worth copying.
        (copy / "stub").symlink_to(SOURCE / "stub")
        module = copy / defect.module
        text = module.read_text("utf-8")
        if text.count(defect.old) != 1:
            return f"does not apply: its text occurs {text.count(defect.old)} times"
        module.write_text(text.replace(defect.old, defect.new), "utf-8")
        # Many are caught by what does not happen, which is not waited for as long.
        code, said = run(Path(folder), defect.test, FAULTS_HOLD="10")
    if code == 0:
        return "SURVIVED"
    if code != 1 or not re.search(defect.reason, said):
        return f"caught for another reason than {defect.reason!r}:\n{said[:1500]}"
    return ""


def main() -> int:
    """Try all defects; 0 if each is caught."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        sound = pool.submit(run, SOURCE.parent, *{defect.test for defect in DEFECTS})
        verdicts = list(pool.map(verdict, DEFECTS))
    code, said = sound.result()
    if code:
        print(f"without any defect:\n{said}")
        return 1
    for defect, wrong in zip(DEFECTS, verdicts, strict=True):
        print(f"{defect.name:62} {wrong or 'caught'}")
    caught = verdicts.count("")
    print(f"{caught} of {len(DEFECTS)} seeded defects caught, each for its reason")
    return caught != len(DEFECTS)


if __name__ == "__main__":
    sys.exit(main())
