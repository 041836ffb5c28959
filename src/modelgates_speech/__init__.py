"""The Python client for the ModelGates text-to-speech API.

Each name is loaded when it is first used, so that importing the package costs next to nothing.
"""

from modelgates_speech._lazy import TYPE_CHECKING, attach

# For type checkers, editors, and what packs a program into one file: it never runs.
if TYPE_CHECKING:
    from ._version import __version__ as __version__
    from .audio import Audio as Audio
    from .audio import AudioMetadata as AudioMetadata
    from .client import AsyncModelGates as AsyncModelGates
    from .client import ModelGates as ModelGates
    from .config import Timeout as Timeout
    from .errors import APIConnectionError as APIConnectionError
    from .errors import APIStatusError as APIStatusError
    from .errors import APITimeoutError as APITimeoutError
    from .errors import ArgumentError as ArgumentError
    from .errors import AuthenticationError as AuthenticationError
    from .errors import BadGatewayError as BadGatewayError
    from .errors import BadRequestError as BadRequestError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import IncompleteAudioError as IncompleteAudioError
    from .errors import InternalServerError as InternalServerError
    from .errors import InvalidResponseError as InvalidResponseError
    from .errors import ModelGatesError as ModelGatesError
    from .errors import NotFoundError as NotFoundError
    from .errors import NotSentError as NotSentError
    from .errors import PaymentRequiredError as PaymentRequiredError
    from .errors import PlaybackError as PlaybackError
    from .errors import RateLimitError as RateLimitError
    from .errors import SaveError as SaveError
    from .errors import ServiceUnavailableError as ServiceUnavailableError
    from .playback import aplay as aplay
    from .playback import play as play
    from .retry import RetryPolicy as RetryPolicy
    from .streams import AsyncAudioStream as AsyncAudioStream
    from .streams import AudioStream as AudioStream
else:
    __getattr__, __dir__ = attach(
        __name__,
        _version="__version__",
        audio="Audio AudioMetadata",
        client="AsyncModelGates ModelGates",
        config="Timeout",
        errors=(
            "APIConnectionError APIStatusError APITimeoutError ArgumentError "
            "AuthenticationError BadGatewayError BadRequestError ConfigurationError "
            "IncompleteAudioError InternalServerError InvalidResponseError ModelGatesError "
            "NotFoundError NotSentError PaymentRequiredError PlaybackError RateLimitError "
            "SaveError ServiceUnavailableError"
        ),
        playback="aplay play",
        retry="RetryPolicy",
        streams="AsyncAudioStream AudioStream",
    )
