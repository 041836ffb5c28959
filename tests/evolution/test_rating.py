"""How changes are rated, where the table of documents does not show it."""

import itertools
import json
from copy import deepcopy

import pytest

from scripts.comparison.changes import Change, Rating, overall
from scripts.comparison.oasdiff import PINS
from scripts.comparison.report import Outcome, Report, add_to_changelog
from scripts.comparison.wire import wire_changes
from tests.evolution.derive import evolutions

POST = "/audio/speech"


def test_no_change_is_no_rating(rate):
    assert rate(lambda document: None) == []
    assert overall([]) is Rating.NONE


def test_one_value_is_the_same_however_it_is_written(document):
    def always(**said):
        other = deepcopy(document)
        answer = {"type": "object", "properties": {"kind": {"description": "x", **said}}}
        media = {"content": {"application/json": {"schema": answer}}}
        other["paths"]["/other"] = {"get": {"responses": {"200": {"description": "", **media}}}}
        return other

    written = [always(type="string", enum=["a"]), always(const="a"), always(enum=["a"])]
    for before, after in itertools.permutations(written, 2):
        assert overall(wire_changes(before, after)) is Rating.DOCUMENTATION
    assert overall(wire_changes(written[0], always(const="b"))) is Rating.BREAKING


def test_a_server_more_is_compatible_and_the_first_one_moved_is_breaking(rate):
    more = rate(lambda document: document["servers"].append({"url": "https://eu.example/v1"}))
    assert overall(more) is Rating.COMPATIBLE
    moved = rate(lambda document: document["servers"].insert(0, {"url": "https://eu.example/v1"}))
    assert overall(moved) is Rating.BREAKING
    assert "https://eu.example/v1" in moved[0].what


def test_a_server_of_the_operation_is_where_the_api_is(rate):
    def give_operation_servers_of_its_own(document):
        document["paths"][POST]["post"]["servers"] = [{"url": "https://eu.example/v1"}]

    changes = rate(give_operation_servers_of_its_own)
    assert overall(changes) is Rating.BREAKING
    assert "https://eu.example/v1" in changes[0].what


def test_what_the_tool_sees_and_does_not_rate_is_breaking(rate):
    def encode(document):
        media = document["paths"][POST]["post"]["requestBody"]["content"]["application/json"]
        media["encoding"] = {"input": {"contentType": "text/plain"}}

    [change] = rate(encode)
    assert change.rating is Rating.BREAKING
    assert "nothing here rates" in change.what


def test_a_hundred_changes_alike_are_one_line_with_the_list_behind_it(rate):
    def rename(document):
        schema = document["components"]["schemas"]["ProviderOptions"]
        schema["properties"] = {f"{name}-v2": it for name, it in schema["properties"].items()}

    changes = rate(rename)
    assert len(changes) == 2
    for change in changes:
        assert "more" in change.what
        assert len(change.details) > 100
    markdown = Report("x.yaml", Outcome.BREAKING, changes).as_markdown()
    assert markdown.count("<details>") == 2
    assert markdown.count("-v2`") > 100


def test_what_changes_of_each_answer_is_one_line(rate):
    def say_more(document):
        for name, schema in document["components"]["schemas"].items():
            if name.endswith("ErrorData"):
                schema["properties"]["hint"] = {"type": "string"}

    (change,) = rate(say_more)
    assert "`error/hint`" in change.what
    assert len(change.details) > 5


def test_the_answers_that_change_alike_are_named_where_a_sentence_names_one(document):
    operation = document["paths"][POST]["post"]
    statuses = [status for status in sorted(operation["responses"]) if status[0] != "2"]
    changed = deepcopy(document)
    for name, schema in changed["components"]["schemas"].items():
        if name.endswith("ErrorData"):
            schema["properties"].pop("code")
            schema["required"].remove("code")
    told = {change.what for change in wire_changes(document, changed)}
    named = ", ".join(f"`{status}`" for status in statuses[:-1]) + f" or `{statuses[-1]}`"
    what = "removed the required property `error/code` from the response with the"
    assert told == {f"POST {POST}: {what} {named} status"}


def test_values_that_an_answer_lists_no_longer_may_be_any(document):
    listed = deepcopy(document)
    list_what_an_error_says(listed)
    (change,) = wire_changes(listed, document)
    assert change.rating is Rating.BREAKING
    assert "any value" in change.what


def schema_of(document, name):
    return document["components"]["schemas"][name]


def default_is_mp3(document):
    schema_of(document, "SpeechRequestResponseFormat")["default"] = "mp3"


def format_is_free(document):
    del schema_of(document, "SpeechRequestResponseFormat")["enum"]


def deprecate(document):
    document["paths"][POST]["post"]["deprecated"] = True


def answer_by_default(document):
    responses = document["paths"][POST]["post"]["responses"]
    responses["default"] = responses["500"]


def exemplify(document):
    schema_of(document, "SpeechRequest")["properties"]["speed"]["example"] = "fast"


def ask_for_the_key_by_security(document):
    speech = document["paths"][POST]["post"]
    speech["parameters"] = []
    speech["security"] = [{"apiKey": []}]


def split(document):
    whole = schema_of(document, "SpeechRequest")
    rest = {**whole, "properties": dict(whole["properties"]), "required": ["input"]}
    voice = rest["properties"].pop("voice")
    base = {"type": "object", "properties": {"voice": voice}, "required": ["voice", "model"]}
    document["components"]["schemas"]["SpeechRequest"] = {"allOf": [base, rest]}


def deprecate_the_request(document):
    schema_of(document, "SpeechRequest")["deprecated"] = True


def take_a_list_of_texts(document):
    text = schema_of(document, "SpeechRequest")["properties"]["input"]
    text |= {"type": ["string", "array"], "items": {"type": "string"}, "maxItems": 9}


def list_what_an_error_says(document):
    told = schema_of(document, "BadRequestResponseErrorData")["properties"]
    told["message"]["enum"] = ["No voice", "No model"]


def ask_for_a_pace_with_a_style(document):
    schema = schema_of(document, "SpeechRequest")
    schema["properties"] |= {"style": {"type": "string"}, "pace": {"type": "string"}}
    schema["dependentRequired"] = {"style": ["pace"]}


def ask_for_a_provider_with_a_speed(document):
    schema_of(document, "SpeechRequest")["dependentRequired"] = {"speed": ["provider"]}


@pytest.mark.parametrize(
    ("change", "rating"),
    [
        (deprecate_the_request, Rating.COMPATIBLE),
        (take_a_list_of_texts, Rating.COMPATIBLE),
        (list_what_an_error_says, Rating.COMPATIBLE),
        (ask_for_a_pace_with_a_style, Rating.COMPATIBLE),
        (ask_for_a_provider_with_a_speed, Rating.BREAKING),
        (default_is_mp3, Rating.BREAKING),
        (format_is_free, Rating.COMPATIBLE),
        (deprecate, Rating.COMPATIBLE),
        (answer_by_default, Rating.COMPATIBLE),
        (exemplify, Rating.DOCUMENTATION),
        (ask_for_the_key_by_security, Rating.DOCUMENTATION),
        (split, Rating.DOCUMENTATION),
    ],
)
def test_a_change_is_rated_by_what_a_caller_notices(change, rating, rate):
    changes = rate(change)
    assert overall(changes) is rating, changes


def test_a_change_that_breaks_says_what_to_do(rate):
    def remove(document):
        del schema_of(document, "SpeechRequest")["properties"]["speed"]

    [change] = rate(remove)
    assert "leave it out of your calls" in str(change)


@pytest.mark.parametrize("limit", [{"maxLength": 500}, {"pattern": "^a"}, {"enum": ["a"]}])
def test_a_limit_says_what_it_asks_of_calls(limit, rate):
    def limited(document):
        schema_of(document, "SpeechRequest")["properties"]["voice"] |= limit

    told = [change for change in rate(limited) if change.rating is Rating.BREAKING]
    assert told
    assert all(change.advice for change in told)


@pytest.mark.parametrize(
    ("place", "advice"), [("header", "in extra_headers"), ("cookie", "as Cookie in extra_headers")]
)
def test_what_must_be_sent_beside_the_body_has_an_argument(place, advice, rate):
    needed = {"name": "tenant", "in": place, "required": True, "schema": {"type": "string"}}
    (change,) = rate(lambda d: d["paths"][POST]["post"]["parameters"].append(needed))
    assert change.advice == f"give it {advice}"


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
- **Breaking:** Speech: removed x.
- **Breaking:** Python: `a.b` is gone or has moved; import it by its new name; the wrapper finds its
  own by itself.
"""


def test_who_updates_is_told_what_comes_next():
    assert "raise_version -- major" in Report("x", Outcome.APPLIED, CHANGES).as_text()
    for outcome in (Outcome.DRY_RUN, Outcome.FAILED):
        assert "next:" not in Report("x", outcome, CHANGES).as_text()


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


def test_a_report_tells_machines_and_people_all():
    report = Report("x.yaml", Outcome.BREAKING, CHANGES, ["GET /a: no"], {"tests": True})
    told = json.loads(json.dumps(report.as_json()))
    assert (told["outcome"], told["exit_code"], told["bump"]) == (report.outcome, 1, "major")
    assert {change["rating"] for change in told["changes"]} >= {"breaking", "compatible"}
    for text in (report.as_text(), report.as_markdown()):
        for said in ("removed x", "`a.b`", "`a.c`", "GET /a: no", "tests", "major"):
            assert said in text
