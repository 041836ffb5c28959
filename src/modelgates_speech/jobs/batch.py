"""Batches: each row of a manifest is a file and a line in `results.jsonl`, sent once.

One task decides which row is next and when it may start; each row is spoken in a task of its own.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from errno import EBUSY, EFBIG, EISDIR, ELOOP, ENAMETOOLONG, ENXIO, EPERM
from typing import TYPE_CHECKING, Any

import anyio
import attrs

import modelgates_speech
from modelgates_speech.arguments import explained, misuse
from modelgates_speech.config import (
    GRACE_SECONDS,
    checked_callback,
    checked_count,
    checked_folder,
    checked_mapping,
)
from modelgates_speech.errors import (
    APIConnectionError,
    ArgumentError,
    AuthenticationError,
    ConfigurationError,
    ModelGatesError,
    PaymentRequiredError,
    RateLimitError,
    SaveError,
)
from modelgates_speech.files import AtomicFile
from modelgates_speech.jobs.aimd import LONGEST_PAUSE, Aimd
from modelgates_speech.jobs.manifest import FIELDS, BadRow, Row, Source, origin_of, read_rows
from modelgates_speech.jobs.reading import News, Reader
from modelgates_speech.jobs.results import KEPT, Results, read_back
from modelgates_speech.keeping import keep
from modelgates_speech.loops import is_running
from modelgates_speech.retry import RetryPolicy, checked_policy
from modelgates_speech.waiting import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelgates_speech import AsyncModelGates

logger = logging.getLogger("modelgates_speech")

CONCURRENCY = 16
MAX_REFUSALS = 10  # of a row by rate limits, before it counts as failed
HOPELESS = (AuthenticationError, PaymentRequiredError)  # every other row would fail too
# Rows in a row, before the rest is taken to fail so too: texts that a provider refuses are fewer.
MOST_ALIKE = 50
# What a disk says of one name and no other.
_ONE_FILE = {EBUSY, EFBIG, EISDIR, ELOOP, ENAMETOOLONG, ENXIO, EPERM}


@attrs.define
class BatchReport:
    """How a batch went, or how far it is.

    Attributes:
        ok: Rows spoken in this run.
        failed: Rows that failed in this run.
        skipped: Rows whose result of an earlier run stands.
        characters: Characters sent in this run.
        seconds: Seconds of audio received in this run.
        concurrency: How many requests may run at once at the moment.
        stopped: Why the batch ended before its last row, or None.

    Examples:
        >>> run_batch([], "out")
        BatchReport(ok=0, failed=0, skipped=0, characters=0, seconds=0.0, ..., stopped=None)
    """

    ok: int = 0
    failed: int = 0
    skipped: int = 0
    characters: int = 0
    seconds: float = 0.0
    concurrency: int = 0
    stopped: str | None = None


@explained("run_batch")
def run_batch(
    source: Source,
    out_dir: str | os.PathLike[str],
    *,
    client: Callable[[], modelgates_speech.AsyncModelGates] | None = None,
    **options: Any,
) -> BatchReport:
    """Speak every row of a manifest into a folder; blocking.

    Args:
        source: The manifest, as in `run_batch_async`, which says what is raised, too.
        out_dir: The folder for the audio and ``results.jsonl``.
        client: Makes the client that is used, and closed at the end. Default: `AsyncModelGates`.
        **options: The keyword arguments of `run_batch_async`.

    Examples:
        >>> rows = [{"id": "hello", "input": "Hello", "model": "any/model", "voice": "alloy"}]
        >>> run_batch(rows, "out").ok
        1
    """
    if wrong := misuse(run_batch_async, 2, ["client", *options]):
        raise ArgumentError(f"run_batch(): {wrong}")
    if is_running():
        advice = "inside one, such as a notebook's, use `await run_batch_async(...)`"
        raise ConfigurationError(f"run_batch() needs an event loop of its own: {advice}")
    make: Callable[[], AsyncModelGates] = client or modelgates_speech.AsyncModelGates
    if not callable(make):
        raise ArgumentError(f"client must be a function that returns a client, not {make!r}")

    async def run() -> BatchReport:
        async with _checked(make()) as made:
            return await run_batch_async(source, out_dir, client=made, **options)

    return anyio.run(run)


@explained("run_batch_async")
async def run_batch_async(
    source: Source,
    out_dir: str | os.PathLike[str],
    *,
    client: modelgates_speech.AsyncModelGates,
    defaults: Mapping[str, Any] | None = None,
    concurrency: int = CONCURRENCY,
    max_errors: int | None = None,
    max_characters: int | None = None,
    retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008 - immutable
    on_progress: Callable[[BatchReport], None] | None = None,
) -> BatchReport:
    """Speak every row of a manifest into a folder; run again, it sends only what is missing.

    A row has an ``id`` and an ``input``, and may have ``model``, ``voice``, ``response_format``,
    ``speed``, ``provider`` and ``extra_body``. Its audio goes to a file named after its id (WAV for
    ``pcm``), its result to a line of ``results.jsonl``. A failed row does not stop the others,
    unless they would fail too: a refused key, no credit, a full disk, `concurrency` requests in a
    row that cannot reach the server, 50 rows in a row that fail alike. Ctrl-C or cancellation gives
    rows under way five seconds.

    Args:
        source: The manifest: a path (``.jsonl``, ``.csv``, ``.parquet``), ``-`` for JSONL on
            standard input, or an iterable of mappings. It is read as rows are spoken, an iterable
            in one thread of its own: open there what belongs to a thread, as a database does.
        out_dir: The folder. Results in it whose file agrees in size and SHA-256, and whose row
            asks for the same, are not sent again.
        client: Makes the calls.
        defaults: Fields for rows that do not have them.
        concurrency: The most requests at once, for which a client has 100 connections. It is
            approached from 4, and halved when the server answers 429.
        max_errors: Stop once this many rows have failed, alike or not.
        max_characters: Stop before more characters than this are sent.
        retry: What is tried again for a row; 429 is for the batch to decide.
        on_progress: Called with the report after each row.

    Returns:
        The report; `stopped` says if rows are left.

    Raises:
        ConfigurationError: If the batch cannot start; nothing was sent.
        SaveError: If `out_dir` cannot be written.

    Examples:
        >>> async def speak(rows):
        ...     async with AsyncModelGates() as client:
        ...         return await run_batch_async(rows, "out", client=client)
        >>> report = asyncio.run(speak([{"id": "a", "input": "Hi", "model": "m/n", "voice": "v"}]))
    """
    if max_errors is not None:
        max_errors = checked_count(max_errors, "max_errors")
    if max_characters is not None:
        max_characters = checked_count(max_characters, "max_characters")
    limiter = Aimd(concurrency)
    checked_callback(on_progress, "on_progress")
    defaults = {} if defaults is None else checked_mapping(defaults, "defaults")
    if unknown := sorted(map(str, defaults.keys() - set(FIELDS))):
        raise ConfigurationError(f"unknown defaults: {', '.join(unknown)}")
    rows = read_rows(source, defaults, origin_of(getattr(client, "base_url", "")))
    if retry := checked_policy(retry):
        retry = attrs.evolve(retry, statuses=retry.statuses - {429})
    speech = _checked(client).audio.speech
    results = await in_thread(Results, checked_folder(out_dir, "out_dir"))
    limits = (max_errors, max_characters)
    with contextlib.closing(results):
        batch = _Batch(speech, results, limiter, *limits, retry, on_progress)
        return await batch.run(rows)


def _checked(client: AsyncModelGates) -> AsyncModelGates:
    if hasattr(client.__class__, "__aenter__") and hasattr(client, "audio"):
        return client
    raise ArgumentError(f"client must be an AsyncModelGates, not {client!r}")


@attrs.define(eq=False)
class _Batch:
    _speech: Any
    _results: Results
    _limiter: Aimd
    _max_errors: int | None
    _max_characters: int | None
    _retry: RetryPolicy | None
    _on_progress: Callable[[BatchReport], None] | None
    _report: BatchReport = attrs.field(factory=BatchReport)
    _put_back: deque[tuple[Row, int]] = attrs.field(factory=deque[tuple[Row, int]])
    _exhausted: bool = False
    _under_way: set[anyio.CancelScope] = attrs.field(factory=set[anyio.CancelScope])
    # How the last rows failed, all of them, and how many these are.
    _failing: tuple[object, ...] = ()
    _alike: int = 0
    _broken: BaseException | None = None
    _changed: News = attrs.field(factory=News)

    async def run(self, rows: Iterator[Row | BadRow]) -> BatchReport:
        due = Reader(self._results.due(rows))
        async with anyio.create_task_group() as group:
            try:
                while await self._may_start():
                    row, refusals = await self._next(due)
                    if row is not None and self._report.stopped is None:
                        group.start_soon(self._speak, row, refusals, self._limiter.start())
            except anyio.get_cancelled_exc_class():
                self._stop("it was cancelled")
                for scope in self._under_way:
                    scope.deadline = anyio.current_time() + GRACE_SECONDS
                raise
            finally:
                due.close()
        self._note()
        if self._broken is not None:
            raise self._broken
        return self._report

    async def _may_start(self) -> bool:
        """Wait until a row may start; false when none will any more, and none is under way."""
        while True:
            if self._report.stopped or (self._exhausted and not self._put_back):
                if not self._limiter.running:
                    return False
                seconds = None
            else:
                seconds = self._limiter.wait(time.monotonic())
            if seconds == 0:
                return True
            with anyio.move_on_after(seconds):
                await self._changed.wait()

    async def _next(self, due: Reader[Row | BadRow]) -> tuple[Row | None, int]:
        if self._put_back:
            return self._put_back.popleft()
        row = await due.next()
        if isinstance(row, BaseException):
            self._broken = row
            self._stop(f"the rest of the manifest cannot be read: {row}")
            return None, 0
        if isinstance(row, BadRow):
            await self._fail(row, "InvalidRow", row.reason)
            self._note()
            return None, 0
        allowed = self._max_characters
        if row is None:
            self._exhausted = True
        elif allowed is not None and self._report.characters + row.characters > allowed:
            self._stop(f"the next row would take more than the {allowed:,} characters allowed")
            row = None
        else:
            self._report.characters += row.characters
        return row, 0

    async def _speak(self, row: Row, refusals: int, began_in: int) -> None:
        with anyio.CancelScope(shield=True) as scope:
            self._under_way.add(scope)
            await self._speak_and_record(row, refusals, began_in)
        self._under_way.discard(scope)
        if scope.cancelled_caught:
            with anyio.CancelScope(shield=True):
                what = "the batch was cancelled while this was spoken; it may have been billed"
                await self._fail(row, "Cancelled", what)
        self._note()

    async def _speak_and_record(self, row: Row, refusals: int, began_in: int) -> None:
        path = self._results.path.with_name(row.name + row.suffix)
        request: dict[str, Any] = {**row.request, "retry": self._retry}
        try:
            # The file first: what cannot be written had better not be paid for.
            await in_thread(self._results.check_free, row.name, path)
            async with AtomicFile(path) as file, self._speech.stream(**request) as stream:
                await stream.write(file, None)
            facts = {**await in_thread(read_back, path), "seconds": stream.duration}
        except RateLimitError as error:
            self._failing = ()
            now = time.monotonic()
            if (wait := self._limiter.refuse(began_in, now, error.retry_after)) > LONGEST_PAUSE:
                logger.warning("the batch waits for %s s, as the server asks", f"{wait:,.0f}")
            if refusals < MAX_REFUSALS:
                self._put_back.append((row, refusals + 1))
            else:
                await self._fail_with(row, error)
        except ModelGatesError as error:
            self._limiter.end()
            self._stop_if_all_fail(error)
            await self._fail_with(row, error)
        else:
            self._failing = ()
            self._limiter.succeed()
            result = {"status": "ok", "path": path.name, **facts, "request": row.key}
            if await self._record(row, {**result, "request_id": stream.request_id}):
                self._report.ok += 1
                self._report.seconds += stream.duration or 0.0

    def _stop_if_all_fail(self, error: ModelGatesError) -> None:
        """Stop once so many rows in a row have failed alike that every other one would, too."""
        failing = (type(error), getattr(error, "status", None), getattr(error, "phase", None))
        self._alike = self._alike + 1 if failing == self._failing else 1
        self._failing = failing
        most = MOST_ALIKE if self._max_errors is None else math.inf
        what = f"{self._alike:,} rows in a row failed alike: {error}; run the batch again once "
        what += "that is fixed, or set max_errors to try more rows"
        if isinstance(error, (*HOPELESS, SaveError)):
            most = math.inf if getattr(error, "errno", None) in _ONE_FILE else 1
            what = f"every other row would fail too: {error}"
        elif isinstance(error, APIConnectionError) and failing[-1] not in ("pool", "deadline"):
            most = self._limiter.ceiling
            what = f"{self._alike:,} requests in a row reached no server: {error}; run the batch "
            what += "again once it can be reached"
        if self._alike >= most:
            self._stop(what)

    async def _fail_with(self, row: Row, error: ModelGatesError) -> None:
        told: dict[str, Any] = {"status": getattr(error, "status", None)}
        audio = error.partial or getattr(error, "audio", None)
        folder = self._results.path.with_name(KEPT)
        if audio and audio.content and (kept := await in_thread(keep, audio, folder, row.name)):
            told["kept"] = f"{KEPT}/{kept.name}"
        said = str(error) if told["status"] is None else error.message  # which stands beside it
        await self._fail(row, type(error).__name__, said, **told)

    async def _fail(self, row: Row | BadRow, kind: str, message: str, **more: Any) -> None:
        error = {"type": kind, "status": None, "message": message} | more
        if await self._record(row, {"status": "failed", "error": error}):
            self._report.failed += 1
        allowed, failed = self._max_errors, self._report.failed
        if allowed is not None and failed >= allowed:
            self._stop(f"{failed:,} {'row has' if failed == 1 else 'rows have'} failed")

    async def _record(self, row: Row | BadRow, facts: Mapping[str, Any]) -> bool:
        """Write a line; a batch that cannot say what it did must not go on."""
        line = {"id": row.id, "row": row.number, "name": getattr(row, "name", None), **facts}
        try:
            await in_thread(self._results.add, line)
        except SaveError as error:
            self._stop(str(error))
            return False
        return True

    def _stop(self, reason: str) -> None:
        self._report.stopped = self._report.stopped or reason

    def _note(self) -> None:
        self._report.concurrency = self._limiter.limit
        self._report.skipped = self._results.skipped
        self._changed.tell()
        if self._on_progress is None or self._broken is not None:
            return
        try:
            self._on_progress(self._report)
        except BaseException as error:  # noqa: BLE001 - raised by `run`, once all under way is done
            self._broken = error
            self._stop(f"on_progress failed with {type(error).__name__}")
