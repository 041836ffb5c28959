"""The stub's page speaks, shows and breaks, in a real browser, for eyes, keyboards and readers."""

import copy
import keyword
import re
import subprocess
import sys
import threading
import wave

import httpx
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
from playwright.sync_api import expect  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.routing import Mount  # noqa: E402

from modelgates_speech.stub import StubServer  # noqa: E402
from modelgates_speech.stub.usage import KINDS  # noqa: E402
from tests.stub.conftest import BODY, REFERENCE  # noqa: E402

RATE = 24_000
LONG = 60_000


def speak(page, text=None, *, says=r"s of audio$"):
    if text is not None:
        page.get_by_label("input").fill(text)
    page.get_by_role("button", name="Speak").click()
    expect(page.locator("#state")).to_have_text(re.compile(says), timeout=LONG)


def loudness(page):
    """The root mean square of all that was started to play, and its seconds."""
    started = page.evaluate("window.started")
    count = sum(each["count"] for each in started)
    assert {each["rate"] for each in started} == {RATE}
    return (sum(each["sum"] for each in started) / count) ** 0.5, count / RATE


def post(stub, **fields):
    headers = {"Authorization": f"Bearer {stub.api_key}"}
    url = f"{stub.base_url}/audio/speech"
    return httpx.post(url, json=BODY | fields, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def three_formats():
    document = copy.deepcopy(REFERENCE)
    document["components"]["schemas"]["SpeechRequestResponseFormat"]["enum"] = ["mp3", "pcm", "wav"]
    return document


@pytest.mark.parametrize("response_format", ["pcm", "mp3", "wav"])
def test_a_text_is_heard_as_loud_and_as_long_as_it_was_spoken(
    visit, three_formats, response_format
):
    with StubServer(document=three_formats) as stub:
        page = visit(stub)
        page.get_by_role("radio", name=response_format).check()
        speak(page, "Hello world. How are you?")
        pcm = memoryview(post(stub, input="Hello world. How are you?").content).cast("h")
        level, seconds = loudness(page)
        expect(page.locator("#play")).to_be_enabled()
        expect(page.locator("#stop")).to_be_disabled(timeout=LONG)  # It has been played to its end.

    spoken = (sum(sample * sample for sample in pcm) / len(pcm)) ** 0.5 / 32768
    assert level == pytest.approx(spoken, rel=0.1)
    assert seconds == pytest.approx(len(pcm) / RATE, abs=0.2)
    assert page.evaluate("window.loudest") > spoken / 2
    assert stub.requests[0].body.get("response_format", "pcm") == response_format


class Gated:
    """Speaks half a second of noise a piece; every piece but the first waits for its gate."""

    name = "gated"

    def __init__(self):
        self.gate = threading.Event()
        self.said = 0

    def say(self, text, *, voice, speed):
        assert not self.said or self.gate.wait(60)
        self.said += 1
        return (b"\x00\x10\x00\xf0" * 3) * (RATE // 12)


def test_it_is_heard_as_it_arrives(visit):
    engine = Gated()
    with StubServer(document=REFERENCE, engine=engine) as stub:
        page = visit(stub)
        speak(page, "One. Two. Three.", says="^Speaking")
        assert loudness(page)[0] > 0.05
        expect(page.locator("#wave")).to_have_attribute("aria-label", "Waveform of 0.50 s of audio")
        assert engine.said == 1
        engine.gate.set()
        expect(page.locator("#state")).to_have_text("1.50 s of audio", timeout=LONG)


def test_what_was_heard_is_heard_again_from_anywhere_and_stops(visit, stub):
    page = visit(stub)
    speak(page, "Hello world. " * 20)
    page.keyboard.press("Escape")
    expect(page.locator("#stop")).to_be_disabled()
    seek = page.get_by_role("slider", name="Position in the audio")
    seek.focus()
    page.keyboard.press("End")
    page.keyboard.press("PageDown")
    expect(page.locator("#stop")).to_be_enabled()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#stop")).to_be_disabled()
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#stop")).to_be_enabled()


def test_what_was_heard_is_saved_so_that_any_player_knows_it(visit, stub, tmp_path):
    page = visit(stub)
    speak(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save").click()
    download.value.save_as(tmp_path / "saved.wav")
    assert download.value.suggested_filename == "hello.wav"
    with wave.open(str(tmp_path / "saved.wav")) as audio:
        assert (audio.getframerate(), audio.getsampwidth(), audio.getnchannels()) == (RATE, 2, 1)
        text = stub.last_request.body["input"]
        assert audio.readframes(audio.getnframes()) == post(stub, input=text).content


def test_fields_and_choices_are_those_of_the_document_of_the_day(visit):
    document = copy.deepcopy(REFERENCE)
    variables = {"edition": {"default": "v7"}}
    document["servers"] = [{"url": "https://api.example/{edition}", "variables": variables}]
    operation = document["paths"]["/audio/speech"]["post"]
    operation["parameters"].append(
        {"name": "X-Team", "in": "header", "required": True, "schema": {"enum": ["red", "blue"]}}
    )
    schema = document["components"]["schemas"]["SpeechRequest"]
    schema["properties"]["voice"] = {"enum": ["ann", "ben", "cid", "dee", "eve"]}
    schema["properties"]["speed"] = {"type": "number", "minimum": 0.5, "maximum": 2}
    schema["properties"]["whisper"] = {"type": "boolean", "description": "Speak `softly`"}
    schema["properties"]["style"] = {"type": ["string", "null"], "example": "calm"}
    schema["required"] = ["input", "voice", "model", "whisper", "style"]
    with StubServer(document=document) as stub:
        page = visit(stub)
        offered = page.get_by_label("voice", exact=True).locator("option").all_text_contents()
        assert offered == ["ann", "ben", "cid", "dee", "eve"]
        page.get_by_label("voice", exact=True).select_option("dee")
        page.get_by_label("speed").fill("1.5")
        page.get_by_role("group", name="whisper").get_by_label("true").check()
        page.get_by_role("group", name="X-Team").get_by_label("blue").check()
        speak(page)
        [request] = stub.requests

    assert request.path == "/v7/audio/speech"
    assert request.headers["x-team"] == "blue"
    body = {"voice": "dee", "speed": 1.5, "whisper": True, "style": "calm"}
    assert request.body == request.body | body


def test_a_field_that_is_not_json_is_named_and_nothing_is_sent(visit, stub):
    page = visit(stub)
    page.get_by_text("Key and everything else").click()
    page.get_by_label("provider").fill("{")
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_role("alert")).to_contain_text("provider is not JSON")
    assert page.get_by_label("provider").get_attribute("aria-invalid") == "true"
    stub.assert_not_called()


def test_the_request_runs_as_curl_and_as_python(visit, stub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = visit(stub)
    text = 'It\'s "quoted" \\ $HOME `ls` \N{SNOWMAN}\n{1..3}'
    page.get_by_label("input").fill(text)
    page.get_by_label("speed").fill("2")
    page.get_by_text("Key and everything else").click()
    page.get_by_label("provider").fill('{"options": {"openai": {"calm": true, "more": null}}}')
    speak(page)
    subprocess.run(["sh", "-ec", page.locator("#code").inner_text()], check=True)
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    subprocess.run([sys.executable, "-c", page.locator("#code").inner_text()], check=True)

    first, second, third = stub.requests
    assert first.body["input"] == text
    assert first.body == second.body == third.body
    pcm = (tmp_path / "hello.pcm").read_bytes()
    assert (tmp_path / "hello.wav").read_bytes().endswith(pcm)


def test_what_is_no_argument_of_the_client_is_sent_as_well(visit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = [*keyword.kwlist, "a-b", "1st", "\N{SNOWMAN}", "constructor", "extra_body", "timeout"]
    document = copy.deepcopy(REFERENCE)
    properties = document["components"]["schemas"]["SpeechRequest"]["properties"]
    properties |= {name: {"type": "string", "example": "calm"} for name in odd}
    with StubServer(document=document) as stub:
        page = visit(stub)
        speak(page)
        page.get_by_role("tab", name="Python").click()
        subprocess.run([sys.executable, "-c", page.locator("#code").inner_text()], check=True)
        shown, run = stub.requests
    assert run.body == shown.body == shown.body | dict.fromkeys(odd, "calm")


def test_keys_of_the_tabs_move_nothing_else(visit, stub):
    page = visit(stub, viewport={"width": 600, "height": 300})
    curl, python = page.get_by_role("tab", name="curl"), page.get_by_role("tab", name="Python")
    curl.focus()
    before = page.evaluate("scrollY")
    ends = [("End", python), ("End", python), ("Home", curl), ("Home", curl)]
    for key, there in [*ends, ("ArrowLeft", python), ("ArrowRight", curl)]:
        page.keyboard.press(key)
        page.evaluate("new Promise(requestAnimationFrame)")
        expect(there).to_be_focused()
        assert page.evaluate("scrollY") == before


@pytest.mark.parametrize(("allowed", "told"), [(["clipboard-write"], "Copied"), ([], "Not copied")])
def test_a_copy_is_reported_as_it_went(visit, stub, allowed, told):
    page = visit(stub, permissions=allowed)
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text(told)
    expect(page.locator("#said")).to_have_text(told)


def test_the_next_call_is_broken_by_keyboard_alone(visit, stub):
    page = visit(stub)
    page.get_by_label("How").focus()
    for _ in range(7):
        page.keyboard.press("ArrowDown")
    page.get_by_label("retry_after").fill("3")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Faults that wait")).to_contain_text("503 (retry_after=3)")
    page.get_by_label("input").focus()
    page.keyboard.press("Control+Enter")

    expect(page.get_by_role("alert")).to_contain_text("503 Service Unavailable")
    expect(page.get_by_role("alert")).to_contain_text("Retry-After: 3")
    expect(page.locator("#waiting")).to_be_hidden()
    row = page.locator("#seen li")
    expect(row).to_contain_text("fault 503")
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(row.locator("pre")).to_contain_text('"authorization": "Bearer [redacted]"')
    assert stub.api_key not in row.inner_text()


def test_every_fault_of_the_table_can_be_chosen_and_is_survived(visit, stub):
    page = visit(stub)
    offered = page.get_by_label("How").locator("option").all_text_contents()
    assert set(KINDS) < set(offered)
    endless = {"stall", "stall-midway", "drip", "slow"}
    for name in [name for name in offered if name not in endless]:
        page.get_by_label("How").select_option(name)
        page.get_by_role("button", name="Break the next call").click()
        expect(page.locator("#waiting")).to_contain_text(name)
        page.get_by_role("button", name="Speak").click()
        expect(page.locator("#waiting")).to_be_hidden()
        # Half a sample is not heard, and after a reset a browser asks again by itself.
        if name not in {"odd", "reset"}:
            expect(page.get_by_role("alert")).to_be_visible()
        expect(page.locator("#state")).not_to_have_text(re.compile("^Asking|^Speaking"))


def test_what_had_come_before_a_cut_can_be_heard(visit):
    engine = Gated()
    with StubServer(document=REFERENCE, engine=engine) as stub:
        page = visit(stub)
        speak(page, "One. Two.", says="^Speaking")
    expect(page.locator("#state")).to_have_text("Cut after 0.50 s", timeout=LONG)
    expect(page.get_by_role("alert")).to_contain_text("24,000 bytes")
    expect(page.locator("#save")).to_be_visible()
    assert loudness(page)[1] == pytest.approx(0.5, abs=0.01)
    engine.gate.set()


@pytest.mark.parametrize("fault", ["stall", "stall-midway"])
def test_an_answer_that_never_ends_is_stopped_by_a_key(visit, stub, fault):
    page = visit(stub)
    stub.fail_next(fault)
    page.get_by_role("button", name="Speak").click()
    expect(page.locator("#count")).to_have_text("1")
    page.keyboard.press("Escape")
    expect(page.locator("#state")).to_have_text(re.compile("^Stopped"))
    speak(page)


def test_requests_of_any_program_appear_as_they_come_and_are_forgotten(visit, stub):
    page = visit(stub)
    post(stub, input="From elsewhere", voice="nova")
    expect(page.locator("#seen li")).to_contain_text(["From elsewhere"])
    expect(page.locator("#seen li")).to_contain_text(["nova"])
    stub.fail_next(500)
    page.get_by_role("button", name="Forget requests and faults").click()
    expect(page.locator("#none")).to_be_visible()
    assert (stub.requests, stub.pending_faults) == ((), ())


def test_each_request_is_shown_whatever_it_is_called(visit):
    """An API may name its answers so that the stub has one name for all of them."""
    document = copy.deepcopy(REFERENCE)
    named = {"X-Request-Id": {"schema": {"type": "string", "format": "uuid"}}}
    document["paths"]["/audio/speech"]["post"]["responses"]["200"]["headers"] = named
    with StubServer(document=document) as stub:
        page = visit(stub)
        for text in ("One", "Two", "Two"):
            post(stub, input=text)
        expect(page.locator("#seen .what")).to_have_text(["Two", "Two", "One"], timeout=LONG)


def test_an_answer_that_comes_late_is_shown_when_it_has_come(visit, stub):
    page = visit(stub)
    stub.fail_next("slow", delay=4)
    post(stub, input="Late")
    expect(page.locator("#seen .status")).to_have_text(["200"], timeout=LONG)
    post(stub, input="Next")
    expect(page.locator("#seen .what")).to_have_text(["Next", "Late"], timeout=LONG)


def test_time_that_passes_is_not_read_out(visit, stub):
    """A screen reader would say nothing else while the audio is heard."""
    page = visit(stub)
    speak(page)
    expect(page.locator("#clock")).to_contain_text("s /")
    live = "output, [aria-live], [role=alert], [role=log], [role=status]"
    assert page.locator("#clock").evaluate(f"clock => clock.closest('{live}')") is None


def test_a_stub_that_is_gone_is_noticed(visit):
    with StubServer(document=REFERENCE) as stub:
        page = visit(stub)
    expect(page.locator("#where")).to_have_text("The stub does not answer", timeout=LONG)
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_role("alert")).to_contain_text("No answer")


def test_another_key_is_typed_or_comes_with_the_address(visit):
    with StubServer(document=REFERENCE, api_key="another") as stub:
        page = visit(stub)
        page.get_by_role("button", name="Speak").click()
        expect(page.get_by_role("alert")).to_contain_text("401")
        speak(visit(stub, "#key=another"))


def test_a_key_that_no_header_can_hold_is_named_and_nothing_is_sent(visit, stub):
    page = visit(stub)
    page.get_by_text("Key and everything else").click()
    page.get_by_label("API key").fill("key\N{ZERO WIDTH SPACE}")
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile("key.*200b"))
    stub.assert_not_called()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nobody_is_kept_out(visit, stub, theme, width):
    options = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    page = visit(stub, bypass_csp=True, **options)
    speak(page)
    stub.fail_next(429)
    post(stub)
    stub.fail_next(500)
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_role("alert")).to_be_visible()
    stub.fail_next("cut")
    expect(page.locator("#waiting")).to_be_visible()
    page.locator("#seen summary").first.click()
    page.get_by_text("Key and everything else").click()

    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_below_a_path_of_another_application_the_page_speaks_and_breaks(visit):
    stub = StubServer(document=REFERENCE)
    stub.app = Starlette(routes=[Mount("/tts", stub.app)])
    with stub:
        page = visit(stub, "tts/")
        speak(page, "Hello.")
        assert stub.last_request.path.startswith("/tts/")
        page.get_by_role("button", name="Break the next call").click()
        expect(page.locator("#waiting")).to_be_visible()
        assert stub.pending_faults


def test_whoever_works_by_keyboard_keeps_their_place(visit, stub):
    page = visit(stub)
    play, stop = page.locator("#play"), page.locator("#stop")
    play.focus()
    page.keyboard.press("Enter")  # There is nothing to play yet.
    expect(play).to_be_focused()

    stub.fail_next("stall")
    page.keyboard.press("Control+Enter")
    expect(stop).to_be_enabled()
    expect(play).to_be_focused()
    stop.focus()
    page.keyboard.press("Enter")
    expect(stop).to_be_disabled()
    expect(stop).to_be_focused()

    for leaving in ("#save", "#seek", "#trouble pre"):
        if leaving != "#trouble pre":
            speak(page)
        page.locator(leaving).focus()
        stub.fail_next(500, body=leaving)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#trouble pre")).to_have_text(leaving)
        assert page.evaluate("document.activeElement !== document.body")


def test_a_request_that_is_gone_leaves_the_focus_on_another(visit, stub):
    page = visit(stub)
    shown = []
    page.route("**/_stub/requests*", lambda route: route.fulfill(json={"requests": shown}))

    def show(*paths):
        row = {"method": "GET", "status": 404}
        shown[:] = [{**row, "path": path} for path in paths]
        expect(page.locator("#seen summary .what")).to_have_text(
            [f"GET {path}" for path in paths[::-1]]
        )

    show("/one", "/two", "/three")
    page.locator("#seen summary", has_text="two").focus()
    show("/two", "/three", "/four")
    expect(page.locator("#seen summary", has_text="two")).to_be_focused()
    show("/three", "/four")
    expect(page.locator("#seen summary", has_text="three")).to_be_focused()
    show()
    expect(page.locator("#reset")).to_be_focused()
