"""Long texts and piles of texts, on top of the client (extra ``jobs``).

Names are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelgates_speech.jobs.batch import BatchReport, run_batch, run_batch_async
    from modelgates_speech.jobs.cache import AudioCache
    from modelgates_speech.jobs.narration import NarrationPlan, NarrationProgress

__all__ = [
    "AudioCache",
    "BatchReport",
    "NarrationPlan",
    "NarrationProgress",
    "run_batch",
    "run_batch_async",
]

_HOMES = {
    "AudioCache": "cache",
    "BatchReport": "batch",
    "NarrationPlan": "narration",
    "NarrationProgress": "narration",
    "run_batch": "batch",
    "run_batch_async": "batch",
}

# Hidden from type checkers, which would take every name for known.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
