"""A real browser, and a stub whose page it shows."""

import os
import shutil

import pytest

from modelgates_speech.stub import StubServer
from tests.stub.conftest import REFERENCE

# Chromium speaks to nobody but the page's server.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What is about to be heard, measured before it is: the buffers that are started, and what
# reaches the loudspeaker.
EAR = """
window.started = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  const samples = this.buffer.getChannelData(0);
  const sum = samples.reduce((all, sample) => all + sample * sample, 0);
  window.started.push({ count: samples.length, rate: this.buffer.sampleRate, sum });
  return start.apply(this, when);
};
window.loudest = 0;
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const ear = new AnalyserNode(target.context);
    connect.call(this, ear);
    const heard = new Float32Array(ear.fftSize);
    const listen = () => {
      ear.getFloatTimeDomainData(heard);
      const mean = heard.reduce((all, sample) => all + sample * sample, 0) / heard.length;
      window.loudest = Math.max(window.loudest, Math.sqrt(mean));
      requestAnimationFrame(listen);
    };
    listen();
  }
  return connect.call(this, target, ...rest);
};
"""


@pytest.fixture(scope="session")
def browser():
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: install it (on Debian, `chromium`) or name it in CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def stub():
    with StubServer(document=REFERENCE) as server:
        yield server


@pytest.fixture
def visit(browser):
    """Open the page of a stub, with an ear; what the browser finds wrong fails the test."""
    contexts = []
    wrong = []

    def visit(stub, fragment="", **options):
        home = stub.url
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.add_init_script(EAR)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            # Where a redirect would have led is told as well; it is not gone to.
            lambda request: (
                request.redirected_from
                or request.url.startswith((home, "data:", "blob:"))
                or wrong.append(request.url)
            ),
        )
        page.goto(f"{home}/{fragment}")
        page.locator("#where", has_text=home).wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []
