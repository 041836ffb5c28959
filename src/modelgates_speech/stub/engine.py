"""What the stub expects of something that speaks; espeak-ng, and tones where that is not installed.

The library of espeak-ng, from the wheel `espeakng-loader`, is loaded when the first stub is made,
never on import: it is GPL-3 and belongs to the machine that runs the stub, not to this package.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib
import logging
import math
import os
import queue
import re
import shutil
import sys
import tempfile
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from modelgates_speech.stub.audio import SAMPLE_RATE, SAMPLE_WIDTH, audioop
from modelgates_speech.stub.reach import remove


class Engine(Protocol):
    """Something that can speak."""

    @property
    def name(self) -> str:
        """What the answer's `X-Stub-Engine` header says."""
        ...

    def say(self, text: str, *, voice: str, speed: float) -> bytes:
        """Speak one piece of text.

        Args:
            text: At most 240 characters.
            voice: Any name; the same name always sounds the same.
            speed: 0.25 to 4, 1 being normal.

        Returns:
            Raw PCM: signed 16-bit little-endian, 24 kHz, mono.
        """
        ...


# What people say where the engine says it in another way.
_ALIASES = {"en": "en-us", "en-gb": "en", "my": "en-us", "no": "nb", "zh": "cmn"}


def languages(voice: str) -> list[str]:
    """Give the languages that a voice may speak by its name, the likeliest first.

    `pt-BR-anna` is Brazilian, else Portuguese, else English as all voices are.
    """
    first, _, rest = voice.lower().partition("-")
    asked = [f"{first}-{rest.partition('-')[0]}", first] if rest else []
    # A code is two or three letters; `my-voice` is not Burmese, but `my-mm-voice` is.
    known = [code for code in asked if re.fullmatch("[a-z]{2,3}(-[a-z0-9]+)?", code)]
    return [*(_ALIASES.get(code, code) for code in known), "en-us"]


class EngineUnavailableError(Exception):
    """There is no speech engine here; the message says why."""


_SECONDS_PER_CHARACTER = 0.065
_TONES = (200, 240, 300, 320, 375, 400)  # whole periods at 24 kHz, so that cycles just repeat


class Tones:
    """Plays tones: the right format and about the right length, without a speech engine."""

    name = "tones"

    def say(self, text: str, *, voice: str, speed: float) -> bytes:
        """Play the words of `text` as tones; see `Engine.say`."""
        samples = array("h")
        for word in text.split():
            pitch = _TONES[zlib.crc32(f"{voice} {word}".encode()) % len(_TONES)]
            around = range(SAMPLE_RATE // pitch)
            period = [round(6000 * math.sin(math.tau * i / len(around))) for i in around]
            length = round((len(word) + 1) * _SECONDS_PER_CHARACTER / speed * SAMPLE_RATE)
            heard = length - length // 8
            samples.extend(array("h", period) * (heard // len(period)))
            samples.extend(array("h", bytes(2 * (length - heard))))
        if sys.byteorder == "big":
            samples.byteswap()
        return samples.tobytes()


def default_engine() -> Engine:
    """Find the speech engine: the process's espeak-ng, or tones with a notice in the log."""
    try:
        return _espeak()
    except (EngineUnavailableError, OSError) as error:
        logging.getLogger("modelgates_speech.stub").warning(
            "no speech engine, so the stub plays tones instead of speaking: %s; "
            "pip install 'modelgates-speech[stub]' brings one",
            error,
        )
        return Tones()


_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000  # without it the library ends the process over bad data
_UTF8 = 1
_BUFFER = 2000  # milliseconds of speech that it hands over at a time: each takes the GIL
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7

_NORMAL_WPM = 175
_SLOWEST_WPM = 80  # the library's own limit; slower than that is made with gaps between words

# The library keeps its data path in 160 bytes, whatever is appended to it included.
_LONGEST_DATA_PATH = 120

# The voices whose speech is the same every time; the library's default ones add noise at random.
_REPEATABLE = ("adam", "benjamin", "david", "edward2", "klatt6", "mike2")
# How high a voice is, and how lively, of 0 to 99.
_LOWEST, _PITCHES = 15, 65
_FLATTEST, _RANGES = 35, 45

# NUL ends a C string, and \x01 begins a command to the library.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# How many texts can be spoken at once.
_MOST = 8

# How many pieces are kept, and of how many characters at most: about 16 MiB, at a usual speed.
_REMEMBERED, _SHORT = 64, 80

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """Speaks with espeak-ng; all instances share the libraries of the process, in turn."""

    name = "espeak-ng"

    def __init__(self) -> None:
        self._libraries = _libraries()
        # Tests say the same few things over and over.
        self._say_again = functools.lru_cache(maxsize=_REMEMBERED)(self._say)

    def say(self, text: str, *, voice: str, speed: float) -> bytes:
        """Speak one piece of text; see `Engine.say`."""
        return (self._say_again if len(text) <= _SHORT else self._say)(text, voice, speed)

    def _say(self, text: str, voice: str, speed: float) -> bytes:
        library = self._libraries.get()
        try:
            wpm = round(_NORMAL_WPM * speed)
            say = functools.partial(library.say, text, voice)
            samples = say(wpm=wpm) if wpm >= _SLOWEST_WPM else self._say_slowly(say, speed)
        finally:
            self._libraries.put(library)
        if not any(samples):
            return b""  # It had nothing to say.
        pcm: bytes
        pcm, _ = audioop.ratecv(samples, SAMPLE_WIDTH, 1, library.rate, SAMPLE_RATE, None)
        return pcm if sys.byteorder == "little" else bytes(audioop.byteswap(pcm, SAMPLE_WIDTH))

    @staticmethod
    def _say_slowly(say: Callable[..., bytes], speed: float) -> bytes:
        length = round(len(say(wpm=_NORMAL_WPM)) / SAMPLE_WIDTH / speed) * SAMPLE_WIDTH
        without, trial = len(say(wpm=_SLOWEST_WPM)), len(say(wpm=_SLOWEST_WPM, gap=10))
        gap = 10 * (length - without) // (trial - without) if trial > without else 0
        return say(wpm=_SLOWEST_WPM, gap=max(gap, 0)).ljust(length, b"\0")


_espeak = functools.cache(Espeak)


class _Library:
    """The C library, started. It has one state, so one caller at a time."""

    def __init__(self, path: str, data: Path) -> None:
        try:
            self._c = ctypes.CDLL(path)
        except OSError as error:
            raise EngineUnavailableError(f"espeak-ng does not load: {error}") from error
        self.rate: int = self._c.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, _BUFFER, os.fsencode(data), _DONT_EXIT
        )
        if self.rate <= 0:
            raise EngineUnavailableError(f"espeak-ng does not start with the data in {data}")
        self._heard = bytearray()
        self._callback = _Callback(self._hear)  # kept: the library does not hold on to it
        self._c.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: int | None, count: int, _: object) -> int:
        if samples and count > 0:
            self._heard += ctypes.string_at(samples, SAMPLE_WIDTH * count)
        return 0

    def say(self, text: str, voice: str, *, wpm: int, gap: int = 0) -> bytes:
        number, variant = divmod(zlib.crc32(voice.encode()), len(_REPEATABLE))
        number, pitch = divmod(number, _PITCHES)
        encoded = _CONTROL.sub(" ", text).encode() + b"\0"
        self._heard.clear()
        names = (f"{language}+{_REPEATABLE[variant]}" for language in languages(voice))
        failed = all(self._c.espeak_SetVoiceByName(name.encode()) for name in names)
        self._c.espeak_SetParameter(_RATE, wpm, 0)
        self._c.espeak_SetParameter(_PITCH, _LOWEST + pitch, 0)
        self._c.espeak_SetParameter(_RANGE, _FLATTEST + number % _RANGES, 0)
        self._c.espeak_SetParameter(_WORD_GAP, gap, 0)
        failed = failed or self._c.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded)), 0, 0, 0, _UTF8, None, None
        )
        if failed:
            raise RuntimeError(f"espeak-ng failed with code {failed} on {text!r}")
        return bytes(self._heard)


@functools.cache
def _libraries() -> queue.LifoQueue[_Library]:
    """Load the library once for each processor, as each copy of its file has a state of its own."""
    try:
        loader = importlib.import_module("espeakng_loader")
        path, data = Path(loader.get_library_path()), Path(loader.get_data_path())
    except ModuleNotFoundError as error:
        raise EngineUnavailableError("the package espeakng-loader is not installed") from error
    except RuntimeError as error:  # or there is nothing in it
        raise EngineUnavailableError(f"espeakng-loader has no espeak-ng: {error}") from error
    if len(os.fsencode(data)) > _LONGEST_DATA_PATH:
        data = _nearer(data)
    loaded: queue.LifoQueue[_Library] = queue.LifoQueue()
    loaded.put(_Library(str(path), data))
    # Where a copy cannot be made or loaded, one has to do; Windows cannot remove what is loaded.
    copies = 0 if sys.platform == "win32" else min(os.cpu_count() or 1, _MOST) - 1
    with (
        contextlib.suppress(EngineUnavailableError, OSError),
        tempfile.TemporaryDirectory() as near,
    ):
        for number in range(copies):
            copy = shutil.copy(path, Path(near, f"{number}{path.suffix}"))
            loaded.put(_Library(str(copy), data))
    return loaded


def _nearer(data: Path) -> Path:
    """Make the data reachable by a shorter path, for as long as the process lives."""
    near = Path(tempfile.mkdtemp(prefix="espeak-"))
    atexit.register(remove, near, os.getpid())
    link = near / data.name
    try:
        link.symlink_to(data, target_is_directory=True)
    except OSError:  # Windows lets only some users make links
        shutil.copytree(data, link)
    return link
