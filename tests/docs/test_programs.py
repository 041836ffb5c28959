"""The programs in docs/examples run, in the languages there are here, and are shown as is."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelgates_speech.stub import StubServer
from tests.edition import needs_nothing_new, skip_what_is_gone
from tests.stub.conftest import REFERENCE

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
PROGRAMS = {
    "stub.mjs": ["node"],
    "stub.go": ["go", "run"],
    "Stub.java": ["java"],
    "stub.rb": ["ruby"],
    "stub.sh": ["sh"],
}
NEEDED = {"stub.sh": "curl"}
# What each page shows, and in which file it stands.
SHOWN = {
    "node": "stub.mjs",
    "go": "stub.go",
    "java": "Stub.java",
    "ruby": "stub.rb",
    "shell": "stub.sh",
    "pytest": "test_with_pytest.py",
    "unittest": "test_with_unittest.py",
    "containers": "Containerfile",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_breaks_a_call_and_sees_what_arrived(name, tmp_path):
    for tool in (PROGRAMS[name][0], NEEDED.get(name, "sh")):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    with StubServer(document=REFERENCE, any_key=True) as stub:
        ran = subprocess.run(
            [*PROGRAMS[name], EXAMPLES / name, stub.base_url],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            # Asked to, Node.js colours numbers in a pipe, too.
            env={name: value for name, value in os.environ.items() if name != "FORCE_COLOR"},
        )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("\n")
    refused, spoken, *seen = ran.stdout.splitlines()
    assert refused == "refused: 429 come back in 3 s"
    assert re.fullmatch(r"spoken: 200 \d{4,} bytes", spoken)
    path = "POST /api/v1/audio/speech"
    assert seen == [f"{path} 429 Hello", f"{path} 200 Hello again"]


@needs_nothing_new
@pytest.mark.parametrize(
    ("module", "passed"),
    [
        (["pytest", "-q", "-p", "no:asyncio", "test_with_pytest.py"], "4 passed"),
        (["unittest", "test_with_unittest.py"], "Ran 2 tests"),
    ],
    ids=["pytest", "unittest"],
)
def test_the_tests_in_python_pass(module, passed, tmp_path, monkeypatch):
    skip_what_is_gone(*(file.read_text("utf-8") for file in EXAMPLES.glob("test_*.py")))
    # Other plugins of pytest need all that is installed.
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for file in EXAMPLES.glob("test_*.py"):
        shutil.copy(file, tmp_path)
    command = [sys.executable, "-Werror", "-m", *module]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert passed in ran.stdout + ran.stderr


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_shows_the_program_as_it_is(page):
    assert (EXAMPLES / SHOWN[page]).read_text("utf-8") in (
        DOCS / "testing" / f"{page}.md"
    ).read_text("utf-8")


def test_every_page_is_linked_and_every_link_leads_somewhere():
    guide = (DOCS / "testing-your-program.md").read_text("utf-8")
    assert {f"testing/{page}.md" for page in SHOWN} <= set(re.findall(r"\((testing/.*?)\)", guide))
    for page in SHOWN:
        text = (DOCS / "testing" / f"{page}.md").read_text("utf-8")
        links = re.findall(r"\]\((\.\..*?)[#)]", text)
        assert links
        assert all((DOCS / "testing" / link).exists() for link in links)


@pytest.mark.skipif(os.name != "posix", reason="it is for a shell")
def test_who_waits_for_a_stub_that_cannot_start_is_not_left_waiting(tmp_path):
    pages = [page.read_text("utf-8") for page in (DOCS / "testing").glob("*.md")]
    found = re.findall(r"^(rm -f address\n.*?)^```", "".join(pages), re.MULTILINE | re.DOTALL)
    assert found
    for commands in set(found):
        for code, leaves in ((3, ""), (0, "echo http://stub > address;")):
            command = f"modelgates-speech() {{ {leaves} return {code}; }}\n{commands}"
            subprocess.run(["bash", "-c", command], cwd=tmp_path, check=False, timeout=60)
            assert (tmp_path / "address").exists() == bool(leaves)


def test_a_page_has_its_reader_write_the_book_that_a_command_reads():
    pages = [page.read_text("utf-8") for page in DOCS.rglob("*.md")]
    before = [
        text.partition(" narrate book.txt")[0] for text in pages if " narrate book.txt" in text
    ]
    assert before
    assert all(" > book.txt" in text for text in before)


@pytest.fixture
def image():
    """The instructions of the Containerfile, by their first words."""
    lines = (EXAMPLES / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line and line[0] not in "# ")


def test_an_image_is_built_without_a_network(image):
    assert "--no-index" in image["RUN"]
    assert "--find-links /wheels" in image["RUN"]
    assert re.match(r"pip install ", image["RUN"])


@pytest.mark.parametrize("options", [[], ["--tls"]])
def test_what_an_image_starts_serves_and_is_healthy(image, tmp_path, monkeypatch, options):
    pytest.importorskip("click")
    if options:
        pytest.importorskip("trustme")
    # As Docker gives it to a container where a company has one; nobody listens there.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    entry = json.loads(image["ENTRYPOINT"])
    health = json.loads(image["HEALTHCHECK"].partition("CMD")[2])
    assert entry[:2] == ["modelgates-speech", "stub"]
    ready = tmp_path / "address"
    command = [sys.executable, "-m", "modelgates_speech", *entry[1:]]
    command += ["--port", "0", "--quiet", "--ready-file", f"{ready}", *options]
    with subprocess.Popen(command) as process:
        try:
            while not (ready.exists() and ready.read_text()):
                assert process.poll() is None
                time.sleep(0.05)
            port = re.search(r":(\d+)/", ready.read_text())[1]
            probe = [sys.executable, *(part.replace("8080", port) for part in health[1:])]
            subprocess.run(probe, check=True)
        finally:
            process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(probe, check=True, capture_output=True)
