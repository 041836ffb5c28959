"""The stub is controlled over HTTP as in Python, from any language."""

import json
import re

import anyio
import httpx
import hypothesis
import pytest

from modelgates_speech.stub import Profile, StubServer, create_app
from modelgates_speech.stub.control import Course
from modelgates_speech.stub.engine import Tones
from modelgates_speech.stub.usage import CONTROL

from .conftest import BODY, REFERENCE, TRUSTED, connect


@pytest.fixture
def control(stub):
    with httpx.Client(base_url=stub.url, verify=TRUSTED) as client:
        yield client


def test_a_fault_is_injected_met_and_seen(control, http):
    answer = control.post("/_stub/faults", json={"fault": 429, "retry_after": 3, "times": 1})
    assert answer.status_code == 201
    assert len(answer.json()["faults"]) == 1
    refused = http.post("/audio/speech", json=BODY)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    assert control.get("/_stub/faults").json() == {"faults": []}
    [request] = control.get("/_stub/requests").json()["requests"]
    assert (request["status"], request["body"]) == (429, BODY)
    assert "stub-key" not in json.dumps(request)
    assert control.post("/_stub/reset").status_code == 204
    assert control.get("/_stub/requests").json() == {"requests": []}


def patterns(schema):
    """Every regular expression in a document, which says nothing to most people."""
    parts = schema.values() if isinstance(schema, dict) else schema
    for part in parts if isinstance(schema, dict | list) else ():
        yield from patterns(part)
    if isinstance(schema, dict) and isinstance(schema.get("pattern"), str):
        yield schema["pattern"]


@pytest.mark.parametrize("path", ["/_stub", "/_stub/", "/_stub/nothing"])
def test_what_the_control_has_not_is_not_taken_for_a_call(control, stub, path):
    refused = control.get(path)
    assert refused.status_code == 404
    assert "/_stub/faults" in refused.json()["error"]["message"]
    stub.assert_not_called()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "fault is missing"),
        ({"fault": 418.5}, "a status or a name"),
        ({"fault": "nonsense"}, "nonsense"),
        ({"fault": 200}, "200"),
        ({"fault": 429, "after": 5}, "after"),
        ({"fault": 429, "retry_afte": 5}, "retry_after"),
        ({"fault": 429, "times": 0}, "times"),
        ({"fault": "slow", "delay": -1}, "delay"),
        ({"fault": "slow", "delay": 10**400}, "delay"),
        ({"fault": "cut", "after": True}, "after"),
        ({"fault": "empty", "delay": 1}, "delay"),
        ({"fault": 429, "retry_after": [1]}, "retry_after"),
        ({"fault": 429, "message": None}, "message"),
        ({"fault": 500, "metadata": [1]}, "metadata"),
        ({"fault": 500, "body": 5}, "body"),
        ({"fault": 500, "headers": []}, "headers"),
        ({"fault": 500, "headers": {"X-A": 5}}, "headers"),
        ({"fault": 500, "headers": {"X A": "b"}}, "headers"),
        ({"fault": 500, "headers": {"Content-Length": "3"}}, "headers"),
        ({"fault": 500, "headers": {"CONTENT-length": "3"}}, "headers"),
        ({"fault": 500, "headers": {"TRANSFER-ENCODING": "chunked"}}, "headers"),
        ({"fault": 500, "content_type": 5}, "content_type"),
        ({"fault": 500, "headers": {"X-A": " b"}}, "headers"),
        ({"fault": 429, "retry_after": " "}, "retry_after"),
        ({"fault": 500, "headers": {"": "b"}}, "headers"),
        ({"fault": 500, "headers": {"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}}, "headers"),
        ({"fault": 500, "content_type": "text/plain "}, "content_type"),
        ({"fault": "redirect", "to": 5}, "to"),
        ({"fault": "redirect", "to": " "}, "to"),
        ({"fault": 503, "self": 1}, "self"),
        ([], "object"),
    ],
)
def test_what_cannot_be_injected_is_400_with_the_reason(control, stub, asked, says):
    answer = control.post("/_stub/faults", json=asked)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert says in message
    assert not [pattern for pattern in patterns(CONTROL) if pattern in message]
    assert not stub.pending_faults


@pytest.mark.parametrize(
    ("method", "path", "asked", "allowed"),
    [
        ("POST", "faults", {"fault": 429, "wait": 3}, ["fault", "times", "retry_after", "after"]),
        ("POST", "faults", {"faults": 429}, ["fault", "times"]),
        ("PUT", "profile", {"wait": 3}, ["latency", "credits"]),
    ],
)
def test_an_option_that_does_not_exist_is_told_of_in_the_words_of_http(
    control, method, path, asked, allowed
):
    refused = control.request(method, f"/_stub/{path}", json=asked)
    assert refused.status_code == 400
    told = refused.json()["error"]["message"]
    assert told.startswith(f"{path}: ")
    assert "()" not in told
    _, _, there_are = told.partition(";")
    assert {*allowed} <= {*re.findall(r"\w+", there_are)}


def test_what_is_not_there_says_what_is(control):
    missing = control.get("/_stub/fault")
    assert missing.status_code == 404
    assert "/_stub/faults" in missing.json()["error"]["message"]
    refused = control.delete("/_stub/faults")
    assert refused.status_code == 405
    assert {"GET", "POST"} <= set(refused.headers["Allow"].split(", "))
    assert "/_stub/faults" in refused.json()["error"]["message"]
    for path in ("nothing", "faults/"):
        assert control.get(f"/_stub/{path}").status_code == 404


def test_a_number_that_no_machine_holds_can_be_seen(control, http):
    content = json.dumps(BODY).replace("{", '{"speed": 1e999, ', 1)
    kind = {"Content-Type": "application/json"}
    assert http.post("/audio/speech", content=content, headers=kind).status_code == 200
    [request] = control.get("/_stub/requests").json()["requests"]
    assert request["body"] == BODY | {"speed": "Infinity"}


def test_the_document_that_it_follows_is_there_to_read(control):
    assert control.get("/openapi.json").json() == REFERENCE
    assert "/audio/speech:" in control.get("/openapi.yaml").text


def test_scopes_do_not_see_each_other(control, http, stub):
    mine = {"X-Stub-Scope": "mine"}
    control.post("/_stub/faults", json={"fault": 503}, headers=mine)
    assert http.post("/audio/speech", json=BODY).status_code == 200
    other = {"X-Stub-Scope": "other"}
    assert http.post("/audio/speech", json=BODY, headers=other).status_code == 200
    assert http.post("/audio/speech", json=BODY, headers=mine).status_code == 503
    for scope, status in ((mine, 503), (other, 200), ({}, 200)):
        [request] = control.get("/_stub/requests", headers=scope).json()["requests"]
        assert request["status"] == status
    assert [request.status for request in stub.scope("mine").requests] == [503]


@pytest.mark.parametrize("scope", [None, "mine"])
def test_a_request_that_is_whole_after_a_reset_is_one_after_it(stub, http, scope):
    stub.fail_next(503)
    stub.scope("mine").fail_next(503)

    def content():
        yield json.dumps(BODY).encode()[:9]
        stub.reset()
        yield json.dumps(BODY).encode()[9:]

    headers = {"Content-Type": "application/json"} | ({"X-Stub-Scope": scope} if scope else {})
    assert http.post("/audio/speech", content=content(), headers=headers).status_code == 200
    seen = stub.scope(scope) if scope else stub
    assert [request.status for request in seen.requests] == [200]


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        ("code=429", 429),
        ("respond-async, code=503; retry-after=2", 503),
        ("Code=503; Retry-After=2;", 503),
        ("fault=empty", 200),
        ("code=200", 200),
        ('code=503; message="wait; or, come back"', 503),
        ("code=503; message*=utf-8''wait%3B%20or%2C%20come%20back", 503),
    ],
)
def test_a_header_asks_for_a_fault_where_the_model_is_fixed(http, prefer, status):
    answer = http.post("/audio/speech", json=BODY, headers={"Prefer": prefer})
    assert answer.status_code == status
    if "retry-after" in prefer.lower():
        assert answer.headers["Retry-After"] == "2"
    if "message" in prefer:
        assert answer.json()["error"]["message"] == "wait; or, come back"


def test_a_message_that_a_header_asks_for_may_hold_quotes(http):
    prefer = {"Prefer": r'code=429; message="say \"no, ok\""'}
    answer = http.post("/audio/speech", json=BODY, headers=prefer)
    assert answer.json()["error"]["message"] == 'say "no, ok"'


def test_a_cut_is_asked_for_by_a_header(http):
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/audio/speech", json=BODY, headers={"Prefer": "fault=cut; after=5000"})


@pytest.mark.parametrize(
    "prefer",
    ["code=nonsense", "fault=cut; after=x", "fault=cut; delay=2", "code=429; retry-after=-1"],
)
def test_a_preference_that_cannot_be_met_is_400(http, prefer):
    assert http.post("/audio/speech", json=BODY, headers={"Prefer": prefer}).status_code == 400


def test_preferences_of_others_are_passed_over(http):
    assert http.post("/audio/speech", json=BODY, headers={"Prefer": "wait=5"}).status_code == 200


def statuses(http, count):
    return [http.post("/audio/speech", json=BODY).status_code for _ in range(count)]


def test_a_rate_limit_refuses_honestly(control, http):
    assert control.put("/_stub/profile", json={"rate_limit": 2}).status_code == 200
    assert statuses(http, 3) == [200, 200, 429]
    refused = http.post("/audio/speech", json=BODY)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    control.put("/_stub/profile", json={})
    assert statuses(http, 3) == [200] * 3


def test_credits_run_out(stub, http):
    stub.profile = Profile(credits=len(BODY["input"]))
    assert statuses(http, 2) == [200, 402]
    stub.profile = Profile()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7, 1])
def test_a_share_is_kept_to_from_the_first_requests_on(share):
    course = Course(Profile(failures=share))
    assert sum(course.meet(1) is not None for _ in range(10)) == share * 10


def test_a_profile_is_that_of_the_scopes_too(stub):
    scope = stub.scope("a")
    stub.profile = Profile(failures=1)
    assert scope.profile.failures == 1
    scope.profile = Profile(failures=0.5)
    scope.reset()
    assert scope.profile.failures == 1
    stub.reset()
    assert scope.profile.failures == 0


def test_a_rate_limit_does_not_mind_a_clock_that_is_frozen(monkeypatch):
    course = Course(Profile(rate_limit=1))
    with monkeypatch.context() as frozen:
        for clock in ("time", "monotonic", "perf_counter"):
            frozen.setattr(f"time.{clock}", lambda: 1_577_836_800.0)
        assert course.meet(1) is None
    refused = course.meet(1)
    assert 0 < refused["retry_after"] <= 60


def test_a_share_of_requests_fails_evenly(stub, http):
    stub.profile = Profile(failures=0.5)
    assert statuses(http, 6).count(503) == 3
    stub.profile = Profile()


def test_audio_comes_late_and_no_faster_than_it_is_paced():
    profile = Profile(latency=0.2, pace=20)
    with (
        StubServer(document=REFERENCE, engine=Tones(), profile=profile) as stub,
        connect(stub) as http,
        http.stream("POST", "/audio/speech", json=BODY) as answer,
    ):
        audio = b"".join(answer.iter_bytes())
        assert answer.elapsed.total_seconds() >= 0.2 + len(audio) / 48_000 / 20 * 0.5


@pytest.mark.parametrize("response_format", ["pcm", "mp3"])
def test_audio_is_paced_in_tenths_of_a_second_of_what_is_heard(monkeypatch, response_format):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    with (
        StubServer(document=REFERENCE, engine=Tones(), profile=Profile(pace=2)) as stub,
        connect(stub) as http,
    ):
        monkeypatch.setattr("anyio.sleep", sleep)
        asked = BODY | {"input": BODY["input"] * 3}
        whole = http.post("/audio/speech", json=asked).content
        paced, slept[:] = sum(slept), []
        http.post("/audio/speech", json=asked | {"response_format": response_format})
        assert max(slept) == pytest.approx(0.05, rel=0.05)
        # An encoder begins and ends with a little silence.
        assert sum(slept) == pytest.approx(paced, abs=0.1)
        assert paced == pytest.approx(len(whole) / 48_000 / 2)
        stub.fail_next("odd")
        odd = http.post("/audio/speech", json=asked)
        assert len(odd.content) == len(whole) - 1


def test_an_answer_that_comes_late_is_recorded_with_its_status(stub, http):
    stub.profile = Profile(latency=0.01)
    http.post("/audio/speech", json=BODY)
    stub.profile = Profile()
    http.post("/audio/speech", json=BODY | {"model": "stub/slow?delay=0.01"})
    assert [request.status for request in stub.requests] == [200, 200]


def test_an_answer_that_nobody_waited_for_is_recorded_as_none(stub, http):
    http.timeout = httpx.Timeout(60, read=0.2)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/audio/speech", json=BODY | {"model": "stub/slow?delay=600"})
    # On a slow machine it may still be on its way.
    stub._running.wait()
    assert stub.last_request.status is None


@pytest.mark.parametrize(
    "settings",
    [
        {"latency": -1},
        {"failures": 1.5},
        {"pace": float("inf")},
        {"rate_limit": 1.5},
        {"credits": -1},
        {"latency": "a"},
        {"latency": 10**400},
        {"latency": float("nan")},
        {"rate_limit": True},
    ],
)
def test_a_profile_that_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Profile(**settings)


def judge(operation, url, seen):
    @hypothesis.settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy())
    def judged(case):
        response = case.call(base_url=url)
        case.validate_response(response)
        seen.add((operation.label, response.status_code))

    judged()


def test_the_control_is_as_its_own_document_says(stub):
    import schemathesis  # which takes longer than most of these tests, and in each worker

    document = httpx.get(f"{stub.url}/_stub/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    seen = set()
    for result in schema.get_all_operations():
        judge(result.ok(), stub.url, seen)
    assert ("POST /_stub/faults", 201) in seen
    stub.reset()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_process_it_is_controlled_from_any_event_loop(backend):
    async def run():
        transport = httpx.ASGITransport(create_app(document=REFERENCE, engine=Tones()))
        key = {"Authorization": "Bearer stub-key"}
        async with httpx.AsyncClient(transport=transport, base_url="http://stub") as http:
            await http.post("/_stub/faults", json={"fault": 429})
            said = [await http.post("/api/v1/audio/speech", json=BODY, headers=key) for _ in "ab"]
            kept = await http.get("/_stub/requests")
            reset = await http.post("/_stub/reset")
        assert [each.status_code for each in said] == [429, 200]
        assert len(kept.json()["requests"]) == 2
        assert reset.status_code == 204

    anyio.run(run, backend=backend)
