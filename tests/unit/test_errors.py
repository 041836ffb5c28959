"""The error tree: what catches what, and that nothing is lost on the way to another process."""

import copy
import pickle
from pathlib import Path

import pytest

import modelgates_speech
from modelgates_speech import errors
from modelgates_speech.audio import Audio

AUDIO = Audio(format="pcm", sample_rate=24_000, channels=1, content=b"\0\1")
EVERY_ERROR = [
    errors.ConfigurationError("no key"),
    errors.ArgumentError("unexpected argument"),
    errors.NotSentError("enter the stream first"),
    errors.APIConnectionError("refused", request_sent=False, transient=False),
    errors.APITimeoutError("late", phase="read", request_sent=True),
    errors.APIStatusError("teapot", status=418),
    *(
        errors.APIStatusError.for_status(status)(
            "no",
            status=status,
            code=status,
            metadata={"a": [1]},
            user_id="u",
            request_id="r",
            retry_after=1.5,
            body=b"{}",
        )
        for status in (400, 401, 402, 404, 429, 500, 502, 503)
    ),
    errors.InvalidResponseError("HTML", content_type="text/html", body=b"<html>", audio=AUDIO),
    errors.IncompleteAudioError("cut", bytes_received=2, expected=4, partial=AUDIO),
    errors.SaveError("full", path=Path("x.wav"), errno=28, partial=AUDIO),
    errors.PlaybackError("unplugged", partial=AUDIO),
]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "clone", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy]
)
def test_an_error_survives_pickling_and_copying_with_all_it_says(error, clone):
    twin = clone(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":\n "no credit"}', 'not audio: {"error": "no credit"}'),
        (b"<" * 300, f"not audio: {'<' * errors.MAX_SUMMARY}…"),
        (b"PK\3\4", "not audio"),
        (b"", "not audio"),
    ],
    ids=["JSON", "long", "no text", "nothing"],
)
def test_an_answer_that_is_no_audio_is_told_with_what_it_says(body, said):
    assert str(errors.InvalidResponseError("not audio", body=body)) == said


def test_every_error_of_the_tree_is_tested_above_and_exported():
    def tree(cls):
        return {cls}.union(*map(tree, cls.__subclasses__()))

    classes = tree(errors.ModelGatesError)
    assert classes - {errors.ModelGatesError} == {type(error) for error in EVERY_ERROR}
    assert {cls.__name__ for cls in classes} <= set(modelgates_speech.__all__)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (402, "PaymentRequiredError"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (502, "BadGatewayError"),
        (503, "ServiceUnavailableError"),
        (301, "APIStatusError"),
        (418, "APIStatusError"),
        (524, "APIStatusError"),
    ],
)
def test_each_documented_status_has_its_class_and_the_others_share_one(status, name):
    assert errors.APIStatusError.for_status(status).__name__ == name


def test_a_timeout_is_a_connection_error():
    assert issubclass(errors.APITimeoutError, errors.APIConnectionError)


def test_a_status_error_shows_status_message_wait_and_request():
    error = errors.NotFoundError("no such voice", status=404, request_id="req-1")
    assert str(error) == "HTTP 404: no such voice (request req-1)"
    error = errors.RateLimitError("slow down", status=429, retry_after=90.0)
    assert str(error) == "HTTP 429: slow down; it asks to wait 90 s"
