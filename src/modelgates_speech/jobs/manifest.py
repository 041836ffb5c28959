"""The rows of a batch, one by one, from JSONL, CSV, Parquet or Python; none stops the others."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from io import BytesIO, TextIOWrapper
from itertools import chain, dropwhile
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote, urlsplit

import attrs

from modelgates_speech._binding import ARGUMENTS
from modelgates_speech.call import prepare
from modelgates_speech.config import RESULTS, in_short, installed, is_loopback
from modelgates_speech.errors import ConfigurationError
from modelgates_speech.jobs.cache import request_key
from modelgates_speech.jobs.values import value_of, wide_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Source = str | os.PathLike[str] | Iterable[Mapping[str, Any]]
STANDARD_INPUT = "-"
# What a row may say beside its id and its text.
_OURS = {"extra_body": "object", "sample_rate": "integer", "channels": "integer"}
FIELDS = (*(name for name in ARGUMENTS if name != "input"), *_OURS)

# In bytes, suffix included, of the 255 that file systems take.
_LONGEST_NAME = 200
_BATCH = 256


@attrs.frozen
class Row:
    """A row that can be spoken.

    Attributes:
        number: Its place in the manifest, from 1.
        id: Its id as given, as text.
        name: The stem of its file: the id, with all but letters, digits, ``-``, ``_`` and inner
            dots percent-encoded.
        suffix: The suffix of its file.
        request: The arguments of `speech.stream`.
        key: The SHA-256 of the request, in hex.
    """

    number: int
    id: str
    name: str
    suffix: str
    request: dict[str, Any]
    key: str

    @property
    def characters(self) -> int:
        """How many characters it holds."""
        return len(self.request["input"])


@attrs.frozen
class BadRow:
    """A row that cannot be spoken, and why."""

    number: int
    id: str | None
    reason: str


def read_rows(
    source: Source, defaults: Mapping[str, Any], origin: str = ""
) -> Iterator[Row | BadRow]:
    """The rows of `source`, read as they are taken; see `as_row`."""
    return (
        found if isinstance(found, BadRow) else as_row(number, found, defaults, origin)
        for number, found in enumerate(_records(source), start=1)
    )


def count_rows(source: Source) -> int | None:
    """How many rows `source` has, or None where that takes reading them."""
    if not isinstance(source, str | os.PathLike) or source == STANDARD_INPUT:
        return None
    path = Path(source)
    if path.suffix.lower() == ".parquet":
        return int(_parquet(path).metadata.num_rows)
    if not path.is_file():
        return None  # a pipe can be read once only
    with _opened(path) as file:
        return sum(1 for line in file if line.strip()) - (path.suffix.lower() == ".csv")


def _records(source: Source) -> Iterator[Mapping[str, Any] | BadRow]:
    kind, known = type(source).__name__, isinstance(source, str | os.PathLike | Iterable)
    if kind == "DataFrame" or isinstance(source, Mapping | bytes) or not known:
        # Of a table the columns are what is iterated.
        advice = ": pass its rows, such as df.to_dict('records')" if kind == "DataFrame" else ""
        what = "a batch is a path or an iterable of mappings"
        raise ConfigurationError(f"{what}, not {kind}{advice}")
    if source == STANDARD_INPUT:
        if sys.stdin is None:
            raise ConfigurationError("standard input is closed: give a file, or pipe JSONL in")
        return _json_lines(_standard_input(), "standard input")
    if not isinstance(source, str | os.PathLike):
        return chain.from_iterable((source,))  # so that it is begun where it is read
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(_opened(path), str(path))
    if suffix == ".csv":
        return _csv(path, _opened(path))
    if suffix == ".parquet":
        return _parquet_rows(path, _parquet(path))
    told = f"{path} must be .jsonl, .csv or .parquet, or - for piped JSONL"
    ways = {".tsv": ": export it as .csv", ".gz": ": unpack it, or pipe JSONL in with zcat"}
    raise ConfigurationError(told + ways.get(suffix, ""))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error


def _standard_input() -> BinaryIO:
    """Standard input, through an object of our own.

    A thread that still waits for it when the process ends would hold the lock of Python's own.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):  # in its place a program has put something, which is there whole
        return BytesIO(sys.stdin.buffer.read())


def _json_lines(opened: BinaryIO, name: str) -> Iterator[Mapping[str, Any] | BadRow]:
    with opened as file:
        for number, line in enumerate((line for line in file if line.strip()), start=1):
            if number == 1:
                _check_start(name, line)
            try:
                yield json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                yield BadRow(number, None, f"not JSON: {error}")


def _check_start(name: str, line: bytes) -> None:
    """Refuse what is no JSONL from its first line on, rather than row by row."""
    _refuse_wide(name, line)
    start = line.lstrip(b"\xef\xbb\xbf \t")
    if start.startswith(b"["):
        raise ConfigurationError(
            f"{name} is one JSON array: write one object per line, for example with jq -c '.[]'"
        )
    if start.strip() == b"{":
        raise ConfigurationError(
            f"{name} has objects of several lines: write each in one, for example with jq -c ."
        )


def _refuse_wide(name: object, start: bytes) -> None:
    if wide := wide_encoding(start):
        way = f"save it as UTF-8, for example with iconv -f {wide} -t utf-8"
        raise ConfigurationError(f"{name} is {wide.upper()}: {way}")


def _csv(path: Path, opened: BinaryIO) -> Iterator[Mapping[str, Any] | BadRow]:
    with TextIOWrapper(opened, "utf-8-sig", errors="surrogateescape", newline="") as file:
        # Strict: else a quote that is never closed makes one row of all that follow it.
        reader = csv.DictReader(dropwhile(str.isspace, _utf_8(path, file)), strict=True)
        try:
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            _check_header(path, reader.fieldnames)
            number = 0
            for found in reader:
                # A column without a name is what programs number rows in, or nothing.
                found.pop("", None)
                if not any(found.values()):
                    continue
                number += 1
                if None in found or None in found.values():
                    yield BadRow(
                        number,
                        found.get("id"),
                        "it has more or fewer fields than the header: quote those that hold commas",
                    )
                    continue
                row: dict[str, Any] = {name: value for name, value in found.items() if value != ""}
                try:
                    yield {name: _read_cell(name, value) for name, value in row.items()}
                except ValueError as error:
                    yield BadRow(number, found.get("id"), str(error))
        except csv.Error as error:
            raise ConfigurationError(
                f"{path}, line {reader.reader.line_num}: not CSV: {error}; check its quotes, or "
                "use JSONL, which has no such limits"
            ) from error


def _utf_8(path: Path, file: TextIOWrapper) -> Iterator[str]:
    """The lines of a file, in which bytes that are not UTF-8 show as lone surrogates."""
    for number, line in enumerate(file, start=1):
        try:
            line.encode()
        except UnicodeEncodeError as error:
            _refuse_wide(path, line.encode("utf-8", "surrogateescape"))
            raise ConfigurationError(
                f"{path}, line {number}: byte 0x{ord(line[error.start]) & 0xFF:02x} is not UTF-8; "
                "convert the file first, for example with iconv -f latin1 -t utf-8"
            ) from error
        yield line


def _check_header(path: Path, names: Sequence[str]) -> None:
    """Refuse a header without an id or a text, and say what is there instead."""
    if twice := [name for name in {*names} - {""} if names.count(name) > 1]:
        raise ConfigurationError(f"{path}, line 1: two columns are named {twice[0]!r}")
    if {"id", "input"} <= set(names):
        return
    if len(names) == 1 and (mark := next((m for m in ";\t|" if m in names[0]), None)):
        shown = {"\t": "tabs"}.get(mark, repr(mark))
        raise ConfigurationError(
            f"{path}, line 1: the fields are separated by {shown} instead of commas: "
            "export it as comma-separated values"
        )
    there = ", ".join(names) or "nothing"
    raise ConfigurationError(f"{path}, line 1: it needs the columns id and input, and has {there}")


def _read_cell(name: str, value: str) -> Any:
    """The value that a cell of CSV holds, by the type of its column."""
    kind = ARGUMENTS[name].type if name in ARGUMENTS else _OURS.get(name, "string")
    try:
        return value_of(value, kind)
    except ValueError as error:
        raise ValueError(f"{name} is {value!r}: {error}") from error


def _parquet(path: Path) -> Any:
    parquet = installed("pyarrow.parquet", "Parquet", "parquet")
    with _opened(path):
        pass
    try:
        return parquet.ParquetFile(path)
    except ValueError as error:  # pyarrow's own errors are ValueErrors
        raise ConfigurationError(f"{path} is not a Parquet file: {error}") from error


def _parquet_rows(path: Path, file: Any) -> Iterator[Mapping[str, Any] | BadRow]:
    columns = [name for name in file.schema_arrow.names if name != _INDEX]
    batches = file.iter_batches(batch_size=_BATCH, columns=columns)
    while True:
        try:
            rows = next(batches).to_pylist()
        except StopIteration:
            return
        except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own are of these
            raise ConfigurationError(f"{path} cannot be read: {error}") from error
        yield from map(without_nulls, rows)


# Where pandas keeps the numbers of the rows of a part of a table.
_INDEX = "__index_level_0__"


def without_nulls(value: Any) -> Any:
    """`value` without the empty fields that a column of objects gives to each of its rows."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: without_nulls(each) for name, each in fields.items() if each is not None}
    return (
        [without_nulls(each) for each in cast("Iterable[Any]", value)]
        if isinstance(value, list)
        else value
    )


def origin_of(base_url: str) -> str:
    """What tells a rehearsal on this machine from what was bought, whatever the port was."""
    return "local" if is_loopback(urlsplit(base_url).hostname or "") else ""


def as_row(
    number: int, found: Mapping[str, Any], defaults: Mapping[str, Any], origin: str = ""
) -> Row | BadRow:
    """What the fields of a row ask for, with `defaults` for those it does not have."""
    if not hasattr(found, "keys"):
        return BadRow(number, None, f"not a mapping but {type(found).__name__}")
    # Rows of databases and of tables are like mappings in that.
    found = dict(found)
    identity = _plain(found.get("id"))
    shown = identity if isinstance(identity, str) else None
    if isinstance(identity, int) and not isinstance(identity, bool):
        # Python writes no number of any length.
        shown = str(identity) if abs(identity) < 10**_LONGEST_NAME else None
    # First, for it may be the id or the text that goes by another name.
    if unknown := sorted(map(str, found.keys() - {"id", "input", *FIELDS})):
        known = ", ".join(("id", "input", *FIELDS))
        return BadRow(number, shown, f"unknown fields: {', '.join(unknown)}; known are {known}")
    if not shown:
        wanted = f"text or a whole number of at most {_LONGEST_NAME} digits"
        return BadRow(number, None, f"id must be {wanted}, not {in_short(identity)}")
    name = file_name(shown)
    text = found.get("input")
    if not isinstance(text, str) or not text.strip():
        return BadRow(number, shown, "input must be text, and not blank")
    try:
        request: dict[str, Any] = {**_said(defaults), **_said(found), "input": text}
        call = prepare(**request)
        key = request_key(call, origin)
    except (ConfigurationError, TypeError, ValueError, RecursionError) as error:
        return BadRow(number, shown, str(error))
    asked = call.response_format
    suffix = ".wav" if asked == "pcm" else f".{file_name(asked)}"
    if (name + suffix).lower() == RESULTS:
        return BadRow(number, shown, f"its file would be {RESULTS}, which belongs to the batch")
    if (size := len(name + suffix)) > _LONGEST_NAME:
        return BadRow(number, shown, f"id is too long for a file name: {size} bytes")
    return Row(number, shown, name, suffix, request, key)


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says beside its id and its text."""
    found = {name: _plain(fields.get(name)) for name in FIELDS}
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    """What a cell of a table holds, None for nothing.

    Libraries have numbers of their own, which JSON does not know, and NaN or NA for nothing.
    """
    if type(value).__name__ == "NAType" or (isinstance(value, Real | Decimal) and value != value):
        return None
    if not isinstance(value, Real | Decimal) or isinstance(value, int | float):
        return value
    number = float(value)
    return int(cast("Any", value)) if number.is_integer() else number


def file_name(text: str) -> str:
    """`text` as a name that every file system takes, another one for every text."""
    name = quote(text.encode("utf-8", "surrogatepass"), safe="").replace("~", "%7E")
    # A dot at either end means something to some system.
    if name.startswith("."):
        name = "%2E" + name[1:]
    if name.endswith("."):
        name = name[:-1] + "%2E"
    stem = name.partition(".")[0]
    if stem.upper() in _RESERVED:
        return f"%{ord(name[0]):02X}{name[1:]}"
    return name


_RESERVED = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{digit}" for port in ("COM", "LPT") for digit in range(10)
}
