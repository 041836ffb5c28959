"""How changes are rated, where the table of documents does not show it."""

import pytest

from scripts.changes import Change, Rating, overall
from scripts.oasdiff import PINS
from scripts.report import Outcome, Report, add_to_changelog
from scripts.wire import wire_changes
from tests.evolution.derive import evolutions

POST = "/audio/speech"


@pytest.fixture
def rate(document):
    def rate(change):
        from copy import deepcopy

        other = deepcopy(document)
        change(other)
        return wire_changes(document, other)

    return rate


def test_no_change_is_no_rating(rate):
    assert rate(lambda document: None) == []
    assert overall([]) is Rating.NONE


def test_a_server_more_is_compatible_and_the_first_one_moved_is_breaking(rate):
    more = rate(lambda document: document["servers"].append({"url": "https://eu.example/v1"}))
    assert overall(more) is Rating.COMPATIBLE
    moved = rate(lambda document: document["servers"].insert(0, {"url": "https://eu.example/v1"}))
    assert overall(moved) is Rating.BREAKING
    assert "https://eu.example/v1" in moved[0].what


def test_what_the_tool_sees_and_does_not_rate_is_breaking(rate):
    def give_operation_servers_of_its_own(document):
        document["paths"][POST]["post"]["servers"] = [{"url": "https://eu.example/v1"}]

    [change] = rate(give_operation_servers_of_its_own)
    assert change.rating is Rating.BREAKING
    assert "nothing here rates" in change.what


def test_texts_are_named(rate):
    def reword(document):
        document["paths"][POST]["post"]["description"] = "Speaks."

    [change] = rate(reword)
    assert change.rating is Rating.DOCUMENTATION
    assert "description" in change.what
    assert POST in change.what


def test_each_rating_calls_for_a_bump():
    assert [rating.bump for rating in Rating] == ["none", "patch", "minor", "major"]


def test_every_document_of_the_table_says_what_it_is(document):
    for evolution in evolutions():
        assert evolution.what
        assert evolution.rating in {str(rating) for rating in Rating}
        assert evolution.apply(document) != document
    assert len(list(evolutions())) >= 30


def test_the_differ_is_pinned_exactly():
    assert "^" not in (PINS / "package.json").read_text("utf-8")


CHANGES = [
    Change(Rating.BREAKING, "wire", "POST /audio/speech: removed x"),
    Change(Rating.BREAKING, "python", "`a.b` is gone or has moved"),
    Change(Rating.COMPATIBLE, "python", "`a.c` is new"),
]
ENTRIES = """\
- **Breaking:** The document: POST /audio/speech: removed x.
- **Breaking:** The generated package: `a.b` is gone or has moved.
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# Changelog\n", f"# Changelog\n\n## [Unreleased]\n\n### Changed\n\n{ENTRIES}"),
        (
            "# Changelog\n\n## [1.0.0]\n\n- first\n",
            f"# Changelog\n\n## [Unreleased]\n\n### Changed\n\n{ENTRIES}\n## [1.0.0]\n\n- first\n",
        ),
        (
            "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- a\n\n## [1.0.0]\n\n- first\n",
            "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- a\n\n### Changed\n\n"
            f"{ENTRIES}\n## [1.0.0]\n\n- first\n",
        ),
        (
            "# Changelog\n\n## Unreleased\n\n### Changed\n\n- b\n",
            f"# Changelog\n\n## Unreleased\n\n### Changed\n\n{ENTRIES}- b\n",
        ),
    ],
    ids=["no section", "released only", "unreleased", "unreleased with changes"],
)
def test_the_changelog_gets_what_users_meet_under_unreleased(before, after):
    assert add_to_changelog(before, CHANGES) == after


def test_a_report_reads_the_same_for_machines_and_tells_people_all():
    report = Report("x.yaml", Outcome.BREAKING, CHANGES, ["GET /a: no"], {"tests": True})
    assert Report.from_json(report.as_json()) == report
    assert report.as_json()["bump"] == "major"
    for text in (report.as_text(), report.as_markdown()):
        for said in ("removed x", "`a.b`", "`a.c`", "GET /a: no", "tests", "major"):
            assert said in text
