"""What a refusal says, whatever document the server follows, or none."""

import json
from types import SimpleNamespace

import pytest

from modelgates_speech import APIStatusError, RateLimitError
from modelgates_speech.call import Call
from modelgates_speech.errors import MAX_SUMMARY
from modelgates_speech.refusals import refusal


class Model:
    """What the generated parser makes of a body that the document describes."""

    def __init__(self, body):
        self.body = body

    def to_dict(self):
        return self.body


def refused(status=418, body=b"", parsed=None, **headers):
    operation = SimpleNamespace(_parse_response=lambda **_: parsed)
    reply = SimpleNamespace(
        status=status, headers={k.replace("_", "-"): headers[k] for k in headers}
    )
    return refusal(Call(operation=operation, kwargs={}), reply, body)


@pytest.mark.parametrize("documented", [True, False])
def test_all_that_an_envelope_says_is_in_the_error(documented):
    body = {
        "error": {"code": "voice_gone", "message": "It left.", "metadata": {"since": 2026}},
        "user_id": "u-1",
    }
    error = refused(
        body=json.dumps(body).encode(), parsed=Model(body) if documented else None, x_request_id="r"
    )
    assert (error.status, error.message, error.code) == (418, "It left.", "voice_gone")
    assert (error.metadata, error.user_id, error.request_id) == ({"since": 2026}, "u-1", "r")


def test_a_refusal_is_of_the_class_of_its_status_and_says_when_to_come_back():
    error = refused(429, b"{}", retry_after="7")
    assert (type(error), error.retry_after, error.body) == (RateLimitError, 7.0, b"{}")
    assert (type(refused(418)), refused(418).retry_after) == (APIStatusError, None)


def test_what_is_of_another_kind_than_such_a_thing_is_not_passed_on():
    error = refused(
        body=b'{"error": {"code": [1], "message": {"de": "Nein"}, "metadata": "m"}, "user_id": 7}'
    )
    assert (error.code, error.metadata, error.user_id) == (None, None, None)
    assert error.message.startswith("unexpected response body")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "m", "detail": "d", "title": "t"}, "m"),
        ({"detail": "d", "title": "t"}, "d"),
        ({"detail": ["where"], "title": "t", "error": "e"}, "t"),
        ({"error": "e"}, "e"),
        ({"error": {"detail": "d"}, "detail": "another"}, "d"),
        ({"message": "half \ud800"}, "half ?"),
    ],
)
def test_a_documented_shape_says_it_by_any_of_the_usual_names(body, message):
    assert refused(parsed=Model(body)).message == message


def test_a_documented_text_is_the_message_unless_it_is_blank():
    assert refused(body=b"x", parsed=" Come back.\n").message == "Come back."
    assert refused(body=b" \n", parsed=" \n").message.startswith("unexpected response body")


@pytest.mark.parametrize(
    "body", [b'{"detail": "d"}', b'{"message": "m"}', b'{"error": {"title": "t"}}', b'["message"]']
)
def test_a_shape_that_nobody_documented_is_shown_as_it_is(body):
    shown = f"unexpected response body (application/json): {body.decode()}"
    assert refused(body=body, content_type="application/json").message == shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"<p>\r\n  Bad \xff gateway", "<p> Bad \ufffd gateway"),
        (b"x" * MAX_SUMMARY, "x" * MAX_SUMMARY),
        (b"x" * (MAX_SUMMARY + 1), "x" * MAX_SUMMARY + "…"),
        (b"[" * 100_000, "[" * MAX_SUMMARY + "…"),
    ],
    ids=["markup", "as much as is shown", "more than that", "nested without end"],
)
def test_a_page_is_shown_in_short(body, shown):
    assert refused(body=body).message == f"unexpected response body (no content type): {shown}"


@pytest.mark.parametrize("status", [300, 399])
def test_a_redirect_says_where_it_leads(status):
    told = "which is not followed: set base_url to the right address"
    there = refused(status, b"<html>", location="https://b.example/v1")
    assert there.message == f"a redirect to https://b.example/v1, {told}"
    assert refused(status).message == f"a redirect without a target, {told}"


def test_not_modified_is_not_called_a_redirect():
    assert refused(304).message.startswith("not modified")


def test_what_is_no_redirect_leads_nowhere_and_an_empty_body_says_nothing():
    assert refused(400, location="https://b.example").message == "an empty body"


@pytest.mark.parametrize(
    ("status", "asked", "advice"),
    [
        (404, {"model": "m", "voice": "v"}, "model 'm', voice 'v'"),
        (404, {"voice": "v", "input": "Hi"}, "voice 'v'"),
    ],
)
def test_who_is_not_found_is_told_by_name(status, asked, advice):
    operation = SimpleNamespace(_parse_response=lambda **_: None)
    call = Call(operation=operation, kwargs={"json": asked})
    error = refusal(call, SimpleNamespace(status=status, headers={}), b"")
    assert f"{error}".endswith(f"the request named {advice}")
