"""Long texts, batches, and speech that is kept (extra ``jobs``).

Each name is loaded when it is first used.
"""

from modelgates_speech._lazy import TYPE_CHECKING, attach

# For type checkers, editors, and what packs a program into one file: it never runs.
if TYPE_CHECKING:
    from .batch import BatchReport as BatchReport
    from .batch import run_batch as run_batch
    from .batch import run_batch_async as run_batch_async
    from .cache import AudioCache as AudioCache
    from .narration import NarrationPlan as NarrationPlan
    from .narration import NarrationProgress as NarrationProgress
    from .splitting import Piece as Piece
    from .splitting import split as split
else:
    __getattr__, __dir__ = attach(
        __name__,
        batch="BatchReport run_batch run_batch_async",
        cache="AudioCache",
        narration="NarrationPlan NarrationProgress",
        splitting="Piece split",
    )
