"""What is no document for this client is refused, with the line and the reason, unharmed."""

import json

import pytest

from scripts import update_spec
from scripts.document.reading import MAX_BYTES
from scripts.generate import DOCUMENT

ORIGINAL = DOCUMENT.read_bytes()


def bomb():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for this, last in zip("bcdefghij", "abcdefghi", strict=True):
        lines.append(f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]")
    return "\n".join(lines).encode()


def changed(old, new):
    assert ORIGINAL.count(old) >= 1
    return ORIGINAL.replace(old, new, 1)


@pytest.fixture
def refusal(write, capsys):
    def refusal(data):
        before = DOCUMENT.read_bytes()
        code = update_spec.main(["--json", str(write(data, "new.yaml"))])
        report = json.loads(capsys.readouterr().out)
        assert (code, report["exit_code"], report["outcome"]) == (2, 2, "invalid document")
        assert DOCUMENT.read_bytes() == before
        return report["line"], report["error"]

    return refusal


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (bomb(), 6, "aliases stand for more than"),
        (b"a: &a [*a]", 1, "aliases stand for more than"),
        (b"a: " + b"[" * 5000, None, "nested more than"),
        (b'{"a": ' + b"[" * 100_000, None, "nested more than"),
        (b"#" * (MAX_BYTES + 1), None, "larger than 8 MiB"),
        (b"\n\xff\xfe", 2, "not UTF-8"),
        (b"- a\n- b\n", 1, "not a mapping"),
        (b"", 1, "not a mapping"),
        (b"a: !!python/object:os.system {}", 1, "not YAML"),
        (b"a: 1\n---\nb: 2\n", 2, "not YAML: expected a single document"),
        (b"openapi: 3.1.0\ninfo:\n\ttitle: x\n", 3, "not YAML"),
        (b'{"openapi": "3.1.0",\n oops}', 2, "not JSON"),
        (b"\n<!DOCTYPE html>\n<title>Speech: the API</title>\n", 1, "a page of HTML"),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_what_is_no_document_at_all(data, line, reason, refusal):
    found_line, error = refusal(data)
    assert found_line == line
    assert reason in error


@pytest.mark.parametrize(
    ("old", "new", "near", "reason"),
    [
        (b"3.1.0", b"4.0.0", b"openapi:", "4.0.0"),
        (b"openapi: 3.1.0", b'swagger: "2.0"', b"openapi:", "swagger2openapi"),
        (b"paths:", b"paths: [", None, "not YAML"),
        (b"in: header", b"in: heder", b"in: header", "heder"),
        (b"/audio/speech:", b"/other:", b"paths:", "no POST /audio/speech, which this client is"),
        (b"    post:", b"    put:", b"paths:", "there is PUT /audio/speech"),
        (
            b"/audio/speech:",
            b"/audio/speech:\n    get: {responses: {}}\n  /v1/text-to-speech/{voice_id}:",
            b"paths:",
            "there is POST /v1/text-to-speech/{voice_id}",
        ),
        (
            b"'#/components/schemas/SpeechRequestProvider'",
            b"'https://elsewhere.example/a.yaml'",
            b"'#/components/schemas/SpeechRequestProvider'",
            "outside of the document",
        ),
        (
            b"'#/components/schemas/SpeechRequestProvider'",
            b"'other.yaml#/a'",
            b"'#/components/schemas/SpeechRequestProvider'",
            "outside of the document",
        ),
        (
            b"'#/components/schemas/SpeechRequestProvider'",
            b"'#/components/schemas/Gone'",
            b"'#/components/schemas/SpeechRequestProvider'",
            "not there",
        ),
        (
            b"type: string\n          description: Text to synthesize",
            b"type: strin\n          description: Text to synthesize",
            b"type: string\n          description: Text to synthesize",
            "'strin'",
        ),
        # A document of one line needs more than its number.
        (
            b"      responses:",
            b"      responses: {}\n      x-responses:",
            b"      responses:",
            "post.responses",
        ),
        (b"application/octet-stream:", b"application/json:", b"      responses:", "no audio"),
        (b"application/octet-stream:", b"text/event-stream:", b"      responses:", "no audio"),
        (b"      responses:", b"      x-responses:", b"    post:", "no audio"),
        (b"requestBody:", b"x-body:", b"    post:", "takes nothing: no JSON"),
        (
            b"requestBody:\n        content:\n          application/json:",
            b"requestBody:\n        content:\n          multipart/form-data:",
            b"      requestBody:",
            "takes multipart/form-data: no JSON",
        ),
        (
            b"schema:\n              $ref: '#/components/schemas/SpeechRequest'",
            b"schema: {type: array, items: {$ref: '#/components/schemas/SpeechRequest'}}",
            b"      requestBody:",
            "no properties",
        ),
    ],
)
def test_what_is_no_document_for_this_client(old, new, near, reason, refusal):
    line, error = refusal(changed(old, new))
    assert reason in error
    if near is not None:
        assert line == ORIGINAL[: ORIGINAL.index(near)].count(b"\n") + 1


def test_the_line_is_that_of_the_file_though_its_paths_begin_with_more(refusal):
    data = changed(b"  /audio/speech:", b"  /v1/audio/speech:")
    data = data.replace(b"application/octet-stream:", b"application/json:")
    line, error = refusal(data)
    assert "no audio" in error
    assert line == data[: data.index(b"      responses:")].count(b"\n") + 1


def test_a_missing_file(refusal, tmp_path, capsys):
    code = update_spec.main([str(tmp_path / "none.yaml")])
    assert code == 2
    assert "cannot be read" in capsys.readouterr().out


def test_the_same_document_written_otherwise_is_nothing_to_do(write, capsys, document):
    code = update_spec.main(["--json", str(write(document))])
    assert (code, json.loads(capsys.readouterr().out)["outcome"]) == (0, "nothing to do")


def page(document, fence="```", kind="yaml"):
    return b"# Create speech\n\nPOST /audio/speech: says it.\n\n%b%b\n%b\n%b\n\n## Next\n" % (
        fence.encode(),
        kind.encode(),
        document,
        fence.encode(),
    )


@pytest.mark.parametrize(
    ("fence", "kind"),
    [("```", "yaml"), ("````", "yaml /openapi.yaml post /audio/speech"), ("~~~", "")],
)
def test_a_page_of_markdown_is_the_document_that_it_shows(fence, kind, write, capsys):
    code = update_spec.main(["--json", str(write(page(ORIGINAL, fence, kind), "speech.md"))])
    report = json.loads(capsys.readouterr().out)
    assert (code, report["outcome"]) == (0, "nothing to do")
    assert "line 6 on" in report["warnings"][0]


def test_so_is_one_that_shows_json_with_the_line_ends_of_windows(write, capsys, document):
    shown = page(json.dumps(document, indent=1).encode(), kind="json").replace(b"\n", b"\r\n")
    code = update_spec.main(["--json", str(write(shown, "speech.md"))])
    assert (code, json.loads(capsys.readouterr().out)["outcome"]) == (0, "nothing to do")


def test_a_document_that_a_page_shows_is_refused_by_its_own_line(refusal):
    line, error = refusal(page(changed(b"in: header", b"in: heder")))
    assert "heder" in error
    assert line == ORIGINAL[: ORIGINAL.index(b"in: header")].count(b"\n") + 1


def test_what_a_page_shows_may_have_its_keys_in_any_order(refusal, document):
    shown = (
        json.dumps(document, indent=1, sort_keys=True).replace('"header"', '"heder"', 1).encode()
    )
    line, error = refusal(page(shown, kind=""))
    assert "heder" in error
    assert line == shown[: shown.index(b"heder")].count(b"\n") + 1


def test_a_page_that_shows_several_says_where(refusal):
    line, error = refusal(page(ORIGINAL) + page(ORIGINAL))
    second = page(ORIGINAL).count(b"\n") + 6
    assert (line, f"at lines 6 and {second}" in error) == (None, True)
