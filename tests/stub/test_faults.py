"""Every way in which the stub misbehaves, by magic model and by injection."""

import re

import httpcore
import httpx
import jsonschema_rs
import pytest

from modelgates_speech.stub import Fault, StubServer, faults, misbehave
from modelgates_speech.stub.faults import from_model
from modelgates_speech.stub.usage import KINDS, STATUS, describe

from .conftest import BODY, REFERENCE, connect

DOCUMENTED = (400, 401, 402, 404, 429, 500, 502, 503)


@pytest.fixture(params=["magic", "injected"])
def misbehaving(request, stub, speak):
    """Ask for a fault in either way, with settings as keywords."""

    def misbehaving(name, **settings):
        if request.param == "injected":
            stub.fail_next(name, **settings)
            return speak()
        query = "&".join(f"{key.replace('_', '-')}={value}" for key, value in settings.items())
        return speak(model=f"stub/{name}?{query}" if query else f"stub/{name}")

    return misbehaving


@pytest.mark.parametrize("status", DOCUMENTED)
def test_documented_errors_fit_the_document_optional_fields_included(misbehaving, document, status):
    error = misbehaving(str(status))

    content = document["paths"]["/audio/speech"]["post"]["responses"][str(status)]["content"]
    assert error.status_code == status
    assert error.headers["Content-Type"] in content
    schema = {
        **content[error.headers["Content-Type"]]["schema"],
        "components": document["components"],
    }
    assert jsonschema_rs.validator_for(schema).is_valid(error.json())
    assert error.json() == {
        "error": {
            "code": status,
            "message": f"The stub was told to answer {status}",
            "metadata": {"provider_name": "stub"},
        },
        "user_id": "stub-user",
    }


@pytest.mark.parametrize("status", [403, 418, 451, 504, 524, 529, 599])
def test_errors_outside_the_document_can_be_had_too(misbehaving, status):
    error = misbehaving(str(status))

    assert error.status_code == status
    assert error.json()["error"]["code"] == status


@pytest.mark.parametrize(("seconds", "sent"), [(1e22, str(10**22)), (2e-7, "0.0000002")])
def test_retry_after_is_sent_without_an_exponent(stub, speak, seconds, sent):
    stub.fail_next(429, retry_after=seconds)
    assert speak().headers["Retry-After"] == sent


@pytest.mark.parametrize("seconds", [0, 7])
def test_retry_after_is_sent_as_said(misbehaving, seconds):
    assert misbehaving("429", retry_after=seconds).headers["Retry-After"] == str(seconds)


def test_retry_after_may_be_a_date_or_a_fraction(stub, speak):
    stub.fail_next(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    stub.fail_next(503, retry_after=0.5)

    assert speak().headers["Retry-After"] == "Wed, 21 Oct 2015 07:28:00 GMT"
    assert speak().headers["Retry-After"] == "0.5"


def test_an_error_says_what_it_is_told_to_say(stub, speak):
    stub.fail_next(402, message="No credits", metadata={"left": 0}, headers={"X-Hint": "pay"})
    error = speak()

    assert error.json()["error"] == {"code": 402, "message": "No credits", "metadata": {"left": 0}}
    assert error.headers["X-Hint"] == "pay"


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ({"detail": "x"}, None, b'{"detail": "x"}'),
        ("<h1>no</h1>", "text/html", b"<h1>no</h1>"),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
        (b"", "text/plain", b""),
    ],
)
def test_an_error_may_have_any_body(stub, speak, body, content_type, sent):
    kind = {"content_type": content_type} if content_type else {}
    stub.fail_next(500, body=body, **kind)
    error = speak()

    assert (error.status_code, error.content) == (500, sent)
    assert error.headers["Content-Type"] == (content_type or "application/json")


def test_an_error_may_come_from_another_server(stub, speak):
    stub.fail_next(503, headers={"Server": "a-proxy"})
    assert speak().headers.get_list("Server") == ["a-proxy"]


def test_stall_never_answers(misbehaving, http):
    http.timeout = httpx.Timeout(60, read=0.3)

    with pytest.raises(httpx.ReadTimeout):
        misbehaving("stall")


def test_stall_midway_sends_a_beginning_and_no_end(stub, http, speak):
    whole = speak().content
    body = BODY | {"model": "stub/stall-midway?after=500"}
    with http.stream("POST", "/audio/speech", json=body) as response:
        received, pieces = b"", response.iter_raw()
        while len(received) < 500:
            received += next(pieces)
        with pytest.raises(httpcore.ReadTimeout):
            response.extensions["network_stream"].read(1, timeout=0.3)

    assert received == whole[:500]


def test_slow_answers_as_usual_in_the_end(misbehaving, speak):
    assert misbehaving("slow", delay=0.01).content == speak().content


def test_drip_sends_every_byte_by_itself(stub, http, speak):
    stub.fail_next("drip", interval=0)
    body = BODY | {"input": "", "response_format": "mp3"}
    with http.stream("POST", "/audio/speech", json=body) as response:
        pieces = list(response.iter_raw())

    assert len(pieces) > 20
    assert b"".join(pieces) == speak(input="", response_format="mp3").content


def test_reset_is_a_real_reset(misbehaving):
    with pytest.raises(httpx.ReadError) as raised:
        misbehaving("reset")

    assert isinstance(_root(raised.value), ConnectionResetError)


def _root(error):
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return error


@pytest.mark.parametrize("name", ["cut", "cut-chunked"])
def test_a_cut_connection_ends_before_the_answer_does(stub, http, speak, name):
    whole = speak().content
    body = BODY | {"model": f"stub/{name}?after=2001"}
    with http.stream("POST", "/audio/speech", json=body) as response:
        received = bytearray()
        with pytest.raises(httpx.RemoteProtocolError):
            for chunk in response.iter_raw():
                received += chunk

    assert received == whole[:2001]
    promised = response.headers.get("Content-Length")
    assert int(promised) > 2001 if name == "cut" else promised is None


def test_odd_ends_in_the_middle_of_a_sample_and_looks_whole(misbehaving, speak):
    whole = speak().content

    assert misbehaving("odd").content == whole[:-1]
    assert len(whole[:-1]) % 2 == 1


@pytest.mark.parametrize(
    ("name", "status", "content_type", "content"),
    [
        ("empty", 200, "application/octet-stream", rb""),
        ("html", 200, "text/html", rb"<!doctype html>.+"),
        ("html-502", 502, "text/html", rb"<!doctype html>.+502 Bad Gateway.+"),
        ("json", 200, "application/json", rb'\{"error": .+\}'),
        ("not-json", 500, "application/json", rb'\{"error": \{"code": 500, "mess'),
        ("other-shape", 500, "application/json", rb"\[.+\]"),
    ],
)
def test_answers_that_are_not_what_they_should_be(misbehaving, name, status, content_type, content):
    answer = misbehaving(name)

    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith(content_type)
    assert re.fullmatch(content, answer.content)


def test_wrong_content_type_is_the_right_audio_under_a_wrong_name(misbehaving, speak):
    answer = misbehaving("wrong-content-type")

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content == speak().content


def test_redirect_points_where_it_is_told(misbehaving):
    answer = misbehaving("redirect", to="http://127.0.0.1:9/x")

    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:9/x")


def test_a_magic_model_can_fail_a_number_of_times_and_then_answer(speak):
    statuses = [speak(model="stub/503?times=2").status_code for _ in range(6)]

    assert statuses == [503, 503, 200, 503, 503, 200]


def test_faults_come_in_the_order_injected_before_magic_models_and_then_end(stub, speak):
    stub.fail_next(503, times=2)
    stub.fail_next(Fault("429", retry_after=1))
    answers = [speak(model="stub/402") for _ in range(3)] + [speak()]

    assert [answer.status_code for answer in answers] == [503, 503, 429, 200]
    assert stub.pending_faults == ()


def test_a_request_refused_by_itself_leaves_the_fault_for_the_next(stub, speak):
    stub.fail_next("cut", after=10)

    assert speak(voice=None).status_code == 400
    assert [str(fault) for fault in stub.pending_faults] == ["cut (after=10)"]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("stub/nope", "no fault is called 'nope'"),
        ("stub/", "no fault is called ''"),
        ("stub/200", "no fault is called '200'"),
        ("stub/600", "no fault is called '600'"),
        ("stub/\u0664\u0660\u0660", "no fault is called"),
        ("stub/cut?after=some", "after: "),
        ("stub/slow?delay=-1", "delay: "),
        ("stub/slow?delay=nan", "delay: "),
        ("stub/slow?delay=inf", "delay: "),
        ("stub/drip?interval=-1", "interval: "),
        ("stub/cut?after=-5", "after: "),
        ("stub/429?retry-after=\u20ac", "retry_after: "),
        ("stub/503?times=0", "times: "),
        ("stub/503?times=-1", "times: "),
        ("stub/cut?delay=2", "takes after, not delay"),
        ("stub/cut?colour=red", "takes after, not colour"),
        ("stub/cut?after", "bad query field"),
    ],
)
def test_a_magic_model_that_is_none_is_404_and_says_why(speak, model, says):
    refused = speak(model=model)

    assert refused.status_code == 404
    assert says in refused.json()["error"]["message"]


DEEP: dict[str, object] = {}
for _ in range(100_000):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("fault", "options", "says"),
    [
        ("nope", {}, "no fault is called 'nope'"),
        (200, {}, "no fault is called '200'"),
        ("stall", {"after": 5}, "takes nothing, not after"),
        (503, {"to": "x"}, "not to"),
        (503, {"times": 0}, "times"),
        (Fault("503"), {"message": "x"}, "Fault"),
        (503, {"body": "\ud800"}, "body: .* cannot be written as JSON"),
        (503, {"headers": {"X-Hint": "pay\n"}}, "headers: .* does not match"),
        (503, {"headers": {"X-Hint\n": "pay"}}, "headers: .* does not match"),
        (503, {"metadata": DEEP}, "metadata: .* cannot be written as JSON"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_at_once(stub, fault, options, says):
    with pytest.raises(ValueError, match=says):
        stub.fail_next(fault, **options)


def test_a_fault_may_be_counted_in_the_numbers_of_json(stub):
    stub.fail_next(503, times=2.0)
    assert len(stub.pending_faults) == 2


def test_a_model_name_can_set_whatever_the_fault_takes(speak):
    refused = speak(model='stub/500?message=5&headers={"X-Hint":"wait"}&retry_after=2')
    assert refused.json()["error"]["message"] == "5"
    assert (refused.headers["X-Hint"], refused.headers["Retry-After"]) == ("wait", "2")

    answers = [speak(model=f"stub/400?body={body}") for body in ("5", '{"ok": false}')]
    assert [answer.text for answer in answers] == ["5", '{"ok": false}']


def test_ordinary_models_are_not_magic():
    assert from_model("elevenlabs/eleven-turbo-v2") is None
    assert from_model("stubborn/503") is None


def test_every_fault_of_the_table_can_be_played_and_is_told():
    assert set(misbehave.PLAYS) == set(KINDS)
    for name in KINDS:
        assert re.search(rf"^  stub/{name} +\S", describe(), re.MULTILINE)


def test_every_setting_of_a_fault_is_one_that_the_type_checker_knows():
    settings = {option for kind in (STATUS, *KINDS.values()) for option in kind.options}

    assert settings == set(faults.FaultOptions.__annotations__)


def test_the_root_page_lists_operations_and_magic_models(stub, http):
    page = http.get(stub.url)

    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/plain")
    assert "POST /api/v1/audio/speech" in page.text
    assert describe() in page.text
    assert stub.requests == ()


def test_faults_leave_nothing_in_the_log_and_nothing_running(caplog, no_thread_left):
    with StubServer(document=REFERENCE) as stub, connect(stub) as http:
        for name in ("reset", "cut", "cut-chunked", "stall", "stall-midway"):
            stub.fail_next(name)
            with pytest.raises(httpx.TransportError):
                http.post("/audio/speech", json=BODY, timeout=httpx.Timeout(60, read=0.3))

    assert caplog.records == []
