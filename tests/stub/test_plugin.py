"""The pytest fixture, in projects of its own, as users have them."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from modelgates_speech._binding import BASE_URL
from tests.edition import DEMANDS_MORE, EDITION, PATH

pytest_plugins = "pytester"

SPEECH = f"{urlsplit(BASE_URL).path}{PATH}"

CALL = """
    import os
    import urllib.request
    import urllib.error
    import json
    import pytest

    def call(**changed):
        '''A program that knows the API by its two variables alone.'''
        body = {"input": "Hello", "model": "m", "voice": "alloy"} | changed
        request = urllib.request.Request(
            os.environ["MODELGATES_BASE_URL"] + "/audio/speech",
            json.dumps(body).encode(),
            {
                "Authorization": "Bearer " + os.environ["MODELGATES_API_KEY"],
                "Content-Type": "application/json",
            },
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
"""


@pytest.fixture
def project(pytester, monkeypatch, environment):
    """A user's project: its tests run in a process of their own, warnings being errors."""
    if DEMANDS_MORE:
        pytest.skip("the OpenAPI document demands more than the program of the project says")
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    for name in ("MODELGATES_BASE_URL", "MODELGATES_API_KEY", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)

    def run(tests, *plugins, arguments=()):
        pytester.makepyfile(
            program=CALL + f"\n    OK = {EDITION.success[0]}",
            test_it="from program import *\n" + tests,
        )
        # Only the plugins that a test is about: loading all that are here takes seconds.
        names = ("no:cacheprovider", "modelgates_speech.stub.pytest_plugin", *plugins)
        chosen = [word for name in names for word in ("-p", name)]
        return pytester.runpytest_subprocess(
            *("-Werror", "--disable-plugin-autoload", *chosen, *arguments), timeout=170
        )

    return run


def test_pytest_finds_the_fixture_by_the_packages_metadata():
    metadata = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))

    assert metadata["project"]["entry-points"]["pytest11"] == {
        "modelgates_speech": "modelgates_speech.stub.pytest_plugin"
    }


def test_a_stub_that_a_test_stops_is_there_for_the_next_where_it_was(project):
    tests = """
@pytest.fixture(scope="session")
def base_url(modelgates_stub_server):
    return modelgates_stub_server.base_url

def test_it_is_refused(modelgates_stub, base_url):
    modelgates_stub.stop()
    with pytest.raises(urllib.error.URLError):
        call()
    modelgates_stub.assert_not_called()

def test_it_is_answered(modelgates_stub, base_url):
    assert call()[0] == OK
    assert modelgates_stub.base_url == base_url
"""
    project(tests).assert_outcomes(passed=2)


@pytest.mark.skipif(
    not entry_points(group="pytest11", name="modelgates_speech"), reason="it is not installed"
)
@pytest.mark.parametrize("options", [(), ("--disable-plugin-autoload",)])
def test_it_can_be_asked_for_by_its_name_though_it_is_there(pytester, options):
    pytester.makepyfile("def test_has_it(modelgates_stub): pass")
    # Other plugins are there as well; the one that takes seconds to load need not be.
    names = ("modelgates_speech", "no:cacheprovider", "no:schemathesis")
    options = (*(word for name in names for word in ("-p", name)), *options)
    pytester.runpytest_subprocess(*options, timeout=170).assert_outcomes(passed=1)


def test_the_environment_points_at_the_stub_during_the_test_only(project):
    project(
        """
def test_before(): assert "MODELGATES_BASE_URL" not in os.environ
def test_speaks(modelgates_stub):
    status, audio = call()
    assert status == OK and len(audio) > 5000
    assert os.environ["MODELGATES_BASE_URL"] == modelgates_stub.base_url
    assert os.environ["MODELGATES_API_KEY"] == modelgates_stub.api_key
    modelgates_stub.assert_called(times=1, voice="alloy")
def test_after(): assert "MODELGATES_API_KEY" not in os.environ
"""
    ).assert_outcomes(passed=3)


def test_each_test_finds_it_fresh_though_the_server_is_one(project):
    project(
        """
seen = []
def test_one(modelgates_stub):
    modelgates_stub.fail_next(503)
    assert call()[0] == 503
    seen.append(modelgates_stub.base_url)
def test_two(modelgates_stub):
    modelgates_stub.assert_not_called()
    assert call()[0] == OK
    assert seen == [modelgates_stub.base_url]
"""
    ).assert_outcomes(passed=2)


def test_a_fault_that_nothing_met_fails_the_test_and_says_which(project):
    result = project(
        """
def test_forgets_to_call(modelgates_stub):
    modelgates_stub.fail_next(429, times=2, retry_after=7)
    assert call()[0] == 429
def test_is_not_harmed_by_it(modelgates_stub):
    assert call()[0] == OK
def test_forgets_it_in_a_scope(modelgates_stub):
    modelgates_stub.scope("a").fail_next(503)
def test_may_change_its_mind(modelgates_stub):
    modelgates_stub.fail_next(500)
    modelgates_stub.reset()
"""
    )

    result.assert_outcomes(errors=2, passed=4)
    result.stdout.fnmatch_lines(
        [
            "*test_forgets_to_call*",
            "no request met these injected faults:",
            "  429 (retry_after=7)",
            "the stub received:",
            f"  POST {SPEECH} -> 429, fault 429 (retry_after=7): *",
        ]
    )


def test_a_fault_may_be_met_by_what_a_fixture_sends_when_it_is_torn_down(project):
    project(
        """
@pytest.fixture
def goodbye(modelgates_stub):
    yield
    assert call()[0] == 503
def test_leaves(goodbye, modelgates_stub):
    modelgates_stub.fail_next(503)
"""
    ).assert_outcomes(passed=1)


def test_a_test_that_fails_by_itself_keeps_its_own_reason(project):
    result = project(
        """
def test_fails(modelgates_stub):
    modelgates_stub.fail_next(503)
    raise RuntimeError("my own reason")
"""
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RuntimeError: my own reason"])
    result.stdout.no_fnmatch_line("*no request met*")


def test_a_test_that_skips_itself_owes_nothing(project):
    project(
        """
import pytest
def test_skips(modelgates_stub):
    modelgates_stub.fail_next(503)
    pytest.skip("not here")
"""
    ).assert_outcomes(skipped=1)


def test_a_failed_assertion_reads_well(project):
    result = project(
        """
def test_expects_another_voice(modelgates_stub):
    call()
    modelgates_stub.assert_called(times=1, voice="nobody")
"""
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*expected 1 request(s) with voice='nobody', found 0; the stub received:",
            f"E*POST {SPEECH} -> {EDITION.success[0]}: {{'input': 'Hello', *'voice': 'alloy'}}",
        ]
    )


def test_each_xdist_worker_has_a_server_of_its_own(project):
    result = project(
        """
import time
@pytest.mark.parametrize("number", range(8))
def test_counts_only_its_own(modelgates_stub, number, worker_id):
    for _ in range(number + 1):
        call(input=worker_id)
    modelgates_stub.assert_called(times=number + 1)
    modelgates_stub.assert_called(times=number + 1, input=worker_id)
""",
        "xdist.plugin",
        arguments=("-n", "2"),
    )

    result.assert_outcomes(passed=8)


@pytest.mark.parametrize(
    ("runner", "plugins", "options"),
    [
        ("anyio", ["anyio.pytest_plugin"], []),
        (
            "asyncio",
            ["pytest_asyncio.plugin"],
            ["-o", "asyncio_default_fixture_loop_scope=function"],
        ),
    ],
)
def test_async_tests_can_use_it(project, runner, plugins, options):
    result = project(
        f"""
import asyncio
@pytest.fixture
def anyio_backend(): return "asyncio"
@pytest.mark.{runner}
async def test_speaks(modelgates_stub):
    modelgates_stub.fail_next(503)
    answers = await asyncio.gather(*(asyncio.to_thread(call) for _ in range(3)))
    assert sorted(status for status, _ in answers) == [OK, OK, 503]
    modelgates_stub.assert_called(times=3)
@pytest.mark.{runner}
async def test_is_failed_by_what_nothing_met(modelgates_stub):
    modelgates_stub.fail_next(503)
""",
        *plugins,
        arguments=options,
    )

    result.assert_outcomes(passed=2, errors=1)


def test_the_projects_client_finds_the_stub_by_itself(project):
    project(
        """
from modelgates_speech import ModelGates, ServiceUnavailableError
def test_speaks(modelgates_stub):
    with ModelGates() as client:
        audio = client.audio.speech.create(model="m", voice="alloy", input="Hello")
        modelgates_stub.fail_next(503, times=3, retry_after=0)
        with pytest.raises(ServiceUnavailableError):
            client.audio.speech.create(model="m", voice="alloy", input="Hello")
    assert audio.content == call()[1]
    modelgates_stub.assert_called(times=3, status=503)
"""
    ).assert_outcomes(passed=1)


def test_the_client_finds_the_stub_where_a_test_has_put_the_files_away(project):
    """As pyfakefs does."""
    project(
        """
import io
import os
from modelgates_speech import ModelGates

def gone(path, *arguments, **options):
    raise FileNotFoundError(2, "there are no files in this test", path)

def test_speaks(modelgates_stub, monkeypatch):
    for module, name in ((os, "stat"), (os, "listdir"), (os, "open"), (io, "open")):
        monkeypatch.setattr(module, name, gone)
    with ModelGates() as client:
        assert client.audio.speech.create(model="m", voice="alloy", input="Hello").duration
"""
    ).assert_outcomes(passed=1)


def test_a_run_that_does_not_use_it_imports_nothing_of_it(environment):
    program = """if True:
        import sys
        import pytest
        from modelgates_speech.stub import pytest_plugin
        heavy = {"starlette", "uvicorn", "httpx", "jsonschema", "lameenc", "anyio", "ctypes",
                 "modelgates_api", "attrs", "modelgates_speech.stub.server",
                 "modelgates_speech.stub.app"}
        print(sorted(heavy & sys.modules.keys()))
    """
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )

    assert ended.stdout == "[]\n"
