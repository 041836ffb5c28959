"""A property that the OpenAPI document gains is an argument, an option and a column by itself."""

import json
import subprocess
import sys

import pytest

from scripts.generation.methods import render_methods
from tests.evolution.derive import evolutions

LOOK = """
import inspect, json
from modelgates_speech.call import prepare
from modelgates_speech.jobs.manifest import read_rows
from modelgates_speech.speech import Speech
from click.testing import CliRunner
from modelgates_speech.cli.speak import command
request = dict(model="m", voice="v", input="Hello")
given = json.loads({given!r})
rows = [*read_rows({manifest!r}, {{}})]
print(json.dumps({{
    "parameters": [*inspect.signature(Speech.create).parameters],
    "doc": " ".join(Speech.create.__doc__.split()),
    "help": " ".join(CliRunner().invoke(command, ["--help"]).output.split()),
    "asked": [n for n, v in command.make_context("speak", []).params.items() if v is not None],
    "sent": prepare(**request, **given).kwargs["json"],
    "rows": [getattr(row, "request", str(row)) for row in rows],
}}))
"""


def look(tree, document, given, csv):
    """Generate `tree` anew from a document, and ask it what it then offers."""
    code, _, err = tree.run("scripts.generate", f"--document={document}")
    assert code == 0, err
    manifest = tree.root / "rows.csv"
    manifest.write_text(csv, "utf-8")
    script = tree.root / "look.py"
    script.write_text(LOOK.format(given=json.dumps(given), manifest=str(manifest)), "utf-8")
    paths = (
        f"import sys; sys.path[:0] = [{str(tree.root / 'src')!r}, {str(tree.root / 'generated')!r}]"
    )
    run = [sys.executable, "-c", f"{paths}; exec(open({str(script)!r}).read())"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def derived(document, write):
    """Write one of the documents of this folder to a file."""
    known = {evolution.name: evolution for evolution in evolutions()}
    return lambda name: write(known[name].apply(document))


def test_new_properties_of_each_type_are_arguments_options_and_columns(tree, derived):
    given = {
        "style": "dry",
        "pitch": 1.5,
        "seed": 3,
        "normalize": False,
        "emotion": "newer than the document",
        "pronunciation": {"GIF": "jif"},
    }
    csv = (
        "id,input,model,voice,style,pitch,seed,normalize,emotion,pronunciation\n"
        'a,Hello,m,v,dry,1.5,3,false,happy,"{""GIF"": ""jif""}"\n'
    )
    seen = look(tree, derived("arguments-of-each-type"), given, csv)
    assert given.keys() <= set(seen["parameters"])
    for name, description in (("style", "How to say it"), ("seed", "The same again")):
        assert f"{name}: {description}" in seen["doc"]
        assert description in seen["help"]
    for option in ("--style", "--pitch", "--seed", "--normalize", "--no-normalize", "--emotion"):
        assert option in seen["help"]
    assert [name for name in seen["asked"] if "normalize" in name] == []
    assert seen["sent"].items() >= given.items()
    [row] = seen["rows"]
    assert row.items() >= (given | {"emotion": "happy"}).items()


def test_names_that_python_or_our_options_have_taken_get_others_and_are_sent_as_they_are(
    tree, derived
):
    given = {"class_": "first", "timeout_": 3.5, "locals_": "l", "x_trace": "t", "stimme": "tief"}
    csv = "id,input,model,voice,stimme\na,Hello,m,v,tief\n"
    seen = look(tree, derived("arguments-with-odd-names"), given, csv)
    assert {*given, "timeout"} <= set(seen["parameters"])
    sent = {"class": "first", "timeout": 3.5, "locals": "l", "x-trace": "t", "stimme": "tief"}
    assert seen["sent"].items() >= sent.items()
    assert "--request-timeout" in seen["help"]
    assert "Deprecated." in seen["doc"]


def test_a_voice_that_may_be_an_object_stays_an_option_and_a_column(tree, derived):
    csv = 'id,input,model,voice\na,Hello,m,newer\nb,Hello,m,"{""id"": ""v1""}"\n'
    seen = look(tree, derived("voice-a-name-or-an-object"), {}, csv)
    assert "--voice ash|coral" in seen["help"]
    assert "[default: ash]" in seen["help"]
    assert [row["voice"] for row in seen["rows"]] == ["newer", {"id": "v1"}]


@pytest.mark.parametrize("text", ["声" * 400, f"See https://speech.example/{'v' * 400}"])
def test_a_long_description_without_blanks_is_shown_from_its_start(text):
    shown = {"name": "voice", "type": "string", "values": (), "description": text}
    argument = shown | {"deprecated": False, "required": True}
    written = render_methods({"voice": argument}, "create-speech")
    assert f"voice: {text[:80]}" in written
    assert text not in written.replace("\n", "").replace(" ", "")
