"""``client.audio.speech``: the operation ``create-audio-speech`` of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from modelgates_speech._methods import SpeechMethods
from modelgates_speech.audio import Audio
from modelgates_speech.call import Call, prepare
from modelgates_speech.config import checked_callback
from modelgates_speech.errors import ConfigurationError
from modelgates_speech.files import AtomicFile
from modelgates_speech.keeping import format_for_file
from modelgates_speech.streams import AsyncAudioStream, AudioStream
from modelgates_speech.waiting import at_once

if TYPE_CHECKING:
    from modelgates_speech.jobs.narration import NarrationPlan
    from modelgates_speech.streams import Opened

AudioT = TypeVar("AudioT")
StreamT = TypeVar("StreamT", AudioStream, AsyncAudioStream)
PathT = TypeVar("PathT")
SpeechT = TypeVar("SpeechT")


class _Speech(SpeechMethods[AudioT, StreamT, PathT]):
    """What the sync and the async one share: all but waiting."""

    # Not in the `__dict__`, which is the client's: what tests put in the place of a method stays.
    __slots__ = ("_asked_with", "_start")
    _kind: type[StreamT]

    def __init__(
        self,
        start: Callable[[Call], Awaitable[Opened]],
        asked_with: tuple[str, Mapping[str, str]],
        replaced: dict[str, Any],
    ) -> None:
        self._start, self._asked_with, self.__dict__ = start, asked_with, replaced

    def _stream(self, arguments: dict[str, Any]) -> StreamT:
        call = prepare(**arguments)
        return self._kind(lambda: self._start(call), call.response_format)

    def _narrate(self, arguments: dict[str, Any]) -> StreamT | NarrationPlan:
        from modelgates_speech.jobs.narration import plan
        from modelgates_speech.jobs.workers import narrate

        if "input" not in arguments:
            raise ConfigurationError("the OpenAPI document has no input to narrate: use create()")
        if arguments.pop("dry_run"):
            return plan(arguments, *self._asked_with)
        return narrate(self._kind, self._stream, arguments)


class Speech(_Speech[Audio, AudioStream, Path]):
    """Text to speech, blocking. Reached as ``client.audio.speech``.

    Examples:
        >>> client.audio.speech.save("hello.wav", model="m/n", voice="alloy", input="Hello").name
        'hello.wav'
    """

    _kind = AudioStream

    def _create(self, arguments: dict[str, Any]) -> Audio:
        with self._stream(arguments) as stream:
            return stream.read()

    def _save(self, arguments: dict[str, Any]) -> Path:
        path, on_progress = _target(arguments)
        with AtomicFile(path) as file, self._stream(arguments) as stream:
            return at_once(stream.write(file, on_progress))


class AsyncSpeech(_Speech[Coroutine[Any, Any, Audio], AsyncAudioStream, Coroutine[Any, Any, Path]]):
    """Text to speech, for event loops. Reached as ``client.audio.speech``.

    Examples:
        >>> async def main():
        ...     async with AsyncModelGates() as client:
        ...         return await client.audio.speech.create(model="m/n", voice="a", input="Hi")
        >>> asyncio.run(main()).duration > 0
        True
    """

    _kind = AsyncAudioStream

    async def _create(self, arguments: dict[str, Any]) -> Audio:
        async with self._stream(arguments) as stream:
            return await stream.read()

    async def _save(self, arguments: dict[str, Any]) -> Path:
        path, on_progress = _target(arguments)
        async with AtomicFile(path) as file, self._stream(arguments) as stream:
            return await stream.write(file, on_progress)


def _coroutine_function(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await method(*args, **kwargs)

    return call


# Background tasks and the like look at a function to know whether to await what it gives. Editors
# see the methods as they are written.
for _method in (AsyncSpeech.create, AsyncSpeech.save):
    setattr(AsyncSpeech, _method.__name__, _coroutine_function(_method))


def _target(arguments: dict[str, Any]) -> tuple[Any, Any]:
    path = arguments.pop("path")
    on_progress = checked_callback(arguments.pop("on_progress"), "on_progress")
    if (asked := format_for_file(path, arguments.get("response_format"))) is not None:
        arguments["response_format"] = asked
    return path, on_progress


@attrs.frozen
class Namespace(Generic[SpeechT]):
    """``client.audio``, the tag of the OpenAPI document that speech belongs to."""

    speech: SpeechT
