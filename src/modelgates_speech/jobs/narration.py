"""A text of any length as one stream of audio: several requests at once, delivered in order.

What is asked for next, and what of the answers is handed out, is decided here, without I/O.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from modelgates_speech.audio import AudioMetadata, Receiver
from modelgates_speech.call import prepare
from modelgates_speech.config import (
    DEFAULT_CHANNELS,
    DEFAULT_RATE,
    HEADING_PAUSE,
    MAX_CHARS,
    MAX_PAUSE,
    NARRATE_CONCURRENCY,
    PARAGRAPH_PAUSE,
    as_number,
    checked_callback,
    checked_count,
    must_be,
)
from modelgates_speech.errors import InvalidResponseError, ModelGatesError
from modelgates_speech.jobs.cache import as_cache
from modelgates_speech.jobs.joining import Joiner, check_joinable
from modelgates_speech.jobs.splitting import Piece, split

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from modelgates_speech.jobs.layout import Kind

# Pieces asked for beyond the one being delivered, for each request at once: enough to go on
# while that one is slow, and a bound on the audio that waits in memory.
READ_AHEAD = 2


@attrs.frozen
class NarrationProgress:
    """How far a narration has been handed out.

    Attributes:
        pieces: Pieces handed out whole.
        characters: The offset in the text after the last of them.
        seconds: Seconds of audio up to the end of it.
        begins: Seconds of audio before it: where in the whole it begins.
        piece: The last piece itself: its ``text``, and where that starts.

    Examples:
        >>> with client.audio.speech.narrate(
        ...     input="One.", model="any/model", voice="alloy",
        ...     on_progress=lambda done: print(f"{done.begins:.1f} s: {done.piece.text}"),
        ... ) as stream:
        ...     audio = stream.read()
        0.0 s: One.
    """

    pieces: int
    characters: int
    seconds: float
    begins: float
    piece: Piece


@attrs.frozen
class NarrationPlan:
    """What a narration would ask for.

    Attributes:
        pieces: How many requests it takes.
        characters: How many characters they hold; blank pieces are not sent.
        pieces_to_send: How many of the pieces `cache_dir` does not hold yet.
        characters_to_send: How many characters those hold.
        pauses: Seconds of silence that are added between the pieces.

    Examples:
        >>> plan = client.audio.speech.narrate(
        ...     input="One. Two.", model="any/model", voice="alloy", dry_run=True
        ... )
        >>> plan.pieces, plan.characters
        (1, 9)
    """

    pieces: int
    characters: int
    pieces_to_send: int
    characters_to_send: int
    pauses: float = 0.0


@attrs.frozen(kw_only=True)
class Settings:
    """What is narrated, and how."""

    pieces: Generator[Piece]  # those with something to say
    request: dict[str, Any]
    response_format: str
    concurrency: int
    pauses: dict[Kind, float]  # seconds before a piece, by what it follows
    on_progress: Callable[[NarrationProgress], None] | None

    @property
    def keeps(self) -> bool:
        """Whether finished pieces outlive the narration."""
        return self.request.get("cache_dir") is not None

    def pause_before(self, piece: Piece) -> float:
        """Seconds of silence to add before a piece that is not the first."""
        return self.pauses.get(piece.follows, 0)


def plan(
    arguments: dict[str, Any], base_url: str, client_headers: Mapping[str, str]
) -> NarrationPlan:
    """What a narration with these arguments would ask for; nothing is sent."""
    settings = settings_of(**arguments)
    cache_dir = settings.request.get("cache_dir")
    cache = None if cache_dir is None else as_cache(cache_dir)
    sizes: list[int] = []
    missing: list[int] = []
    known: set[str] = set()
    pauses = 0.0
    for piece in settings.pieces:
        pauses += settings.pause_before(piece) if sizes else 0
        sizes.append(len(piece.text))
        call = prepare(input=piece.text, **settings.request)
        if cache is not None:
            key = cache.key_of(call, base_url, client_headers)
            # Of pieces that are alike, the second is found where the first is kept.
            if key in known or cache.holds(key):
                continue
            known.add(key)
        missing.append(len(piece.text))
    return NarrationPlan(len(sizes), sum(sizes), len(missing), sum(missing), pauses)


def settings_of(
    *,
    input: str | Iterable[str],  # noqa: A002 - the OpenAPI document's name
    concurrency: int = NARRATE_CONCURRENCY,
    max_chars: int = MAX_CHARS,
    language: str = "en",
    paragraph_pause: float = PARAGRAPH_PAUSE,
    heading_pause: float = HEADING_PAUSE,
    on_progress: Callable[[NarrationProgress], None] | None = None,
    **request: Any,
) -> Settings:
    """The arguments of a narration, checked."""
    concurrency = checked_count(concurrency, "concurrency")
    asked: dict[Kind, float] = {"paragraph": paragraph_pause, "heading": heading_pause}
    for kind, value in asked.items():
        if (seconds := as_number(value)) is None or not 0 <= seconds <= MAX_PAUSE:
            raise must_be(f"0 to {MAX_PAUSE} seconds", value, f"{kind}_pause")
        asked[kind] = seconds
    pauses: dict[Kind, float] = {kind: seconds for kind, seconds in asked.items() if seconds}
    # What is wrong with a request is wrong with the first already: better said before it is sent.
    response_format = prepare(input="", **request).response_format
    check_joinable(response_format)
    pieces = split(input, max_chars=max_chars, language=language, at=pauses)
    return Settings(
        pieces=(piece for piece in pieces if not piece.silent),
        request=request,
        response_format=response_format,
        concurrency=concurrency,
        pauses=pauses,
        on_progress=checked_callback(on_progress, "on_progress"),
    )


@attrs.frozen
class Job:
    """A piece that was asked for, and the channel that its audio comes through.

    Through it come the `AudioMetadata`, bytes, and None at the end; or an exception. The `turn` is
    a lock that it shares with those before it of the same text, where that will be found kept.
    """

    piece: Piece
    items: Any
    turn: Any


class Line:
    """The pieces in the order of the text: which are due, and what of them is handed out."""

    def __init__(
        self, settings: Settings, channel: Callable[[], Any], turn: Callable[[], Any]
    ) -> None:
        self.pending: deque[Job] = deque()
        self._settings = settings
        self._channel, self._turn = channel, turn
        # What the text ended with, to be raised once what was asked for is handed out.
        self.broken: BaseException | None = None
        # Of the first piece, which is paid for and cannot be joined: raised once it is here whole.
        self.unfit: InvalidResponseError | None = None
        self._joiner = Joiner()
        self._metadata: AudioMetadata | None = None
        self._unjoined: list[bytes] = []
        self._done = 0
        self._begins = 0.0

    @property
    def has_room(self) -> bool:
        """Whether another piece may be asked for."""
        most = READ_AHEAD * self._settings.concurrency
        return len(self.pending) < most and not (self.broken or self.unfit)

    def due(self) -> Iterator[Job]:
        """The jobs to be started now."""
        while self.has_room:
            try:
                piece = next(self._settings.pieces, None)
            except Exception as error:  # noqa: BLE001 - whatever the user's iterator raises
                self.broken = error
                return
            if piece is None:
                return
            yield self.add(piece)

    def add(self, piece: Piece) -> Job:
        """The job of the next piece."""
        alike = (job.turn for job in self.pending if job.piece.text == piece.text)
        turn = next(alike, None) if self._settings.keeps else None
        job = Job(piece, self._channel(), turn or self._turn())
        self.pending.append(job)
        return job

    def take(self, item: object) -> bytes:
        """Take what came through the first job's channel, and return what is to hand out."""
        piece, data = self.pending[0].piece, b""
        if isinstance(item, bytes):
            self._unjoined.append(item)
        if not (self.unfit or isinstance(item, BaseException)):
            try:
                data = self._joined(item, piece)
            except InvalidResponseError as error:
                self.unfit = error
        if data:
            self._unjoined.clear()
        if isinstance(item, AudioMetadata | bytes):
            return data
        # Nothing more will come of it.
        self.pending.popleft()
        if self.unfit and self._metadata:
            self.unfit.audio = self._metadata.with_content(b"".join(self._unjoined))
        if failure := self.unfit or item:
            assert isinstance(failure, BaseException)
            if isinstance(failure, ModelGatesError):
                _locate(failure, piece)
            raise failure
        self._done += 1
        if self._settings.on_progress:
            self._settings.on_progress(
                NarrationProgress(self._done, piece.end, self._joiner.seconds, self._begins, piece)
            )
        return data

    def _joined(self, item: object, piece: Piece) -> bytes:
        if isinstance(item, bytes):
            return self._joiner.feed(item)
        if not isinstance(item, AudioMetadata):
            return self._joiner.end()
        self._metadata = item
        self._unjoined.clear()
        self._joiner.begin(item)
        pause = self._settings.pause_before(piece) if self._done else 0
        silence = self._joiner.silence(pause) if pause else b""
        self._begins = self._joiner.seconds
        return silence

    def receiver(self, metadata: object) -> Receiver:
        """The receiver of the whole, given what came first through the first channel."""
        self.take(metadata)
        assert isinstance(metadata, AudioMetadata)
        # These two tell of the first piece's body, not of the whole.
        headers = {
            name: value
            for name, value in metadata.headers.items()
            if name not in ("content-length", "content-encoding")
        }
        if metadata.format == "wav":
            # What is joined are the samples.
            layout = f"rate={metadata.sample_rate};channels={metadata.channels}"
            headers["content-type"] = f"audio/pcm;{layout}"
        return _Whole(
            headers,
            metadata.format,
            sample_rate=metadata.sample_rate or DEFAULT_RATE,
            channels=metadata.channels or DEFAULT_CHANNELS,
        )


class _Whole(Receiver):
    """The receiver of the whole: the failure of a piece keeps its class."""

    def cut(self, reason: ModelGatesError | str) -> NoReturn:
        if isinstance(reason, ModelGatesError):
            raise reason
        raise super().cut(reason)


def _locate(error: ModelGatesError, piece: Piece) -> None:
    error.characters = (piece.start, piece.end)
    error.message = (
        f"{error.message} (while speaking characters {piece.start:,} to {piece.end:,} of the text)"
    )
    error.args = (error.message, *error.args[1:])
