"""The program of docs/playing.md plays, on a device that keeps what it is given."""

import re
from pathlib import Path

import miniaudio

from tests.ears import Ears
from tests.edition import needs_nothing_new, skip_what_is_gone

PAGE = Path(__file__).parents[2] / "docs" / "playing.md"


@needs_nothing_new
def test_the_program_of_the_guide_is_heard(modelgates_stub, monkeypatch):
    monkeypatch.setattr(miniaudio, "PlaybackDevice", Ears)
    monkeypatch.setattr(Ears, "heard", bytearray())
    program = re.search(
        r"^```\w+\n(from modelgates_speech .*?)^```", PAGE.read_text("utf-8"), re.M | re.S
    )
    skip_what_is_gone(program[1])
    exec(program[1], {})
    assert Ears.heard
    modelgates_stub.assert_called(times=1)
