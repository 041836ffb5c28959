"""Put every document of this folder through `update_spec`, and print what became of each.

Run by `nox -s evolution`; `nox -s evolution -- slug-added texts` runs these alone, and `-- --each`
also those that are tried as a part of another. Each document is taken by the command that the
README names, in a copy of the tree of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.document.reading import parse, read
from scripts.generate import DOCUMENT, ROOT
from tests.evolution.derive import evolutions

IGNORED = shutil.ignore_patterns(".*", "*-pytest-*.pyc", "build", "dist", "reports")
# The same for all, and worked out once.
KEPT = {"HYPOTHESIS_STORAGE_DIRECTORY": f"{ROOT / '.hypothesis'}"}


def judge(evolution, document, folder):
    """Update a copy of the tree to the changed document; give a row of the table."""
    tree = Path(folder, evolution.name)
    shutil.copytree(ROOT, tree, ignore=IGNORED)
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", tree / ".mypy_cache")
    changed = Path(folder, f"{evolution.name}.json")
    changed.write_text(json.dumps(evolution.apply(document), indent=1), encoding="utf-8")
    command = [sys.executable, "-m", "scripts.update_spec", "--json"]
    done = subprocess.run(
        [*command, "--accept-breaking", changed],
        cwd=tree,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | KEPT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        return row(evolution, {"error": done.stdout + done.stderr})
    if (
        report["outcome"] == "applied"
        and (tree / "openapi.yaml").read_bytes() != changed.read_bytes()
    ):
        report["error"] = "applied, they say, but openapi.yaml is the old one"
    left_out = [part for part in report["left_out"] if not names_one_of(evolution.left_out, part)]
    if left_out or len(report["left_out"]) != len(evolution.left_out):
        report["error"] = f"left out: {report['left_out']}, expected: {evolution.left_out}"
    shutil.rmtree(tree)
    return row(evolution, report)


def names_one_of(operations, part):
    return any(part.startswith((f"{operation}:", f"{operation} ")) for operation in operations)


def row(evolution, report):
    checks = report.get("checks", {})
    words = {True: "yes", False: "NO", None: "-"}
    others = [works for name, works in checks.items() if name not in {"generates", "types"}]
    tested = all(others) if others else None
    cells = [
        evolution.name,
        evolution.rating,
        report.get("rating", "-"),
        *(words[value] for value in (checks.get("generates"), checks.get("types"), tested)),
    ]
    good = cells[1] == cells[2] and cells[3:] == ["yes"] * 3 and not report.get("error")
    return cells, good, report.get("error", "")


def main(names):
    began = time.monotonic()
    known = evolutions()
    parts = set() if names else {name for evolution in known for name in evolution.of}
    everything = not names or names == ["--each"]
    chosen = [e for e in known if (everything or e.name in names) and e.name not in parts]
    document = parse(read(DOCUMENT))
    heading = ["document", "expected rating", "rating", "generated", "typed", "tests"]
    widths = [max(len(e.name) for e in chosen), 18, 18, 9, 5, 5]

    def show(cells):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        )

    # The first is checked alone, so that the others find mypy's cache filled.
    subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "src", "generated"], cwd=ROOT, check=True
    )
    show(heading)
    failed = []
    with (
        TemporaryDirectory(prefix="modelgates-evolution-") as folder,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        rows = pool.map(lambda evolution: judge(evolution, document, folder), chosen)
        for cells, good, error in rows:
            show(cells)
            if not good:
                failed.append(cells[0])
                print(f"not as expected {error}"[-4000:].replace("\n", "\n    "))
    seconds = time.monotonic() - began
    print(f"{len(chosen) - len(failed)} of {len(chosen)} as expected, {seconds:.0f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
