"""What one run of the suite is told: written by scripts/contract.py, read by the tests."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
VARIABLE = "MODELGATES_CONTRACT"
DOCUMENT_VARIABLE = "MODELGATES_CONTRACT_DOCUMENT"
KEY_VARIABLE = "MODELGATES_API_KEY"
STUB_KEY = "contract-key"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One run of the suite.

    Arguments:
        document: path of the OpenAPI document, YAML or JSON.
        base_url: the running server to judge; None for the stub, started by the suite.
        stub: whether the server is a stub, so that what only stubs can do is asked of it.
        model: put in place of generated models, for servers that do not take any name.
        voice: the same for voices.
        seed: what the generated cases are drawn with.
        examples: how many cases are drawn, for each document and way to the server.
        breadth: how many properties of each object are explored; None for all.
        max_requests: after so many requests, the rest is not sent.
        max_characters: after so many characters of `input`, the rest is not sent.
        until: seconds since the epoch; generating stops then.
        shrink: whether a failing case is made as small as possible.
        defect: what is wrong with the stub; None for the stub as shipped.
        report_dir: where ledger.json, junit.xml and traffic.har go; None for nowhere.
    """

    document: str = str(ROOT / "openapi.yaml")
    base_url: str | None = None
    stub: bool = True
    model: str | None = None
    voice: str | None = None
    seed: int = 1
    examples: int = 100
    breadth: int | None = None
    max_requests: int | None = None
    max_characters: int | None = None
    until: float | None = None
    shrink: bool = True
    defect: str | None = None
    report_dir: str | None = None

    def dump(self) -> str:
        """Write for the environment variable `VARIABLE`."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def load(cls) -> Settings:
        """Read from the environment; without `VARIABLE` the stub is judged, as in CI."""
        if written := os.environ.get(VARIABLE):
            return cls(**json.loads(written))
        return cls(document=os.environ.get(DOCUMENT_VARIABLE, cls.document))
