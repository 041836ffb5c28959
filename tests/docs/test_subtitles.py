"""The program of the guide writes subtitles that fit what is heard."""

import itertools
import re
import subprocess
import sys
import wave
from pathlib import Path

from tests.edition import needs_nothing_new, needs_pcm

PAGE = Path(__file__).parents[2] / "docs" / "subtitles.md"
TEXT = (
    "Chapter 1\n\n" + "It was a dark night, and the wind slept in the trees. " * 12 + "\n\nThe end."
)
TIME = r"(\d\d):(\d\d):(\d\d),(\d\d\d)"
CUE = re.compile(rf"(\d+)\n{TIME} --> {TIME}\n(.+)\n(?:\n|$)")


def seconds(hours, minutes, whole, thousandths):
    return int(hours) * 3600 + int(minutes) * 60 + int(whole) + int(thousandths) / 1000


@needs_nothing_new
@needs_pcm
def test_the_subtitles_of_the_guide_fit_the_audio(modelgates_stub, tmp_path):
    program = re.search(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)[1]
    (tmp_path / "book.txt").write_text(TEXT, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    subtitles = (tmp_path / "book.srt").read_text("utf-8")
    cues = CUE.findall(subtitles)
    assert len(CUE.sub("", subtitles)) == 0
    assert [int(cue[0]) for cue in cues] == list(range(1, len(cues) + 1))
    assert " ".join(cue[-1] for cue in cues).split() == TEXT.split()
    assert all(len(cue[-1]) <= 84 for cue in cues)

    times = [(seconds(*cue[1:5]), seconds(*cue[5:9])) for cue in cues]
    assert all(begins < ends for begins, ends in times)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))
    with wave.open(str(tmp_path / "book.wav")) as audio:
        samples = audio.readframes(audio.getnframes())
        rate = audio.getframerate()
    assert times[-1][1] == round(len(samples) / 2 / rate, 3)
    # What is between the heading's subtitle and the next is silent.
    between = slice(*(2 * round(at * rate) for at in (times[0][1] + 0.002, times[1][0] - 0.002)))
    assert set(samples[between]) == {0}
    assert round(times[1][0] - times[0][1], 3) == 1.5
