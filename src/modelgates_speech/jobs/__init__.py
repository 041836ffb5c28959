"""Long texts, batches, and speech that is kept (extra ``jobs``).

The public names stand in `__init__.pyi`, and each is loaded when it is first used.
"""

from modelgates_speech._lazy import attach

__getattr__, __dir__ = attach(__name__, __file__)
