"""Long texts and batches."""

from .batch import BatchReport as BatchReport
from .batch import run_batch as run_batch
from .batch import run_batch_async as run_batch_async
from .cache import AudioCache as AudioCache
from .narration import NarrationPlan as NarrationPlan
from .narration import NarrationProgress as NarrationProgress
from .splitting import Piece as Piece
from .splitting import split as split
