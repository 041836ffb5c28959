"""The tables of docs/what-happens-when.md, written from the table of faults.

`python -m tests.faults.page` brings the page up to date; a test fails when it is not.
"""

import re
from collections import defaultdict
from pathlib import Path

from modelgates_speech import APITimeoutError
from tests.faults.table import (
    BODIES,
    FAULTS,
    RETRIED,
    STATUSES,
    UNDOCUMENTED,
    Hears,
)

PAGE = Path(__file__).parents[2] / "docs" / "what-happens-when.md"
# One row for each status and one for each body say it better than a row for each pair.
_PAIRS = ("Refused, as documented", "Refused, outside the document")
_MARKED = re.compile(r"(<!-- faults: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def _row(*cells):
    return "| " + " | ".join(cells) + " |\n"


def _table(*heads):
    return _row(*heads) + _row(*["---"] * len(heads))


def _shown(kind, fields):
    told = [
        f"`{name}={value!r}`"
        for name, value in fields.items()
        if name in ("phase", "status", "request_sent", "transient")
        and not (name == "transient" and value)
    ]
    return f"`{kind.__name__}`" + (f" ({', '.join(told)})" if told else "")


def _outcome(outcome):
    if isinstance(outcome, Hears):
        return "the audio"
    seen = _shown(outcome.error, outcome.fields)
    if outcome.cause:
        kind, fields = outcome.cause
        known = {"phase": fields["phase"]} if kind is APITimeoutError else {}
        seen += f", caused by {_shown(kind, known)}"
    return seen


def _tries(fault):
    if fault.place == "pool":
        return "0 (of 1 try)"  # the one that the table counts is the one that holds the pool
    tries = fault.requests if fault.tries is None else fault.tries
    if tries == fault.requests:
        return str(fault.requests)
    return f"{fault.requests} (of {tries} {'try' if tries == 1 else 'tries'})"


def tables():
    """The Markdown of each table, by its heading."""
    groups = defaultdict(lambda: _table("what happens", "what you see", "requests sent"))
    for fault in FAULTS:
        if fault.group not in _PAIRS:
            groups[fault.group] += _row(fault.name, _outcome(fault.outcome), _tries(fault))
    statuses = _table("status", "what you see", "requests sent")
    for status, error in STATUSES.items():
        statuses += _row(str(status), f"`{error.__name__}`", "3" if status in RETRIED else "1")
    others = ", ".join(map(str, UNDOCUMENTED))
    statuses += _row(f"any other, such as {others}", "`APIStatusError`", "1")
    bodies = _table("body", "`code`", "`message`")
    for body in BODIES:
        code = "`None`" if body.fields.get("code", "") is None else "the body's"
        bodies += _row(body.name, code, f"“{body.says}”")
    return {**groups, "statuses": statuses, "bodies": bodies}


def written(page):
    """`page` with its tables as they should be."""
    made = tables()
    there = [name for _, name, _ in _MARKED.findall(page)]
    if sorted(there) != sorted(made):
        raise ValueError(f"the page has the tables {there}, not {list(made)}")
    return _MARKED.sub(lambda found: found[1] + "\n" + made[found[2]] + "\n" + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
