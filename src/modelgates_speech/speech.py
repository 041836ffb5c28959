"""``client.audio.speech``: the operation ``create-audio-speech`` of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from modelgates_speech._methods import SpeechMethods
from modelgates_speech.audio import Audio, format_for_file
from modelgates_speech.call import Call, prepare
from modelgates_speech.files import AtomicFile
from modelgates_speech.streams import AsyncAudioStream, AudioStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from modelgates_speech.jobs.narration import NarrationPlan
    from modelgates_speech.replies import AsyncReply, Reply
    from modelgates_speech.streams import Opened

SpeechT = TypeVar("SpeechT")


class Speech(SpeechMethods[Audio, AudioStream, Path]):
    """Text to speech, blocking. Reached as ``client.audio.speech``.

    Examples:
        >>> client.audio.speech.save("hello.wav", model="m/n", voice="alloy", input="Hello").name
        'hello.wav'
    """

    def __init__(self, start: Callable[[Call], Opened[Reply]], base_url: str) -> None:
        self._start = start
        self._base_url = base_url

    def _create(self, arguments: dict[str, Any]) -> Audio:
        with self._stream(arguments) as stream:
            return stream.read()

    def _stream(self, arguments: dict[str, Any]) -> AudioStream:
        call = prepare(**arguments)
        return AudioStream(lambda: self._start(call))

    def _save(self, arguments: dict[str, Any]) -> Path:
        path, on_progress = arguments.pop("path"), arguments.pop("on_progress")
        arguments["response_format"] = format_for_file(path, arguments.get("response_format"))
        with AtomicFile(path) as file, self._stream(arguments) as stream:
            return stream.write(file, on_progress)

    def _narrate(self, arguments: dict[str, Any]) -> AudioStream | NarrationPlan:
        from modelgates_speech.jobs.narration import plan
        from modelgates_speech.jobs.workers import narrate

        if arguments.pop("dry_run"):
            return plan(arguments, self._base_url)
        return narrate(self._stream, arguments)


class AsyncSpeech(
    SpeechMethods[Coroutine[Any, Any, Audio], AsyncAudioStream, Coroutine[Any, Any, Path]]
):
    """Text to speech, for event loops. Reached as ``client.audio.speech``.

    Examples:
        >>> async def main():
        ...     async with AsyncModelGates() as client:
        ...         return await client.audio.speech.create(model="m/n", voice="a", input="Hi")
        >>> asyncio.run(main()).duration > 0
        True
    """

    def __init__(
        self, start: Callable[[Call], Awaitable[Opened[AsyncReply]]], base_url: str
    ) -> None:
        self._start = start
        self._base_url = base_url

    async def _create(self, arguments: dict[str, Any]) -> Audio:
        async with self._stream(arguments) as stream:
            return await stream.read()

    def _stream(self, arguments: dict[str, Any]) -> AsyncAudioStream:
        call = prepare(**arguments)
        return AsyncAudioStream(lambda: self._start(call))

    async def _save(self, arguments: dict[str, Any]) -> Path:
        path, on_progress = arguments.pop("path"), arguments.pop("on_progress")
        arguments["response_format"] = format_for_file(path, arguments.get("response_format"))
        async with AtomicFile(path) as file, self._stream(arguments) as stream:
            return await stream.write(file, on_progress)

    def _narrate(self, arguments: dict[str, Any]) -> AsyncAudioStream | NarrationPlan:
        from modelgates_speech.jobs.narration import plan
        from modelgates_speech.jobs.workers import narrate_async

        if arguments.pop("dry_run"):
            return plan(arguments, self._base_url)
        return narrate_async(self._stream, arguments)


class Namespace(Generic[SpeechT]):
    """``client.audio``, the tag of the OpenAPI document that speech belongs to."""

    def __init__(self, speech: SpeechT) -> None:
        self.speech = speech
