"""A local double of the ModelGates API that really speaks, for tests and for offline work.

Needs the extra `stub` (`pip install 'modelgates-speech[stub]'`). Nothing of it is imported until
used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelgates_speech.stub.app import create_app
    from modelgates_speech.stub.control import Stub
    from modelgates_speech.stub.faults import Fault
    from modelgates_speech.stub.profile import Profile
    from modelgates_speech.stub.records import RecordedRequest
    from modelgates_speech.stub.server import StubServer, serve

__all__ = ["Fault", "Profile", "RecordedRequest", "Stub", "StubServer", "create_app", "serve"]

_HOMES = {
    "Fault": "faults",
    "Profile": "profile",
    "RecordedRequest": "records",
    "Stub": "control",
    "StubServer": "server",
    "create_app": "app",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("modelgates_"):
            raise
        raise ModuleNotFoundError(
            f"the stub needs {error.name!r}: pip install 'modelgates-speech[stub]'", name=error.name
        ) from error


def __dir__() -> list[str]:
    return __all__
