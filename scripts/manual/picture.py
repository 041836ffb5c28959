"""A picture of the package, drawn from its imports: who stands on whom.

The rows are the layers that `lint-imports` holds; the lines are the imports that the code has, less
those that others imply.
"""

from __future__ import annotations

import ast
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "modelgates_speech"

WIDTH, BOX, HIGH, ROW, GAP = 960, 108, 30, 62, 14


def imports() -> dict[str, set[str]]:
    """Give, for each module and folder at the top of the package, those that it imports."""
    found: dict[str, set[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        inside = file.relative_to(PACKAGE).with_suffix("").parts
        if inside != ("__init__",):
            found.setdefault(inside[0], set()).update(_imported(file) - {inside[0]})
    return found


def _imported(file: Path) -> set[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE.name:
            names += [f"{PACKAGE.name}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    tops = {path.stem for path in PACKAGE.iterdir()}
    parts = (name.split(".") for name in names)
    return {part[1] for part in parts if part[0] == PACKAGE.name and len(part) > 1} & tops


def layers() -> list[list[str]]:
    """Give the layers of the package, from the top down."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    [table] = [each for each in contracts if each.get("containers") == [PACKAGE.name]]
    rows = [[name.strip() for name in row.split("|")] for row in table["layers"]]
    rows[1].extend(table["exhaustive_ignores"])
    return rows


def without_implied(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out what a module imports that another one which it imports does, too."""

    def below(name: str) -> set[str]:
        return graph[name].union(*(below(each) for each in graph[name]))

    return {name: names - set().union(*map(below, names)) for name, names in graph.items()}


def draw() -> str:
    """Give the picture as SVG, in colours that are seen on a light and on a dark page."""
    rows = layers()
    at: dict[str, tuple[float, float]] = {}
    for row, names in enumerate(rows):
        left = (WIDTH - len(names) * (BOX + GAP) + GAP) / 2
        for column, name in enumerate(names):
            at[name] = (left + column * (BOX + GAP), 4 + row * ROW)
    shapes: list[str] = []
    graph = without_implied(imports())
    for name in at:
        for other in sorted(graph[name]):
            x, y = at[name][0] + BOX / 2, at[name][1] + HIGH
            u, v = at[other][0] + BOX / 2, at[other][1]
            bend = (v - y) / 2
            path = f"M{x:g} {y:g}C{x:g} {y + bend:g} {u:g} {v - bend:g} {u:g} {v:g}"
            shapes.append(f'<path d="{path}"><title>{name} imports {other}</title></path>')
    for name, (x, y) in at.items():
        shapes.append(
            f'<g><title>{escape(purpose(name))}</title><rect x="{x:g}" y="{y:g}" width="{BOX}" '
            f'height="{HIGH}" rx="5"/><text x="{x + BOX / 2:g}" y="{y + 20:g}">{name}</text></g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {len(rows) * ROW}" '
        'role="img" aria-label="The modules of modelgates_speech by layer, and their imports">'
        "<style>path{fill:none;stroke:#8a93c9;stroke-width:1.2;opacity:.75}rect{fill:#3f51a8}"
        "text{fill:#fff;font:15px sans-serif;text-anchor:middle}</style>"
        + "".join(shapes)
        + "</svg>\n"
    )


def purpose(name: str) -> str:
    """Give the first sentence of what a module says of itself."""
    file = PACKAGE / name / "__init__.py"
    file = file if file.exists() else PACKAGE / f"{name}.py"
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def table_of_modules() -> str:
    """Give the same as a table in Markdown: each module, what it is, and what it imports."""
    graph = imports()
    lines = ["| module | what it is | imports |", "| --- | --- | --- |"]
    for name in (name for row in layers() for name in row):
        known = ", ".join(f"`{other}`" for other in sorted(graph[name])) or "nothing of ours"
        lines.append(f"| `{name}` | {purpose(name)} | {known} |")
    return "\n".join(lines)
