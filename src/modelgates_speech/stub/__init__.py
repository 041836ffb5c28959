"""A local double of the ModelGates API that really speaks, for tests and for offline work.

Needs the extra `stub`: `pip install 'modelgates-speech[stub]'`. It is imported when first used.
"""

from modelgates_speech._lazy import attach

_find, __dir__ = attach(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _find(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("modelgates_"):
            raise
        raise ModuleNotFoundError(
            f"the stub needs {error.name!r}: pip install 'modelgates-speech[stub]'", name=error.name
        ) from error
