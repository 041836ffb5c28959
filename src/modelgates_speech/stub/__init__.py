"""A local double of the ModelGates API that really speaks, for tests and for offline work.

Needs the extra `stub`: `pip install 'modelgates-speech[stub]'`. It is imported when first used.
"""

from modelgates_speech._lazy import TYPE_CHECKING, attach

# For type checkers, editors, and what packs a program into one file: it never runs.
if TYPE_CHECKING:
    from .app import create_app as create_app
    from .control import Profile as Profile
    from .control import Stub as Stub
    from .faults import Fault as Fault
    from .records import RecordedRequest as RecordedRequest
    from .server import StubServer as StubServer
    from .server import serve as serve
    from .tape import Recording as Recording
    from .tape import Replay as Replay
else:
    _find, __dir__ = attach(
        __name__,
        app="create_app",
        control="Profile Stub",
        faults="Fault",
        records="RecordedRequest",
        server="StubServer serve",
        tape="Recording Replay",
    )

    def __getattr__(name: str) -> object:
        try:
            return _find(name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("modelgates_"):
                raise
            raise ModuleNotFoundError(
                f"the stub needs {error.name!r}: pip install 'modelgates-speech[stub]'",
                name=error.name,
            ) from error
