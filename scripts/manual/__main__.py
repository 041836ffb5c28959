"""Build the documentation site into `build/site`: `python -m scripts.manual`, as `nox -s docs`.

A warning of the builder, a link that leads nowhere, a page that no menu has, or anything that a
page would load from another host ends it with exit code 1.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from scripts.manual.assemble import ROOT, SITE, SOURCE, assemble, menu
from scripts.manual.check import problems
from scripts.manual.markdown import write_markdown


def main() -> int:
    """Assemble, build, write the Markdown of each page, and check what came out."""
    shutil.rmtree(SITE, ignore_errors=True)
    pages = assemble()
    # The pages were written anew, so nothing that the builder kept of them is of use.
    shutil.rmtree(ROOT / ".cache", ignore_errors=True)
    build = [sys.executable, "-m", "zensical", "build", "--strict"]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    # What it has to say of docstrings does not make it fail.
    if built.returncode or built.stderr.strip() != "No issues found":
        print(built.stdout + built.stderr, file=sys.stderr)
        return 1
    write_markdown(SOURCE, SITE)
    listed = {page for _, entries in menu() for _, page in entries}
    # Decisions are listed on a page of their own.
    hidden = [page for page in sorted(pages - listed) if not page.startswith("decisions/0")]
    found = [f"{page}: is in no menu of zensical.toml" for page in hidden]
    found += problems(SITE)
    for problem in found:
        print(f"docs: {problem}", file=sys.stderr)
    if not found:
        print(f"docs: {len(pages)} pages in {SITE.relative_to(ROOT)}; open index.html there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
