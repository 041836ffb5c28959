"""The Python client for the ModelGates text-to-speech API.

Names are loaded when first used, so that importing the package costs next to nothing.
"""

from importlib import import_module

from modelgates_speech._version import __version__

# Type checkers take it for true; to import `typing` for it would be nine tenths of the cost.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from modelgates_speech.audio import Audio, AudioMetadata
    from modelgates_speech.client import AsyncModelGates, ModelGates
    from modelgates_speech.config import Timeout
    from modelgates_speech.errors import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadGatewayError,
        BadRequestError,
        ConfigurationError,
        IncompleteAudioError,
        InternalServerError,
        InvalidResponseError,
        ModelGatesError,
        NotFoundError,
        PaymentRequiredError,
        RateLimitError,
        SaveError,
        ServiceUnavailableError,
    )
    from modelgates_speech.retry import RetryPolicy
    from modelgates_speech.streams import AsyncAudioStream, AudioStream

_MODULES = {
    "audio": ("Audio", "AudioMetadata"),
    "client": ("AsyncModelGates", "ModelGates"),
    "config": ("Timeout",),
    "errors": (
        "APIConnectionError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadGatewayError",
        "BadRequestError",
        "ConfigurationError",
        "IncompleteAudioError",
        "InternalServerError",
        "InvalidResponseError",
        "ModelGatesError",
        "NotFoundError",
        "PaymentRequiredError",
        "RateLimitError",
        "SaveError",
        "ServiceUnavailableError",
    ),
    "retry": ("RetryPolicy",),
    "streams": ("AsyncAudioStream", "AudioStream"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncAudioStream",
    "AsyncModelGates",
    "Audio",
    "AudioMetadata",
    "AudioStream",
    "AuthenticationError",
    "BadGatewayError",
    "BadRequestError",
    "ConfigurationError",
    "IncompleteAudioError",
    "InternalServerError",
    "InvalidResponseError",
    "ModelGates",
    "ModelGatesError",
    "NotFoundError",
    "PaymentRequiredError",
    "RateLimitError",
    "RetryPolicy",
    "SaveError",
    "ServiceUnavailableError",
    "Timeout",
    "__version__",
]

# Hidden from type checkers, which would take every name for known.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"modelgates_speech.{_HOME[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
