"""Writes what was measured as a page of tables and as a chart."""

from importlib import import_module

from benchmarks.plan import BEFORE, EVERYBODY, FLOOR, JOBS, OURS, TARGETS

TITLES = {
    "floor": "floor",
    "modelgates_speech": "modelgates-speech",
    "generated": "generated package",
}
CHARTS = (
    ("create", "cpu", "CPU per create of 4 KB, µs"),
    ("async 50", "rate", "Requests per second, 50 at once"),
    ("stream", "cpu", "CPU to stream 1 GiB, s"),
    ("import", "importtime", "Import, ms"),
)
BAR, GAP, LEFT, RIGHT, WIDTH = 18, 6, 150, 60, 420
OURS_COLOUR, FLOOR_COLOUR, PEER_COLOUR = "#2563eb", "#9ca3af", "#d1d5db"


def title(name):
    """How a peer is called in print."""
    return TITLES.get(name, name)


def write_report(results, folder):
    """Write ``README.md`` and ``chart.svg`` for `results`."""
    (folder / "README.md").write_text(page(results))
    (folder / "chart.svg").write_text(chart(results))


def page(results):
    """The page, in Markdown."""
    machine = results["machine"]
    lines = [
        "# Measured beside its peers",
        "",
        "Written by `nox -s bench`; do not edit. How it is measured, and how far to trust it: "
        "[method](method.md).",
        "",
        "![The client beside its peers](chart.svg)",
        "",
        f"Machine: {machine['processor']}, {machine['processors']} processors, "
        f"{machine['system']}, Python {machine['python']}. Clients on one processor, the server "
        "on another.",
        "",
        "## Targets",
        "",
        *targets(results),
    ]
    for job in JOBS:
        if job.name in results["jobs"]:
            lines += ["", f"## {job.title}", "", *table(job, results["jobs"][job.name])]
    lines += ["", "## Install", "", *installs(results), "", "## Cannot do the job", ""]
    lines += [
        f"- {title(name)}: {', '.join(sorted(jobs))} ({reason})"
        for name, reasons in results["lacks"].items()
        for reason in sorted(set(reasons.values()))
        for jobs in [[job for job, why in reasons.items() if why == reason]]
    ]
    lines += ["", "## Versions", ""]
    for name, versions in results["versions"].items():
        listed = ", ".join(f"{package} {version}" for package, version in versions.items())
        lines.append(f"- {title(name)}: {listed or 'the standard library alone'}")
    return "\n".join(lines) + "\n"


def targets(results):
    """The rows of the targets and whether each was reached."""
    yield "| target | limit | measured | |"
    yield "| --- | ---: | ---: | --- |"
    for target in TARGETS:
        value = measured(target, results)
        if value is None:
            yield f"| {target.says} | {limit(target)} | not measured | |"
            continue
        reached = value >= target.limit if target.at_least else value <= target.limit
        shown = shorten(target, value)
        yield f"| {target.says} | {limit(target)} | {shown} | {'' if reached else '**missed**'} |"


def measured(target, results):
    """The figure or ratio that a target speaks of, or None."""
    figures = results["jobs"].get(target.job, {}).get(target.who, {}).get(target.metric)
    if figures is None:
        return None
    return figures["ratios"].get(target.to) if target.to else figures["median"]


def limit(target):
    """A target's limit, in words."""
    return f"{'≥' if target.at_least else '≤'} {shorten(target, target.limit)}"


def shorten(target, value):
    """A figure in the unit that its job shows."""
    if target.to:
        return f"{value:.2f}"
    job = next(job for job in JOBS if job.name == target.job)
    unit, factor = job.metrics[target.metric]
    return f"{value * factor:,.1f} {unit}"


def table(job, found):
    """The rows of one job, the best of the peers first."""
    first = next(iter(job.metrics))
    best = best_peer(job, found)
    floor = FLOOR if FLOOR in found else None
    heads = [f"{metric}, {unit}" for metric, (unit, _) in job.metrics.items()]
    yield f"| | {' | '.join(heads)} | spread | to the floor | to the best peer |"
    yield f"| --- | {'---: | ' * len(heads)}---: | ---: | ---: |"
    for name in sorted(
        found, key=lambda name: found[name][first]["median"], reverse=job.more_is_better
    ):
        figures = found[name]
        cells = [
            f"{figures[metric]['median'] * factor:,.{digits(figures[metric]['median'] * factor)}f}"
            for metric, (_, factor) in job.metrics.items()
        ]
        factor = job.metrics[first][1]
        low, high = figures[first]["low"] * factor, figures[first]["high"] * factor
        ratios = [ratio(figures[first], other) for other in (floor, best)]
        shown = f"**{title(name)}**" if name in OURS else title(name)
        spread = f"{low:,.{digits(low)}f} to {high:,.{digits(high)}f}"
        yield f"| {shown} | {' | '.join(cells)} | {spread} | {' | '.join(ratios)} |"


def digits(value):
    """Enough digits to tell two apart, no more."""
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def ratio(figures, other):
    """A ratio in print."""
    value = figures["ratios"].get(other)
    return "" if value is None else f"{value:.2f}"


def best_peer(job, found):
    """The name of the best of the peers: neither ours, nor the floor, nor a candidate."""
    metric = next(iter(job.metrics))
    peers = [name for name in found if name not in (*OURS, BEFORE, FLOOR)]
    choose = max if job.more_is_better else min
    return choose(peers, key=lambda name: found[name][metric]["median"]) if peers else None


def installs(results):
    """The rows of what an installation weighs."""
    yield "| | MiB | packages |"
    yield "| --- | ---: | ---: |"
    installed = results["install"]
    for name in sorted(installed, key=lambda name: installed[name]["bytes"]):
        if not import_module(f"benchmarks.peers.{name}").REQUIRES:
            continue
        entry = installed[name]
        shown = f"**{title(name)}**" if name in OURS else title(name)
        yield f"| {shown} | {entry['bytes'] / (1 << 20):.1f} | {entry['packages']} |"


def chart(results):
    """Four panels of bars, as SVG."""
    panels = []
    top = 0
    for job_name, metric, heading in CHARTS:
        found = results["jobs"].get(job_name)
        if not found:
            continue
        job = next(job for job in JOBS if job.name == job_name)
        factor = job.metrics[metric][1]
        values = {
            name: found[name][metric]["median"] * factor for name in EVERYBODY if name in found
        }
        panels.append(panel(heading, values, top, reverse=job.more_is_better))
        top += (len(values) + 2) * (BAR + GAP)
    width = LEFT + WIDTH + RIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" '
        f'font-family="sans-serif" font-size="12" role="img">\n'
        "<title>The client beside its peers</title>\n"
        f'<rect width="{width}" height="{top}" fill="white"/>\n' + "".join(panels) + "</svg>\n"
    )


def panel(heading, values, top, *, reverse):
    """One panel: a heading and a bar for everybody."""
    longest = max(values.values())
    parts = [f'<text x="{LEFT}" y="{top + BAR}" font-weight="bold">{heading}</text>\n']
    for row, name in enumerate(sorted(values, key=values.get, reverse=reverse), start=1):
        y = top + row * (BAR + GAP)
        length = max(1, WIDTH * values[name] / longest)
        colour = OURS_COLOUR if name in OURS else FLOOR_COLOUR if name == FLOOR else PEER_COLOUR
        middle = y + BAR - 5
        parts.append(
            f'<text x="{LEFT - 6}" y="{middle}" text-anchor="end">{title(name)}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR}" fill="{colour}"/>'
            f'<text x="{LEFT + length + 4:.0f}" y="{middle}">'
            f"{values[name]:,.{digits(values[name])}f}</text>\n"
        )
    return "".join(parts)
