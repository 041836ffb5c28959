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
    from collections.abc import Sequence


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
        expected = _read(fresh_output, output)
        actual = _read(output, output)
        for name in (binding.name, METHODS):
            expected[binding.with_name(name)] = fresh_binding.with_name(name).read_bytes()
            if binding.with_name(name).exists():
                actual[binding.with_name(name)] = binding.with_name(name).read_bytes()
    findings: list[str] = []
    for file in sorted(expected.keys() | actual.keys()):
        if file not in expected:
            findings.append(f"stray: {file}")
        elif file not in actual:
            findings.append(f"missing: {file}")
        elif expected[file] != actual[file]:
            findings.append(f"edited: {file}")
    return findings


def _read(folder: Path, shown_as: Path) -> dict[Path, bytes]:
    """Read each file under `folder`, named as if it were under `shown_as`."""
    return {
        shown_as / file.relative_to(folder): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


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
