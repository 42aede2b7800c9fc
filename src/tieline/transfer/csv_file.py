"""Read records from CSV. Each has the number of its line, and a bad record does not spoil the next one."""

from collections.abc import Generator, Iterator, Sequence
from typing import IO

from tieline.store.batches.rows import RowError
from tieline.transfer.columns import Cell, File, Record, Refused, What, columns, required, row_of_cells
from tieline.transfer.formats import RECORD_BYTES_MAX, FileRefusedError, decoded, lines, too_long

NOT_CLOSED = "a quote opens here and is not closed before the end of the file"


class _OpenQuoteError(Exception):
    """The text ends inside a quoted field."""


def read(stream: IO[bytes], what: What, *, is_spreadsheet: bool = False) -> File:
    """The file's columns and records.

    `is_spreadsheet`: text may be written as a formula (`="007"`), as an export for spreadsheets writes it.

    Raises:
        FileRefusedError: the heading does not name columns of such a file.
    """
    records = map(_without_formulas, _records(stream)) if is_spreadsheet else _records(stream)
    header = _header(records, what)
    return File(header, _rows(records, header, what))


def fields(text: str) -> list[Cell]:
    r"""The fields of one record. An empty field is null, quoted or not.

    >>> fields('element,,"a ""b"", c",""\n')
    ['element', None, 'a "b", c', None]

    Raises:
        ValueError: a quote stands where none may.
    """
    text = text.removesuffix("\n").removesuffix("\r")
    if '"' not in text:
        return [field or None for field in text.split(",")]
    found: list[Cell] = []
    at = 0
    while True:
        field, at = _quoted(text, at) if text.startswith('"', at) else _plain(text, at)
        found.append(field)
        if at == len(text):
            return found
        at += 1


def unformulated(cell: Cell) -> Cell:
    """The text of a formula that an export for spreadsheets wrote; any other cell as it is.

    >>> unformulated('="00""7"'), unformulated("007"), unformulated(None)
    ('00"7', '007', None)
    """
    if cell is None or len(cell) < len('=""') or not (cell.startswith('="') and cell.endswith('"')):
        return cell
    return cell[2:-1].replace('""', '"') or None


def _without_formulas(record: tuple[int, list[Cell]] | Refused) -> tuple[int, list[Cell]] | Refused:
    return record if isinstance(record, Refused) else (record[0], [unformulated(cell) for cell in record[1]])


def _plain(text: str, at: int) -> tuple[Cell, int]:
    end = text.find(",", at)
    end = len(text) if end < 0 else end
    field = text[at:end]
    if '"' in field:
        raise ValueError(f"a quote inside the field {field!r}, which does not begin with one")
    return field or None, end


def _quoted(text: str, at: int) -> tuple[Cell, int]:
    start = at + 1
    end = at
    while True:
        end = text.find('"', end + 1)
        if end < 0:
            raise _OpenQuoteError
        if not text.startswith('"', end + 1):
            break
        end += 1
    if end + 1 < len(text) and text[end + 1] != ",":
        raise ValueError(f"text after the closing quote of the field {text[start - 1 : end + 1]!r}")
    return text[start:end].replace('""', '"') or None, end + 1


def _records(stream: IO[bytes]) -> Generator[tuple[int, list[Cell]] | Refused]:
    pieces = lines(stream)
    for number, line in pieces:
        if line in {b"\n", b"\r\n"}:
            continue
        if len(line) > RECORD_BYTES_MAX:
            _skip(pieces, line)
            yield Refused(number, too_long())
            continue
        try:
            yield number, fields(decoded(line))
        except _OpenQuoteError:
            yield _many_lines(pieces, number, line)
        except ValueError as error:
            yield Refused(number, str(error))


def _many_lines(pieces: Iterator[tuple[int, bytes]], number: int, line: bytes) -> tuple[int, list[Cell]] | Refused:
    """A record whose first line ends inside quotes. Its last line is the next one with an odd number of quotes."""
    parts = [line]
    size = len(line)
    for _, part in pieces:
        parts.append(part)
        size += len(part)
        if size > RECORD_BYTES_MAX:
            _skip(pieces, b"".join(parts))
            return Refused(number, too_long())
        if part.count(b'"') % 2:
            try:
                return number, fields(decoded(b"".join(parts)))
            except _OpenQuoteError:
                return Refused(number, NOT_CLOSED)
            except ValueError as error:
                return Refused(number, str(error))
    more = f"; the {len(parts) - 1} lines after it belong to it" if len(parts) > 1 else ""
    return Refused(number, NOT_CLOSED + more)


def _skip(pieces: Iterator[tuple[int, bytes]], begun: bytes) -> None:
    """Pass over the rest of a record that is too long, keeping none of it."""
    quotes = begun.count(b'"')
    last = begun
    while quotes % 2 or not last.endswith(b"\n"):
        following = next(pieces, None)
        if following is None:
            return
        last = following[1]
        quotes += last.count(b'"')


def _header(records: Iterator[tuple[int, list[Cell]] | Refused], what: What) -> list[str]:
    first = next(records, None)
    if first is None:
        raise FileRefusedError("The file is empty; its first line must name the columns.")
    if isinstance(first, Refused):
        raise FileRefusedError(f"The first line must name the columns: {first.reason}.")
    known = columns(what)
    names = [name or "" for name in first[1]]
    unknown = [name for name in names if name not in known]
    if unknown:
        # Spreadsheets write semicolons in countries where numbers have a decimal comma.
        hint = " Columns are divided by commas, not semicolons." if ";" in unknown[0] else ""
        raise FileRefusedError(
            f"The file names a column {unknown[0][:100]!r} that is not one of {', '.join(known)}.{hint}"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise FileRefusedError(f"The file names the column {twice[0]} twice.")
    missing = [name for name in required(what) if name not in names]
    if missing:
        raise FileRefusedError(f"The file has no column {missing[0]}.")
    return names


def _rows(
    records: Iterator[tuple[int, list[Cell]] | Refused], header: Sequence[str], what: What
) -> Generator[Record | Refused]:
    for record in records:
        if isinstance(record, Refused):
            yield record
            continue
        number, cells = record
        if len(cells) != len(header):
            reason = f"{len(cells)} fields where the first line names {len(header)} columns"
            yield Refused(number, reason, given=dict(zip(header, cells, strict=False)))
            continue
        given = dict(zip(header, cells, strict=True))
        try:
            yield Record(number, row_of_cells(what, given), given, sum(map(len, filter(None, cells))))
        except RowError as error:
            yield Refused(number, error.reason, error.code, given=given)
