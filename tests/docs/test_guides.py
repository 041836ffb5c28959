"""What the guides promise, beyond that their examples run."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import miniaudio
import pytest

from tests.docs.test_examples import GUIDES, ROOT, run_through
from tests.edition import needs_mp3, needs_nothing_new, needs_pcm

for brought in ("IPython", "fastapi", "soxr"):
    pytest.importorskip(brought, reason="`nox -s docs` brings it")
np = pytest.importorskip("numpy")

pytestmark = needs_nothing_new


@pytest.mark.parametrize("page", GUIDES)
def test_the_examples_of_a_guide_run_one_after_the_other(page, modelgates_stub, tmp_path):
    run_through(page, tmp_path)


def example(page, name):
    """Give the block of a page that is the file `name`."""
    text = (ROOT / page).read_text("utf-8")
    return re.search(rf"^```python\n(# {re.escape(name)}\n.*?)^```", text, re.M | re.S)[1]


@pytest.fixture
def site(modelgates_stub, tmp_path):
    """The guide's FastAPI application on a real server, before the stub."""
    (tmp_path / "app.py").write_text(example("docs/guides/browser.md", "app.py"), "utf-8")
    log = tmp_path / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-W", "error::ResourceWarning"),
                *("-m", "uvicorn", "app:app", "--port", "0"),
            ],
            cwd=tmp_path,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stderr=output,
            stdout=output,
        )
    try:
        while not (at := re.search(r"running on (http://\S+)", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield at[1]
    finally:
        server.terminate()
        server.wait(60)
    said = log.read_text()
    assert "Application shutdown complete" in said
    assert "ResourceWarning" not in said


def speech(site, text):
    query = urllib.parse.urlencode({"text": text})
    return urllib.request.urlopen(f"{site}/speech?{query}", timeout=30)


@needs_mp3
def test_a_browser_gets_mp3_that_plays(site):
    with speech(site, "Hello. How are you?") as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        assert miniaudio.decode(answer.read()).num_frames > 0


@needs_mp3
def test_the_page_has_a_player_for_the_very_address_that_speaks(site):
    with urllib.request.urlopen(site, timeout=30) as answer:
        page = answer.read().decode()
    with urllib.request.urlopen(site + re.search(r'src="(.*?)"', page)[1], timeout=30) as answer:
        assert answer.read(1)


@needs_mp3
def test_a_browser_hears_the_start_while_the_rest_is_not_yet_there(site, modelgates_stub):
    modelgates_stub.fail_next("stall-midway", after=5000)
    with speech(site, "Hello. " * 50) as answer:
        assert answer.read(1000)


@needs_mp3
def test_a_listener_who_leaves_leaves_the_server_fit(site, modelgates_stub):
    modelgates_stub.fail_next("stall-midway", after=5000)
    with speech(site, "Hello. " * 50) as answer:
        answer.read(1000)
    with speech(site, "Next.") as answer:
        assert answer.read()


@needs_mp3
def test_a_browser_sees_that_the_sound_was_cut(site, modelgates_stub):
    modelgates_stub.fail_next("cut", after=5000)
    with speech(site, "Hello.") as answer, pytest.raises(http.client.IncompleteRead):
        answer.read()


@needs_mp3
@pytest.mark.parametrize(
    ("fault", "status", "wait"), [(429, 503, "90"), ("reset", 502, None), ("html", 502, None)]
)
def test_what_the_api_refuses_becomes_a_status(site, modelgates_stub, fault, status, wait):
    modelgates_stub.fail_next(fault, **({"retry_after": 90} if wait else {}))
    with pytest.raises(urllib.error.HTTPError) as refused:
        speech(site, "Hello.")
    with refused.value as answer:
        assert (answer.code, answer.headers["retry-after"]) == (status, wait)
        assert json.loads(answer.read())["error"]


def test_a_text_that_is_too_long_costs_nothing(site, modelgates_stub):
    with pytest.raises(urllib.error.HTTPError) as refused:
        speech(site, "x" * 1001)
    with refused.value as answer:
        assert answer.code == 422
    modelgates_stub.assert_not_called()


@needs_pcm
def test_the_line_gets_frames_of_20_ms_that_decode_to_speech(modelgates_stub, tmp_path):
    program = example("docs/guides/telephony.md", "phone.py")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    coded = np.frombuffer((tmp_path / "call.ulaw").read_bytes(), np.uint8)
    samples = decoded(coded)
    assert len(coded) % 160 == 0
    assert 8000 < len(samples) < 8000 * 10
    assert abs(samples).max() > 5000


def decoded(coded):
    """Expand G.711 µ-law, by the other end's arithmetic."""
    code = ~coded
    magnitude = (((code & 15).astype(int) << 3) + 132 << (code >> 4 & 7).astype(int)) - 132
    return np.where(code & 128, -magnitude, magnitude)


def test_companding_and_expanding_is_true_to_half_a_step():
    program = example("docs/guides/telephony.md", "phone.py").split("\n\n\nwith open")[0]
    phone = {}
    exec(program, phone)
    samples = np.arange(-32768, 32768).astype("<i2")
    heard = decoded(np.frombuffer(phone["mu_law"](samples), np.uint8))
    clipped = np.clip(samples.astype(int), -32635, 32635)
    assert (abs(heard - clipped) <= (abs(clipped) + 132) / 32).all()
