"""Batches on more than one machine, on Ray Data (extra ``ray``).

Each worker of the cluster holds one client. A row is done once its record is in the output
folder, after its audio: a worker that dies takes nothing with it but what it was speaking, and
Ray gives its rows to another, which speaks those without a record.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

import attrs

import modelgates_speech
from modelgates_speech.config import MAX_SECONDS, as_number, checked_count, must_be
from modelgates_speech.errors import ModelGatesError, RateLimitError
from modelgates_speech.jobs.batch import HOPELESS, MAX_REFUSALS
from modelgates_speech.jobs.manifest import (
    BadRow,
    Row,
    as_row,
    file_name,
    origin_of,
    without_nulls,
)
from modelgates_speech.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelgates_speech.audio import Audio

try:
    # They are an extra, and what they have of types is not enough to check against.
    fsspec: Any = import_module("fsspec.core")
    pyarrow: Any = import_module("pyarrow")
    ray: Any = import_module("ray")
    ray_data: Any = import_module("ray.data")
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"modelgates_speech.distributed needs {error.name!r}: pip install 'modelgates-speech[ray]'",
        name=error.name,
    ) from error

__all__ = ["RECORDS", "speak"]

RECORDS = "records"
"""The folder, inside the output, that has a record for each row that is done."""

_PAUSE = 5.0
_SCHEMA = pyarrow.schema(
    [
        ("id", pyarrow.string()),
        ("status", pyarrow.string()),
        ("path", pyarrow.string()),
        ("bytes", pyarrow.int64()),
        ("sha256", pyarrow.string()),
        ("seconds", pyarrow.float64()),
        ("request", pyarrow.string()),
        ("request_id", pyarrow.string()),
        ("worker", pyarrow.string()),
        ("error", pyarrow.string()),
    ]
)


def speak(
    dataset: Any,
    out: str,
    *,
    workers: int = 2,
    concurrency: int = 8,
    requests_per_second: float | None = None,
    defaults: Mapping[str, Any] | None = None,
    client: Mapping[str, Any] | None = None,
    retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008 - immutable
    batch_size: int = 32,
) -> Any:
    """Speak every row of a Ray dataset on a cluster; run again, it sends only what is missing.

    Rows are those of `modelgates_speech.jobs.run_batch`. The audio of each goes to ``out``, named
    by its id, and after it a record to ``out/records``; a row whose record stands is not sent
    again.

    Args:
        dataset: The rows, a `ray.data.Dataset`; ids must be unique in it.
        out: The folder: a path that all workers share, or any URL that ``fsspec`` knows
            (``s3://bucket/folder``).
        workers: How many actors, on as many CPUs of the cluster. Each holds one client.
        concurrency: The most requests at once of each worker.
        requests_per_second: The most requests that the whole cluster starts in a second; None for
            no limit. A 429 pauses all workers, with or without it.
        defaults: Fields for rows that do not have them.
        client: Keyword arguments of each worker's `ModelGates`. Leave the key out: workers read
            ``MODELGATES_API_KEY``, which Ray's ``runtime_env`` can set.
        retry: What is tried again for a row; 429 is for the cluster to decide.
        batch_size: Rows that a worker takes at once, and that Ray gives to another if it dies.

    Returns:
        A `ray.data.Dataset` of results, a row for each: ``id``, ``status`` (``ok`` or
        ``failed``), ``path``, ``bytes``, ``sha256``, ``seconds``, ``request``, ``request_id``,
        ``worker``, ``error``. As all of Ray Data it is lazy: the work is done when it is consumed.

    Raises:
        ConfigurationError: If a number is out of range; nothing was sent.

    Examples:
        >>> rows = [{"id": "hello", "input": "Hello", "model": "any/model", "voice": "alloy"}]
        >>> speak(ray.data.from_items(rows), os.path.abspath("out")).count()
        1
    """
    workers = checked_count(workers, "workers")
    concurrency = checked_count(concurrency, "concurrency")
    if requests_per_second is not None:
        rate = as_number(requests_per_second)
        if rate is None or not 1 / MAX_SECONDS <= rate < math.inf:
            raise must_be("a number above 0", requests_per_second, "requests_per_second")
    if retry is not None:
        retry = attrs.evolve(retry, statuses=retry.statuses - {429})
    # On no CPU of its own: it does nothing but tell the time.
    pace = ray.remote(num_cpus=0, max_restarts=-1)(Pace).remote(requests_per_second)
    return dataset.map_batches(
        _Worker,
        fn_constructor_kwargs={
            "out": out,
            "pace": pace,
            "concurrency": concurrency,
            "defaults": dict(defaults or {}),
            "client": dict(client or {}),
            "retry": retry,
        },
        batch_size=batch_size,
        batch_format="pyarrow",
        compute=ray_data.ActorPoolStrategy(size=workers),
        num_cpus=1,
    )


class Pace:
    """When the next request of the cluster may start: one place that all workers ask."""

    def __init__(self, rate: float | None) -> None:
        self._interval = 0.0 if rate is None else 1 / rate
        self._next = 0.0

    def turn(self) -> float:
        """Seconds until the caller's turn, which is its own from now on."""
        now = time.monotonic()
        turn = max(now, self._next)
        self._next = turn + self._interval
        return turn - now

    def refused(self, retry_after: float | None) -> None:
        """Note a 429: no turn comes before what the server asked for, or five seconds."""
        pause = _PAUSE if retry_after is None else retry_after
        self._next = max(self._next, time.monotonic() + pause)


class _Worker:
    """An actor of Ray Data: one client that speaks several rows at once."""

    def __init__(
        self,
        *,
        out: str,
        pace: Any,
        concurrency: int,
        defaults: Mapping[str, Any],
        client: Mapping[str, Any],
        retry: RetryPolicy | None,
    ) -> None:
        self._files, self._out = fsspec.url_to_fs(out)
        self._files.makedirs(f"{self._out}/{RECORDS}", exist_ok=True)
        self._pace = pace
        self._defaults = defaults
        self._retry = retry
        self._client = modelgates_speech.ModelGates(**client)
        self._threads = ThreadPoolExecutor(concurrency)
        self._hopeless = ""  # the error that all other rows would meet, too
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def __call__(self, batch: Any) -> Any:
        results = list(self._threads.map(self._result, batch.to_pylist()))
        return pyarrow.Table.from_pylist(results, schema=_SCHEMA)

    def _result(self, found: Mapping[str, Any]) -> dict[str, Any]:
        row = as_row(0, without_nulls(found), self._defaults, origin_of(self._client.base_url))
        if isinstance(row, BadRow):
            return {"id": row.id, "status": "failed", "error": f"InvalidRow: {row.reason}"}
        record = f"{self._out}/{RECORDS}/{row.name}.json"
        return self._standing(record, row) or self._bought(record, row)

    def _standing(self, record: str, row: Row) -> dict[str, Any] | None:
        """What an earlier run, or a worker that died, has recorded of the row."""
        try:
            result: dict[str, Any] = json.loads(self._files.cat_file(record))
            size = self._files.size(f"{self._out}/{result['path']}")
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # Torn by a worker that died, or not there: the row is due.
            return None
        return result if (result["request"], result["bytes"]) == (row.key, size) else None

    def _bought(self, record: str, row: Row) -> dict[str, Any]:
        identity = {"id": row.id, "request": row.key, "worker": self._name}
        if self._hopeless:
            return {**identity, "status": "failed", "error": self._hopeless}
        try:
            audio = self._spoken(row)
            content = audio.to_wav() if audio.format == "pcm" else audio.content
        except ModelGatesError as error:
            told = f"{type(error).__name__}: {error}"
            if isinstance(error, HOPELESS):
                self._hopeless = told
            return {**identity, "status": "failed", "error": told}
        # Named by what came, which may not be what was asked for.
        path = row.name + (".wav" if audio.format == "pcm" else f".{file_name(audio.format)}")
        self._files.pipe_file(f"{self._out}/{path}", content)
        result = {
            **identity,
            "status": "ok",
            "path": path,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "seconds": audio.duration,
            "request_id": audio.request_id,
        }
        # The record last: what it says is there.
        self._files.pipe_file(record, json.dumps(result).encode())
        return result

    def _spoken(self, row: Row) -> Audio:
        request: dict[str, Any] = {**row.request, "retry": self._retry}
        for _ in range(MAX_REFUSALS):
            time.sleep(ray.get(self._pace.turn.remote()))
            try:
                return self._client.audio.speech.create(**request)
            except RateLimitError as error:
                ray.get(self._pace.refused.remote(error.retry_after))
        time.sleep(ray.get(self._pace.turn.remote()))
        return self._client.audio.speech.create(**request)
