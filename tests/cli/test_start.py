"""What starting costs, and what it says when a part is not installed."""

import re

import pytest


def heavy(modules):
    known = {"click", "tqdm", "httpx", "attrs", "attr", "modelgates_api", "starlette", "uvicorn"}
    return known & {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_costs_no_import(run, modules_loaded, environment, option):
    ended = run(option, env=environment)

    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(r"modelgates-speech \d+\.\d+\.\d+\n", ended.out)
    loaded = modules_loaded(option, env=environment)
    assert "modelgates_speech.cli" in loaded
    assert heavy(loaded) == set()
    assert not {"importlib.metadata", "logging", "modelgates_speech.errors"} & loaded


def test_help_needs_no_http_library(modules_loaded, environment):
    loaded = modules_loaded("speak", "--help", env=environment)

    assert "click" in loaded
    assert heavy(loaded) & {"httpx", "modelgates_api", "tqdm", "starlette"} == set()


def test_a_command_that_is_not_called_is_not_imported(modules_loaded, environment):
    loaded = modules_loaded("completion", "bash", env=environment)

    assert "modelgates_speech.cli.completion" in loaded
    assert not {"modelgates_speech.cli.speak", "modelgates_speech.cli.stub"} & loaded


@pytest.fixture
def without(tmp_path, environment):
    """The variables of a user on whose machine a module is not installed."""

    def without(module):
        # Found before the real one, and failing as the import of a missing module does.
        hole = tmp_path / "hole"
        hole.mkdir()
        name = f"No module named {module!r}"
        hole.joinpath(f"{module}.py").write_text(
            f"raise ModuleNotFoundError({name!r}, name={module!r})"
        )
        path = environment.get("PYTHONPATH", "")
        return environment | {"PYTHONPATH": f"{hole}:{path}"}

    return without


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("click", ("speak", "Hello", "--local"), "cli"),
        ("click", ("--help",), "cli"),
        ("starlette", ("speak", "Hello", "--local"), "stub"),
        ("uvicorn", ("stub", "--port", "0"), "stub"),
    ],
)
def test_an_extra_that_is_missing_is_named_in_one_line(run, without, module, arguments, extra):
    ended = run(*arguments, env=without(module))

    assert ended.code == 3
    assert re.fullmatch(
        rf'modelgates-speech: error: .* pip install "modelgates-speech\[{extra}\]"\n', ended.err
    )


def test_the_version_works_without_the_extra(run, without):
    assert run("--version", env=without("click")).code == 0


def test_without_a_speech_engine_local_plays_tones_and_says_so(run, without, folder):
    ended = run("speak", "Hello", "--local", "-o", "a.wav", env=without("espeakng_loader"))

    assert ended.code == 0
    assert "tones" in ended.err
    assert (folder / "a.wav").stat().st_size > 2000
