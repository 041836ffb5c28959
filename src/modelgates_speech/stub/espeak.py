"""The speech engine espeak-ng, called through ctypes from the wheel `espeakng-loader`.

Loaded when the first stub is made, never on import: its library is GPL-3 and belongs to the
machine that runs the stub, not to this package.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import importlib
import math
import os
import re
import shutil
import tempfile
import threading
import zlib
from array import array
from pathlib import Path

from modelgates_speech.stub.audio import SAMPLE_RATE, little_endian
from modelgates_speech.stub.engine import EngineUnavailableError

_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000  # without it the library ends the process over bad data
_UTF8 = 1
_RATE, _PITCH, _WORD_GAP = 1, 3, 7

_NORMAL_WPM = 175
_SLOWEST_WPM = 80  # the library's own limit; slower than that is made with gaps between words

# The library keeps its data path in 160 bytes, whatever is appended to it included.
_LONGEST_DATA_PATH = 120

# The voices whose speech is the same every time; the library's default ones add noise at random.
_REPEATABLE = ("adam", "benjamin", "david", "edward2", "klatt6", "mike2")

# NUL ends a C string, and \x01 begins a command to the library.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """Speaks with espeak-ng. All instances share the one library of the process, in turn.

    Raises:
        EngineUnavailableError: the library is not installed or does not start; says why.
    """

    name = "espeak-ng"

    def __init__(self) -> None:
        self._library = _library()

    def say(self, text: str, *, voice: str, speed: float) -> bytes:
        """Speak one piece of text; see `Engine.say`."""
        wpm = round(_NORMAL_WPM * speed)
        if wpm >= _SLOWEST_WPM:
            samples = self._library.say(text, voice, wpm=wpm)
        else:
            samples = self._say_slowly(text, voice, speed)
        return little_endian(_resample(samples, self._library.rate))

    def _say_slowly(self, text: str, voice: str, speed: float) -> array[int]:
        say = functools.partial(self._library.say, text, voice)
        length = round(len(say(wpm=_NORMAL_WPM)) / speed)
        without, trial = len(say(wpm=_SLOWEST_WPM)), len(say(wpm=_SLOWEST_WPM, gap=10))
        gap = 10 * (length - without) // (trial - without) if trial > without else 0
        samples = say(wpm=_SLOWEST_WPM, gap=max(gap, 0))
        samples.extend(array("h", bytes(2 * max(length - len(samples), 0))))
        return samples


class _Library:
    """The C library, started. It has one state, so one caller at a time."""

    def __init__(self, path: str, data: Path) -> None:
        try:
            self._c = ctypes.CDLL(path)
        except OSError as error:
            raise EngineUnavailableError(f"espeak-ng does not load: {error}") from error
        self.rate: int = self._c.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, 0, os.fsencode(data), _DONT_EXIT
        )
        if self.rate <= 0:
            raise EngineUnavailableError(f"espeak-ng does not start with the data in {data}")
        self._lock = threading.Lock()
        self._heard = array("h")
        self._callback = _Callback(self._hear)  # kept: the library does not hold on to it
        self._c.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: int | None, count: int, _: object) -> int:
        if samples and count > 0:
            self._heard.frombytes(ctypes.string_at(samples, 2 * count))
        return 0

    def say(self, text: str, voice: str, *, wpm: int, gap: int = 0) -> array[int]:
        number = zlib.crc32(voice.encode())
        variant = _REPEATABLE[number % len(_REPEATABLE)]
        pitch = 35 + number // len(_REPEATABLE) % 30
        encoded = _CONTROL.sub(" ", text).encode() + b"\0"
        with self._lock:
            self._heard = array("h")
            failed = self._c.espeak_SetVoiceByName(f"en-us+{variant}".encode())
            self._c.espeak_SetParameter(_RATE, wpm, 0)
            self._c.espeak_SetParameter(_PITCH, pitch, 0)
            self._c.espeak_SetParameter(_WORD_GAP, gap, 0)
            failed = failed or self._c.espeak_Synth(
                encoded, ctypes.c_size_t(len(encoded)), 0, 0, 0, _UTF8, None, None
            )
            if failed:
                raise RuntimeError(f"espeak-ng failed with code {failed} on {text!r}")
            return self._heard


@functools.cache
def _library() -> _Library:
    try:
        loader = importlib.import_module("espeakng_loader")
    except ModuleNotFoundError as error:
        raise EngineUnavailableError("the package espeakng-loader is not installed") from error
    data = Path(loader.get_data_path())
    if len(os.fsencode(data)) > _LONGEST_DATA_PATH:
        data = _nearer(data)
    return _Library(str(loader.get_library_path()), data)


def _nearer(data: Path) -> Path:
    """Make the data reachable by a path short enough, for as long as the process lives."""
    near = Path(tempfile.mkdtemp(prefix="espeak-"))
    atexit.register(shutil.rmtree, near, ignore_errors=True)
    link = near / data.name
    if len(os.fsencode(link)) > _LONGEST_DATA_PATH:
        raise EngineUnavailableError(
            f"the paths {data} and {link} are too long for espeak-ng: shorten TMPDIR"
        )
    try:
        link.symlink_to(data, target_is_directory=True)
    except OSError:  # Windows lets only some users make links
        shutil.copytree(data, link)
    return link


def _resample(samples: array[int], rate: int) -> array[int]:
    """Bring samples to 24 kHz by linear interpolation, in whole numbers: the same everywhere."""
    if rate == SAMPLE_RATE or not samples:
        return samples
    gcd = math.gcd(rate, SAMPLE_RATE)
    period, taken = SAMPLE_RATE // gcd, rate // gcd
    length = len(samples) * SAMPLE_RATE // rate
    padded = samples + array("h", [samples[-1]]) * (taken + 1)
    resampled = array("h", bytes(2 * length))
    # Output n lies between inputs n * taken / period; for one n in each period that is the
    # same fraction, so that each fraction is worked off with two slices.
    for phase in range(min(period, length)):
        index, fraction = divmod(phase * taken, period)
        count = len(range(phase, length, period))
        before = padded[index::taken]
        after = padded[index + 1 :: taken]
        resampled[phase::period] = array(
            "h",
            [
                a + (b - a) * fraction // period
                for a, b, _ in zip(before, after, range(count), strict=False)
            ],
        )
    return resampled
