"""Read records from a sheet of a workbook. The workbook is read by a process of its own (`workbook.py`)."""

import subprocess
import sys
from collections.abc import Generator, Iterator
from tempfile import TemporaryFile
from typing import IO

import msgspec

from tieline.store.batches.rows import RowError
from tieline.transfer.columns import Cell, File, Record, Refused, What, row_of_cells
from tieline.transfer.formats import FileRefusedError, too_long
from tieline.transfer.heading import Heading, are_blank, heading
from tieline.transfer.sheet_lines import END, NUMBER_END, OUT_OF_MEMORY, Bounds, Opened, Row
from tieline.transfer.sheet_lines import Cell as Value

# The columns that identify. A spreadsheet that takes an id for a date, a truth value or a long number has lost it.
IDS = frozenset({"entityType", "entityId", "integration", "externalId", "id"})
# The ends of a process that has used its seconds (SIGXCPU, SIGKILL), and its memory (the library aborts).
TIME_ENDS = frozenset({-24, -9})
MEMORY_ENDS = frozenset({-6, -11, OUT_OF_MEMORY})
AS_TEXT = "format its column as text and enter it again"
# What a report has for such a cell. It is refused as a blank until it is mended; the cell's own text would land.
TO_MEND = " "


def read(pieces: Iterator[bytes], what: What, sheet: str, bounds: Bounds) -> File:
    """The columns and records of a sheet; without a name it is the first one that is not hidden.

    Raises:
        FileRefusedError: the workbook cannot be read, or its heading does not name columns of such a file.
    """
    rows = _rows(pieces, sheet, bounds)
    try:
        named = _heading(rows, what)
    except BaseException:
        rows.close()
        raise
    return File(named.columns, _records(rows, named, what))


def _rows(pieces: Iterator[bytes], sheet: str, bounds: Bounds) -> Generator[Row]:
    """The rows that the process writes. It ends with this generator.

    Raises:
        FileRefusedError: the workbook cannot be read.
    """
    command = [sys.executable, "-I", "-m", "tieline.transfer.workbook", msgspec.json.encode(bounds).decode(), sheet]
    with TemporaryFile() as file:
        for piece in pieces:
            if file.tell() > bounds.file_bytes:
                break
            file.write(piece)
        file.seek(0)
        with subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None, "it was asked for"
            try:
                yield from _lines(process.stdout)
            except EOFError:
                raise FileRefusedError(_ended(process.wait(), bounds)) from None
            finally:
                process.kill()


def _lines(stream: IO[bytes]) -> Generator[Row]:
    """The rows up to the last line.

    Raises:
        FileRefusedError: the workbook is refused.
        EOFError: the lines break off.
    """
    first = stream.readline()
    if not first.endswith(b"\n"):
        raise EOFError
    refused = msgspec.json.decode(first, type=Opened).refused
    if refused is not None:
        raise FileRefusedError(refused)
    decoder = msgspec.json.Decoder(Row)
    for line in stream:
        if not line.endswith(b"\n"):
            break
        row: Row = decoder.decode(line)
        if row == END:
            return
        yield row
    raise EOFError


def _ended(code: int, bounds: Bounds) -> str:
    if code in TIME_ENDS:
        return f"The workbook takes more than {bounds.seconds} seconds to read (sheet_seconds_max)."
    if code not in MEMORY_ENDS:
        return "The workbook cannot be read: it is damaged."
    return (
        f"The workbook needs more than {bounds.memory_bytes:,} bytes of memory (sheet_memory_bytes_max); "
        "save the sheet as CSV. A cell far away from the others makes a sheet large."
    )


def _heading(rows: Iterator[Row], what: What) -> Heading:
    for _, cells in rows:
        if cells is None:
            raise FileRefusedError(f"The first row must name the columns, and it is {too_long()}.")
        names = [cell.text if isinstance(cell, Value) else cell for cell in cells]
        if not are_blank(names):
            return heading(names, what)
    raise FileRefusedError("The sheet is empty; its first row must name the columns.")


def _records(rows: Generator[Row], named: Heading, what: What) -> Generator[Record | Refused]:
    try:
        for number, cells in rows:
            if cells is None:
                yield Refused(number, too_long())
                continue
            texts = [cell.text if isinstance(cell, Value) else cell for cell in cells]
            if not are_blank(texts):
                yield _record(number, cells, texts, named, what)
    finally:
        rows.close()


def _record(
    number: int, cells: list[str | Value | None], texts: list[Cell], named: Heading, what: What
) -> Record | Refused:
    missing = len(named.places) - len(texts)
    texts += [None] * missing
    try:
        given = named.given(texts)
    except ValueError as error:
        return Refused(number, str(error), given=named.as_far_as(texts))
    spoilt = {
        name: reason
        for name, cell in zip(named.places, cells, strict=False)
        if name is not None and isinstance(cell, Value) and (reason := _spoilt(name, cell))
    }
    if spoilt:
        return Refused(number, next(iter(spoilt.values())), given={**given, **dict.fromkeys(spoilt, TO_MEND)})
    try:
        return Record(number, row_of_cells(what, given), given, sum(map(len, filter(None, texts))))
    except RowError as error:
        return Refused(number, error.reason, error.code, given=given)


def _spoilt(name: str, cell: Value) -> str | None:
    """Why the cell no longer has the value that was entered; None if it has.

    >>> _spoilt("externalId", Value("date", "2026-03-04"))
    'externalId is a date in the sheet (2026-03-04); format its column as text and enter it again'
    """
    if cell.kind == "error":
        return f"{name} is {cell.text}, not a value"
    if cell.kind == "number" and abs(float(cell.text)) >= NUMBER_END:
        return f"{name} is a number of more than 15 digits, of which a spreadsheet keeps 15; {AS_TEXT}"
    if name in IDS and cell.kind == "date":
        return f"{name} is a date in the sheet ({cell.text}); {AS_TEXT}"
    if name in IDS and cell.kind == "boolean":
        return f"{name} is a truth value in the sheet ({cell.text}); {AS_TEXT}"
    return None
