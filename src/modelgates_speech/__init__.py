"""The Python client for the ModelGates text-to-speech API.

The names of the public API stand in `__init__.pyi`, and each is loaded when it is first used, so
that importing the package costs next to nothing.
"""

from modelgates_speech._lazy import attach

__getattr__, __dir__ = attach(__name__, __file__)
