"""Whether a built site holds together: every link, every anchor, and nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What a browser loads by itself, rather than when somebody follows it.
_LOADED = {"img", "script", "iframe", "source", "audio", "video", "embed", "object"}
_LOADING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload"}
_MARKDOWN_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")
_FOREIGN_STYLE = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//")


class _Page(HTMLParser):
    """What one page refers to, and what can be referred to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        relations = given.get("rel", "").split()
        loaded = tag in _LOADED or (tag == "link" and not _LOADING_LINKS.isdisjoint(relations))
        for name in ("href", "src", "data"):
            if name in given and not given[name].startswith("data:"):
                (self.loads if loaded else self.links).append(given[name])
        if "mermaid" in given.get("class", "").split():
            # The theme draws these with a library that it fetches.
            self.loads.append("https://mermaid")


def problems(site: Path) -> list[str]:
    """Give a line for each thing that is wrong with a site.

    Args:
        site: Its folder. Links to other sites are looked at and not followed.
    """
    pages = {file.resolve(): _Page(file.read_text("utf-8")) for file in site.rglob("*.html")}
    return [*_in_pages(site.resolve(), pages), *_in_markdown(site), *_in_styles(site)]


def _in_pages(site: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    for file, page in pages.items():
        name = file.relative_to(site)
        if file.name != "404.html" and not file.with_suffix(".md").exists():
            yield f"{name}: is not there as Markdown"
        for link in page.loads + page.links:
            parts = urlsplit(link)
            if parts.netloc and link in page.loads:
                yield f"{name}: loads {link} from another host"
                continue
            if parts.scheme or parts.netloc:
                where = parts.path if parts.scheme == "mailto" else parts.hostname
                if parts.scheme not in {"https", "http", "mailto"} or not where:
                    yield f"{name}: {link} is not an address"
                continue
            # The page for what is not found is served from any folder, so its links are absolute.
            base = site if parts.path.startswith("/") else file.parent
            target = (base / unquote(parts.path.lstrip("/"))).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{name}: {link} leads nowhere"
            elif target in pages and unquote(parts.fragment) not in {"", *pages[target].anchors}:
                yield f"{name}: {link} leads to a place that is not there"


def _in_markdown(site: Path) -> Iterator[str]:
    for file in (*site.rglob("*.md"), *site.glob("*.txt")):
        for link in _MARKDOWN_LINK.findall(file.read_text("utf-8")):
            if not (file.parent / unquote(link)).exists():
                yield f"{file.relative_to(site)}: {link} leads nowhere"


def _in_styles(site: Path) -> Iterator[str]:
    for file in site.rglob("*.css"):
        if _FOREIGN_STYLE.search(file.read_text("utf-8")):
            yield f"{file.relative_to(site)}: loads a style or a font from another host"
