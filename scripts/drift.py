"""Fail if what is generated differs from what generating would write.

Run by `nox -s drift`. It names each file that was edited by hand, that is missing, and that
generating would not write.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from scripts.generate import METHODS, GenerationError, argument_parser, generate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def drift(document: Path, output: Path, binding: Path) -> list[str]:
    """Compare the generated files with freshly generated ones, both ways.

    Args:
        document: The OpenAPI document.
        output: The folder that holds `modelgates_api`.
        binding: The module written for the wrapper.

    Returns:
        One line for each file that differs, `edited`, `stray` or `missing` first.

    Raises:
        GenerationError: The document cannot be generated from.
    """
    with TemporaryDirectory(prefix="modelgates-drift-") as folder:
        fresh_output, fresh_binding = Path(folder, "generated"), Path(folder, binding.name)
        generate(document, fresh_output, fresh_binding)
        fresh = {output / file.relative_to(fresh_output): file for file in _files(fresh_output)}
        for name in (binding.name, METHODS):
            fresh[binding.with_name(name)] = fresh_binding.with_name(name)
        findings = dict.fromkeys({*_files(output)} - fresh.keys(), "stray")
        for file, expected in fresh.items():
            if not file.exists():
                findings[file] = "missing"
            elif file.read_bytes() != expected.read_bytes():
                findings[file] = "edited"
    return [f"{finding}: {file}" for file, finding in sorted(findings.items())]


def _files(folder: Path) -> Iterator[Path]:
    found = (file for file in folder.rglob("*") if "__pycache__" not in file.parts)
    return (file for file in found if file.is_file())


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare from the command line; the exit code is 1 when something differs."""
    options = argument_parser("drift", __doc__).parse_args(arguments)
    try:
        findings = drift(options.document, options.output, options.binding)
    except GenerationError as error:
        print(f"drift: {error}", file=sys.stderr)
        return 1
    for finding in findings:
        print(finding, file=sys.stderr)
    if findings:
        print(f"drift: {len(findings)} differ; run `nox -s generate` to rewrite", file=sys.stderr)
        return 1
    print("drift: none")
    return 0


if __name__ == "__main__":
    sys.exit(main())
