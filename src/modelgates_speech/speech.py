"""``client.audio.speech``: the operation ``create-audio-speech`` of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Unpack, overload

from modelgates_speech.audio import Audio, format_for_file
from modelgates_speech.call import Call, NarrateArguments, SpeechArguments, prepare
from modelgates_speech.files import AtomicFile
from modelgates_speech.streams import AsyncAudioStream, AudioStream

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from modelgates_speech.jobs.narration import NarrationPlan
    from modelgates_speech.replies import AsyncReply, Reply
    from modelgates_speech.streams import Opened


class Speech:
    """Text to speech, blocking. Reached as ``client.audio.speech``."""

    def __init__(self, start: Callable[[Call, str], Opened[Reply]], base_url: str) -> None:
        self._start = start
        self._base_url = base_url

    def create(self, **arguments: Unpack[SpeechArguments]) -> Audio:
        """Speak a text and return the whole audio (operation ``create-audio-speech``).

        Args:
            **arguments: See `SpeechArguments`.

        Returns:
            The audio: PCM (signed 16-bit little-endian) unless another format was asked for.

        Raises:
            ConfigurationError: If the call cannot be made; nothing was sent.
            APIConnectionError: If no response came.
            APIStatusError: If the server refused.
            InvalidResponseError: If it answered 200 with something else than audio.
            IncompleteAudioError: If the audio broke off; `partial` has what arrived.
        """
        with self.stream(**arguments) as stream:
            return stream.read()

    def stream(self, **arguments: Unpack[SpeechArguments]) -> AudioStream:
        """Speak a text and hand out the audio as it arrives.

        The request is sent when the stream is entered (``with``) or first used.

        Args:
            **arguments: See `SpeechArguments`.

        Returns:
            The stream; use it in a ``with`` statement, so that its connection is given back.

        Raises:
            ConfigurationError: If the call cannot be made; nothing was sent. The stream itself
                raises what `create` does.
        """
        call, requested = prepare(**arguments)
        return AudioStream(lambda: self._start(call, requested))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int], None] | None = None,
        **arguments: Unpack[SpeechArguments],
    ) -> Path:
        """Speak a text into a file that appears whole or not at all, in constant memory.

        Args:
            path: The target. Its suffix decides the format to ask for: ``.wav`` (PCM with a
                header), ``.pcm`` or ``.raw``, ``.mp3``.
            on_progress: Called with the bytes of audio received so far.
            **arguments: See `SpeechArguments`.

        Returns:
            The path.

        Raises:
            ConfigurationError: If the suffix contradicts ``response_format``; nothing was sent.
            SaveError: If the file cannot be written. What can be known before anything is sent
                (no such folder, no permission) is; after that `partial` has the audio.
            ModelGatesError: Otherwise as `create` does.
        """
        arguments["response_format"] = format_for_file(path, arguments.get("response_format"))
        with AtomicFile(path) as file, self.stream(**arguments) as stream:
            return stream._write(file, on_progress)  # noqa: SLF001

    @overload
    def narrate(
        self, *, dry_run: Literal[False] = False, **arguments: Unpack[NarrateArguments]
    ) -> AudioStream: ...

    @overload
    def narrate(
        self, *, dry_run: Literal[True], **arguments: Unpack[NarrateArguments]
    ) -> NarrationPlan: ...

    def narrate(
        self, *, dry_run: bool = False, **arguments: Unpack[NarrateArguments]
    ) -> AudioStream | NarrationPlan:
        """Speak a text of any length, in constant memory (extra ``jobs``).

        The text is cut at the ends of sentences; the pieces are spoken several at once and
        handed out in order as one stream. PCM joins without a gap; each MP3 piece adds a pause
        of some 60 ms. With ``cache_dir`` every finished piece is kept, so that after a failure
        the same call buys only what is missing.

        Args:
            dry_run: Say what would be sent, and send nothing.
            **arguments: See `NarrateArguments`; ``response_format`` is ``pcm`` or ``mp3``.

        Returns:
            The stream, as `stream` does; or the plan.

        Raises:
            ConfigurationError: If the call cannot be made; nothing was sent. The stream itself
                raises what `stream` does, with the characters of the text that it failed at.
        """
        from modelgates_speech.jobs.narration import narrate, plan

        return plan(arguments, self._base_url) if dry_run else narrate(self, arguments)


class AsyncSpeech:
    """Text to speech, for event loops. Reached as ``client.audio.speech``."""

    def __init__(
        self, start: Callable[[Call, str], Awaitable[Opened[AsyncReply]]], base_url: str
    ) -> None:
        self._start = start
        self._base_url = base_url

    async def create(self, **arguments: Unpack[SpeechArguments]) -> Audio:
        """Speak a text and return the whole audio; see `Speech.create`."""
        async with self.stream(**arguments) as stream:
            return await stream.read()

    def stream(self, **arguments: Unpack[SpeechArguments]) -> AsyncAudioStream:
        """Speak a text and hand out the audio as it arrives; see `Speech.stream`."""
        call, requested = prepare(**arguments)
        return AsyncAudioStream(lambda: self._start(call, requested))

    async def save(
        self,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int], None] | None = None,
        **arguments: Unpack[SpeechArguments],
    ) -> Path:
        """Speak a text into a file that appears whole or not at all; see `Speech.save`."""
        arguments["response_format"] = format_for_file(path, arguments.get("response_format"))
        # Opened here and not in a thread: cancelled meanwhile, nobody would close it.
        with AtomicFile(path) as file:
            async with self.stream(**arguments) as stream:
                return await stream._write(file, on_progress)  # noqa: SLF001

    @overload
    def narrate(
        self, *, dry_run: Literal[False] = False, **arguments: Unpack[NarrateArguments]
    ) -> AsyncAudioStream: ...

    @overload
    def narrate(
        self, *, dry_run: Literal[True], **arguments: Unpack[NarrateArguments]
    ) -> NarrationPlan: ...

    def narrate(
        self, *, dry_run: bool = False, **arguments: Unpack[NarrateArguments]
    ) -> AsyncAudioStream | NarrationPlan:
        """Speak a text of any length; see `Speech.narrate`. The stream belongs to one task."""
        from modelgates_speech.jobs.narration import narrate_async, plan

        return plan(arguments, self._base_url) if dry_run else narrate_async(self, arguments)
