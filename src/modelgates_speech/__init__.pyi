"""The Python client for the ModelGates text-to-speech API.

The names of the public API stand here, once, where editors look; `__init__.py` loads each when it
is first used.
"""

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
