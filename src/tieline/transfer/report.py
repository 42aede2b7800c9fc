"""The report of an import: its refused rows and moved ids with the reasons. Mended, it is a file for an import."""

import csv
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TypeAlias

import msgspec

from tieline.store.batches.results import Holder, MappingKey
from tieline.transfer.columns import BOOLEANS, JSON_COLUMNS, Cell, File, Refused
from tieline.transfer.formats import FileRefusedError, Format, format_of
from tieline.transfer.heading import REPORT_COLUMNS
from tieline.transfer.landed import Landed, Moved
from tieline.transfer.mappings import texts

Row: TypeAlias = dict[str, Cell]
Note: TypeAlias = Callable[[Landed], None]
TAB = "\t"
BOOLEAN_COLUMNS = frozenset({"allowDuplicateExternalId", "isDefault", "active"})


@contextmanager
def written(path: Path, file: File, form: Format) -> Generator[Note]:
    """Write a report in the form that its name tells, else CSV. `form` is that of the file.

    Fields that rows of NDJSON leave out are absent from a report in NDJSON. A report in CSV has the columns that at
    least one of its rows gives, so it is written when all rows are known.
    """
    if _ending(path) == "ndjson":
        with path.open("wb") as out:
            yield lambda landed: out.writelines(map(_line, _rows(landed)))
        return
    if file.form == "ndjson":
        with path.open("w", encoding="utf-8", newline="") as out, TemporaryFile() as kept:
            yield lambda landed: kept.writelines(msgspec.json.encode(row) + b"\n" for row in _rows(landed))
            _copy(kept, out, file, path)
        return
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = _writer(out, file.columns, TAB if _ending(path) == "tsv" else file.separator)
        as_shown = _formulas if form == "spreadsheet" else _plain
        yield lambda landed: writer.writerows(map(as_shown, _rows(landed)))


def _ending(path: Path) -> str:
    try:
        return format_of(path.name, None)
    except FileRefusedError:
        return "csv"


def _writer(out: IO[str], columns: Sequence[str], separator: str) -> "csv.DictWriter[str]":
    writer = csv.DictWriter(out, [*columns, *REPORT_COLUMNS], extrasaction="ignore", delimiter=separator)
    writer.writeheader()
    return writer


def _copy(kept: IO[bytes], out: IO[str], file: File, path: Path) -> None:
    decoder = msgspec.json.Decoder(Row)
    given: set[str] = set()
    kept.seek(0)
    for line in kept:
        given |= decoder.decode(line).keys()
    named = [name for name in file.columns if name in given]
    # A name that is no column stays, to be mended: without it the row would land without its value.
    named += sorted(given.difference(file.columns, REPORT_COLUMNS))
    writer = _writer(out, named, TAB if _ending(path) == "tsv" else ",")
    kept.seek(0)
    writer.writerows(decoder.decode(line) for line in kept)


def _rows(landed: Landed) -> Iterable[Row]:
    yield from map(_refused_row, landed.refused)
    yield from map(_moved_row, landed.moved)


def _refused_row(refused: Refused) -> Row:
    row: Row = {**refused.given, "line": str(refused.line), "code": refused.code, "reason": refused.reason}
    if refused.holder is not None:
        row |= _holder_columns(refused.holder)
    return row


def _moved_row(moved: Moved) -> Row:
    loser = moved.loser
    reason = f"The external id was taken from {loser.entity_type} {loser.entity_id}"
    said: Row = {"line": str(moved.record.line), "code": "moved", "reason": reason}
    return {**texts(moved.record), **said, **_holder_columns(loser)}


def _holder_columns(holder: Holder | MappingKey) -> Row:
    return {
        "holderEntityType": holder.entity_type,
        "holderEntityId": holder.entity_id,
        "holderMappingId": holder.mapping_id,
    }


def _plain(row: Row) -> Row:
    return row


def _formulas(row: Row) -> Row:
    """The row with its own cells as formulas, as an export for spreadsheets has them.

    >>> _formulas({"entityId": "007", "line": "2"})
    {'entityId': '="007"', 'line': '2'}
    """
    return {
        name: cell if cell is None or name in REPORT_COLUMNS else '="' + cell.replace('"', '""') + '"'
        for name, cell in row.items()
    }


def _line(row: Mapping[str, Cell]) -> bytes:
    return msgspec.json.encode({name: _value(name, cell) for name, cell in row.items()}) + b"\n"


def _value(name: str, cell: Cell) -> object:
    """The value of a cell in JSON. A text that is none of the column's values stays a text, to be mended."""
    if cell is None:
        return None
    if name in BOOLEAN_COLUMNS:
        return BOOLEANS.get(cell.lower(), cell)
    if name in JSON_COLUMNS:
        try:
            return msgspec.json.decode(cell, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            return cell
    return int(cell) if name == "line" else cell
