"""Every page of the site as Markdown, and `llms.txt` to find them by: for programs that read."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import griffe

from scripts.manual.assemble import ROOT, configuration, menu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUMMARY = """\
# modelgates-speech

> The Python client for the ModelGates text-to-speech API: `pip install "modelgates-speech[all]"`,
> `from modelgates_speech import ModelGates`. It is generated from the API's OpenAPI document, never
> pays twice unasked, and comes with a stub server that speaks offline.

Each page of this site is also Markdown: its address with `.md` for `.html`.
"""

_DIRECTIVE = re.compile(r"^::: ([\w.]+)\n(?:    .*\n)*", re.MULTILINE)


def write_markdown(source: Path, site: Path) -> None:
    """Write the pages and the list of them into a built site."""
    for file in source.rglob("*.md"):
        target = site / file.relative_to(source)
        text = _DIRECTIVE.sub(lambda name: described(name[1]), file.read_text("utf-8"))
        target.write_text(text, "utf-8")
    (site / "llms.txt").write_text(overview(source), "utf-8")


def overview(source: Path) -> str:
    """Give the text of `llms.txt`: a line for each page, with the first sentence of it."""
    lines = [SUMMARY]
    for name, entries in menu():
        lines += [f"## {name or 'Start'}", ""]
        for title, page in entries:
            summary = first_sentence((source / page).read_text("utf-8"))
            lines.append(f"- [{title}]({page})" + (f": {summary}" if summary else ""))
        lines.append("")
    return "\n".join(lines)


def first_sentence(text: str) -> str:
    """Give the first sentence of the first paragraph of a page, or nothing."""
    for block in text.split("\n\n"):
        words = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", " ".join(block.split()))
        if re.match(r"[A-Z*`]", words) and not words.startswith("```"):
            return re.split(r"(?<=\.)\s", words, maxsplit=1)[0]
    return ""


def described(name: str) -> str:
    """Give what the code says of a public name: its signature and its docstring, and its members'.

    It is read, not imported: some of it needs extras that are not installed here.
    """
    thing = package()[name.partition(".")[2]]
    return "\n\n".join(_descriptions(name, thing, 2)) + "\n"


@cache
def hiding() -> list[str]:
    """Give the rules by which the site leaves names out."""
    plugin: dict[str, Any] = configuration()["plugins"]["mkdocstrings"]
    rules: list[str] = plugin["handlers"]["python"]["options"]["filters"]
    return rules


@cache
def package() -> griffe.Object:
    """Give the package as its code has it."""
    loaded = griffe.load(
        "modelgates_speech",
        search_paths=[ROOT / "src"],
        extensions=griffe.load_extensions("scripts.manual.attrs_classes"),
    )
    assert isinstance(loaded, griffe.Object)
    return loaded


def _descriptions(name: str, thing: griffe.Object | griffe.Alias, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} {name}"
    made = thing.all_members.get("__init__", thing) if thing.is_class else thing
    made = made.final_target if isinstance(made, griffe.Alias) else made
    if isinstance(made, griffe.Function):
        signature = made.signature(name=thing.name).removesuffix(" -> None")
        yield f"```python\n{signature}\n```"
    if thing.docstring:
        yield thing.docstring.value
    for member in thing.all_members.values() if thing.is_class else ():
        hidden = any(re.search(rule.removeprefix("!"), member.name) for rule in hiding())
        if not hidden and (member.is_function or member.docstring):
            yield from _descriptions(f"{thing.name}.{member.name}", member, depth + 1)
