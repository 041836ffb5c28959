"""One command takes a new document, or leaves the tree as it was and says why."""

import os
from pathlib import Path

import pytest

from scripts import update_spec
from scripts.generate import generate
from tests.evolution.derive import evolutions

EVOLUTIONS = {evolution.name: evolution for evolution in evolutions()}


@pytest.fixture
def changed(document, write):
    def changed(*names):
        for name in names:
            document.update(EVOLUTIONS[name].apply(document))
        return write(document)

    return changed


def test_a_document_never_seen_takes_one_command(whole_tree, document, write):
    properties = document["components"]["schemas"]["SpeechRequest"]["properties"]
    properties["instructions"] = {"type": "string", "nullable": True, "maxLength": 500}
    slugs = document["components"]["schemas"]["ProviderOptions"]["properties"]
    slugs["open_ai"] = {"type": "object", "additionalProperties": {"type": "integer"}}
    slugs["open-ai"] = slugs["None"] = {"type": "object"}
    speech = document["paths"]["/audio/speech"]["post"]
    speech["operationId"] = "audio.speech/create"
    speech["responses"]["200"]["content"]["audio/wav"] = {"schema": {}}
    document["paths"]["/voices"] = {
        "get": {
            "tags": ["voices"],
            "responses": {
                "200": {
                    "description": "All voices",
                    "content": {"application/json": {"schema": {"type": "array", "items": {}}}},
                }
            },
        }
    }
    path = write(document)
    code, report = whole_tree.update("--accept-breaking", path)
    assert (code, report["outcome"], report["error"]) == (0, "applied", "")
    assert report["rating"] == "breaking"
    assert set(report["checks"].values()) == {True}
    assert {"generates", "types", *update_spec.CHECKS} == report["checks"].keys()
    assert (whole_tree.root / "openapi.yaml").read_bytes() == path.read_bytes()
    changelog = (whole_tree.root / "CHANGELOG.md").read_text("utf-8")
    assert "GET /voices: endpoint added" in " ".join(changelog.split())
    code, _, drift = whole_tree.run("scripts.drift")
    assert (code, drift) == (0, "")
    code, report = whole_tree.update(path)
    assert (code, report["outcome"], report["changes"]) == (0, "nothing to do", [])


def test_a_compatible_change_is_applied_unless_it_is_a_dry_run(tree, changed):
    before, path = tree.contents(), changed("slug-added")
    code, report = tree.update("--dry-run", path)
    assert (code, report["outcome"]) == (0, "would be applied")
    assert report["rating"] == "compatible"
    assert tree.contents() == before
    code, report = tree.update(path)
    assert (code, report["outcome"]) == (0, "applied")
    after = tree.contents()
    changed_files = {str(path) for path in before if before[path] != after.get(path)}
    assert changed_files == {
        "CHANGELOG.md",
        "generated/modelgates_api/models/__init__.py",
        "generated/modelgates_api/models/provider_options.py",
        "generated/modelgates_api/openapi.json",
        "openapi.yaml",
        "tests/unit/published.sha256",
    }


def test_a_breaking_change_stops_before_the_tree(tree, changed):
    before, path = tree.contents(), changed("tag-renamed")
    code, report = tree.update(path)
    assert (code, report["outcome"]) == (1, "breaking and not accepted")
    assert report["checks"]["tests"]
    broken = [change["what"] for change in report["changes"] if change["rating"] == "breaking"]
    assert broken == ["`modelgates_api.api.subpackage_tts` is gone or has moved"]
    assert tree.contents() == before


def test_a_client_that_fails_its_tests_is_not_taken(tree, changed):
    (tree.root / update_spec.SCENARIO).write_text(
        "from modelgates_speech._binding import ARGUMENTS\n\n\n"
        "def test_planted():\n    assert 'wav' not in ARGUMENTS['response_format'].values\n"
    )
    before = tree.contents()
    code, report = tree.update(changed("format-added"))
    assert (code, report["outcome"]) == (3, "the regenerated client fails")
    assert [name for name, works in report["checks"].items() if not works] == ["use"]
    assert report["error"].startswith("the client cannot express this document")
    assert "test_planted" in report["error"]
    assert tree.contents() == before


def test_each_check_that_fails_is_told_in_a_line_with_whose_fault_it_is():
    failed = {
        "contract of the stub": "FAILED: an answer was seen\n    never seen: 402",
        "tests": "E   boom\nFAILED tests/unit/test_a.py::test_b - boom\n",
        "use": "tests/edition.py:238: AssertionError\nFAILED tests/x.py::test_y - no sample\n",
        "contract of the client": "FAILED: what is sent is valid\n",
    }
    told = update_spec.explained(failed).splitlines()
    client, ours = "the client cannot express this document", "a test of ours assumes too much"
    assert told[:4] == [
        f"{client}: contract of the client: FAILED: what is sent is valid",
        "the stub cannot play this document: contract of the stub: FAILED: an answer was seen",
        f"{ours}: tests: FAILED tests/unit/test_a.py::test_b - boom",
        f"{ours}: use: FAILED tests/x.py::test_y - no sample",
    ]
    late = update_spec.explained({"tests": "....Timeout\nTimeout (0:03:00)!\nThread 0x1\n"})
    assert late.startswith(f"{ours}: tests: Timeout (0:03:00)!")


def test_a_document_that_the_generator_cannot_express_is_not_taken(tree, document, write):
    lists = {"type": "array", "items": {"$ref": "#/components/schemas/BadRequestResponse"}}
    document["components"]["schemas"]["BadRequestResponse"] = lists
    before = tree.contents()
    code, report = tree.update("--accept-breaking", write(document))
    assert (code, report["checks"]) == (3, {"generates": False})
    assert "BadRequestResponse" in report["error"]
    assert tree.contents() == before


def test_parts_that_the_generator_cannot_express_are_named_and_ours_works(changed, tmp_path):
    left_out = generate(changed("forty-endpoints"), tmp_path, tmp_path / "binding.py")
    assert [line.split(" within")[0] for line in left_out] == ["GET /batches"]


def test_what_python_compiled_in_the_copy_is_not_taken(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        (root / "package" / "__pycache__").mkdir(parents=True)
        (root / "package" / "module.py").touch()
    (there / "package" / "__pycache__" / "module.pyc").touch()
    monkeypatch.setattr(update_spec, "ROOT", here)
    monkeypatch.setattr(update_spec, "REPLACED", [Path("package")])
    update_spec.replace(there)
    assert [path.name for path in here.rglob("*")] == ["package", "module.py"]


@pytest.mark.parametrize("step", range(4))
def test_replacing_that_fails_midway_puts_everything_back(step, tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for root, text in ((here, "old"), (there, "new")):
        for path in update_spec.REPLACED:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    monkeypatch.setattr(update_spec, "ROOT", here)
    renames = iter(range(100))
    rename = os.rename

    def failing_rename(self, target):
        if next(renames) == step * 3:
            raise OSError(28, "No space left on device")
        rename(self, target)
        return target

    monkeypatch.setattr("pathlib.Path.rename", failing_rename)
    with pytest.raises(OSError, match="No space"):
        update_spec.replace(there)
    assert {path.read_text() for path in here.rglob("*") if path.is_file()} == {"old"}
    assert [path.name for path in here.iterdir() if path.name.startswith(".")] == []
