"""JSON for the type checker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

# JSON is of any shape until it has been validated, and validating is not for the type checker.
Json: TypeAlias = Any


def fields(value: Json) -> Mapping[str, Json]:
    """Look at a JSON value as an object; at anything else as an object without fields."""
    return cast("Mapping[str, Json]", value) if isinstance(value, Mapping) else {}
