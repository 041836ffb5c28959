"""Template overrides: unified diffs against the pinned generator's own templates.

Each `scripts/templates/<template>.patch` is a message: headers that say what it is written
against and why, then the diff. A diff cannot differ from upstream in more than it shows, and
one whose headers or context do not fit the installed generator is refused, never fuzzed in.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

if TYPE_CHECKING:
    from unidiff.patch import PatchedFile

GENERATOR = "openapi-python-client"
FOLDER = Path(__file__).parent.parent / "templates"
UPSTREAM = Path(str(files("openapi_python_client"))) / "templates"


class OverrideError(Exception):
    """A template override does not fit the installed generator, or is not what it says."""


@dataclass(frozen=True)
class Override:
    """One template override.

    Attributes:
        name: The template's path within the generator's templates.
        headers: `Upstream`, `Sha256`, `Why`, `Until` and `Changes`, each on one line.
        diff: The difference from the upstream template.
    """

    name: str
    headers: dict[str, str]
    diff: PatchedFile

    @classmethod
    def read(cls, patch: Path) -> Override:
        """Read an override.

        Raises:
            OverrideError: The file is not headers and one unified diff.
        """
        message = HeaderParser().parsestr(patch.read_text(encoding="utf-8"))
        headers = {key: " ".join(str(value).split()) for key, value in message.items()}
        try:
            diffs = PatchSet(str(message.get_payload()))
        except UnidiffParseError as error:
            raise OverrideError(f"{patch.name}: not a unified diff: {error}") from error
        if len(diffs) != 1:
            raise OverrideError(f"{patch.name}: {len(diffs)} diffs where one is expected")
        return cls(patch.name.removesuffix(".patch"), headers, diffs[0])

    def apply(self, upstream: bytes) -> str:
        """Give the overridden template.

        Args:
            upstream: The template as the generator ships it.

        Raises:
            OverrideError: A header or a line of the diff is not true of `upstream`.
        """
        actual = {
            "Upstream": f"{GENERATOR} {version(GENERATOR)}",
            "Sha256": hashlib.sha256(upstream).hexdigest(),
            "Changes": f"-{self.diff.removed} +{self.diff.added} lines",
        }
        for header, value in actual.items():
            if self.headers.get(header) != value:
                raise OverrideError(
                    f"{self.name}.patch says {header}: {self.headers.get(header)}, but it is "
                    f"{value}; review the override against the installed template"
                )
        for header in ("Why", "Until"):
            if not self.headers.get(header):
                raise OverrideError(f"{self.name}.patch does not say {header}")
        lines = upstream.decode("utf-8").splitlines(keepends=True)
        # From the last to the first, so that the line numbers of those still to come hold.
        for hunk in reversed(self.diff):
            place = slice(hunk.source_start - 1, hunk.source_start - 1 + hunk.source_length)
            if lines[place] != [line.value for line in hunk.source_lines()]:
                raise OverrideError(
                    f"{self.name}.patch does not fit the template at line {hunk.source_start}"
                )
            lines[place] = [line.value for line in hunk.target_lines()]
        return "".join(lines)


def write_overridden_templates(folder: Path) -> None:
    """Write each overridden template, whole, into `folder`.

    Raises:
        OverrideError: An override does not fit the installed generator.
    """
    for patch in sorted(FOLDER.glob("*.patch")):
        override = Override.read(patch)
        upstream = UPSTREAM / override.name
        if not upstream.is_file():
            raise OverrideError(f"{patch.name}: the generator has no template {override.name}")
        (folder / override.name).write_text(override.apply(upstream.read_bytes()), encoding="utf-8")
