"""Read records from CSV. Each has the number of its line, and a bad record does not spoil the next one."""

import re
from collections.abc import Generator, Iterator, Sequence

from tieline.store.batches.rows import RowError
from tieline.transfer.columns import Cell, File, Record, Refused, What, row_of_cells
from tieline.transfer.formats import RECORD_BYTES_MAX, FileRefusedError, TextFormat, decoded, too_long
from tieline.transfer.heading import Heading, are_blank, heading, likeness
from tieline.transfer.source import LINE_ENDS, BrokenOffError

NOT_CLOSED = "a quote opens here and is not closed before the end of the file"
NOT_CLOSED_HERE = "a quote opens here and is not closed on this line"
# Some programs end a text with Ctrl-Z.
END_OF_TEXT = b"\x1a"
SEPARATORS = (",", ";", "\t")
TAB = "\t"
# Excel writes and honours a first line that tells the separator.
SEPARATOR_LINE = re.compile(r"\ufeff?(\"?)sep=([^\w\s\"]|[\t|])\1[,;\t]*", re.IGNORECASE)

# The pieces of lines that were read, with the number of the line of each.
Lines = Iterator[tuple[int, bytes]]


class _OpenQuoteError(Exception):
    """The text ends inside a quoted field."""


def read(pieces: Lines, what: What, form: TextFormat = "csv") -> File:
    """The file's columns and records.

    The heading tells the separator, unless the form is `tsv` or a first line says it. With the form `spreadsheet`, text
    may be written as a formula (`="007"`), as an export for spreadsheets writes it.

    Raises:
        FileRefusedError: the heading does not name columns of such a file.
    """
    try:
        named, separator = _heading(pieces, what, TAB if form == "tsv" else None)
    except BrokenOffError as error:
        raise FileRefusedError(f"The first line must name the columns: {error}.") from None
    records = _records(pieces, separator)
    if form == "spreadsheet":
        records = map(_without_formulas, records)
    return File(named.columns, _rows(records, named, what), form, separator)


def fields(text: str, separator: str = ",") -> list[Cell]:
    r"""The fields of one record. An empty field is null, quoted or not.

    >>> fields('element,,"a ""b"", c",""\n')
    ['element', None, 'a "b", c', None]

    Raises:
        ValueError: a quote stands where none may.
    """
    text = text.rstrip("\r\n")
    if '"' not in text:
        return [field or None for field in text.split(separator)]
    found: list[Cell] = []
    at = 0
    while True:
        field, at = _quoted(text, at, separator) if text.startswith('"', at) else _plain(text, at, separator)
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


def _plain(text: str, at: int, separator: str) -> tuple[Cell, int]:
    end = text.find(separator, at)
    end = len(text) if end < 0 else end
    field = text[at:end]
    if '"' in field:
        raise ValueError(f"a quote inside the field {field!r}, which does not begin with one")
    return field or None, end


def _quoted(text: str, at: int, separator: str) -> tuple[Cell, int]:
    start = at + 1
    end = at
    while True:
        end = text.find('"', end + 1)
        if end < 0:
            raise _OpenQuoteError
        if not text.startswith('"', end + 1):
            break
        end += 1
    if end + 1 < len(text) and text[end + 1] != separator:
        raise ValueError(f"text after the closing quote of the field {text[start - 1 : end + 1]!r}")
    return text[start:end].replace('""', '"') or None, end + 1


def _heading(pieces: Lines, what: What, separator: str | None) -> tuple[Heading, str]:
    """The first record that is not blank, and the separator."""
    for _, line in pieces:
        if len(line) > RECORD_BYTES_MAX:
            raise FileRefusedError(f"The first line must name the columns, and it is {too_long()}.")
        try:
            text = decoded(line)
            said = SEPARATOR_LINE.fullmatch(text.rstrip("\r\n"))
            if said is not None:
                separator = said[2]
                continue
            cells, found = _told(text, what, SEPARATORS if separator is None else (separator,))
        except ValueError as error:
            raise FileRefusedError(f"The first line must name the columns: {error}.") from None
        if not are_blank(cells):
            return heading(cells, what), found
    raise FileRefusedError("The file is empty; its first line must name the columns.")


def _told(text: str, what: What, separators: Sequence[str]) -> tuple[list[Cell], str]:
    """The fields of a heading by the separator that makes the most known names of it.

    >>> _told('"Id";title', "elements", SEPARATORS)
    (['Id', 'title'], ';')

    Raises:
        ValueError: a quote stands where none may.
    """
    found: list[tuple[int, int, list[Cell], str]] = []
    reasons: list[str] = []
    for place, separator in enumerate(separators):
        try:
            cells = fields(text, separator)
        except _OpenQuoteError:
            reasons.append(NOT_CLOSED_HERE)
        except ValueError as error:
            reasons.append(str(error))
        else:
            found.append((likeness(cells, what), -place, cells, separator))
    if not found:
        raise ValueError(reasons[0])
    _, _, cells, separator = max(found)
    return cells, separator


def _records(pieces: Lines, separator: str) -> Generator[tuple[int, list[Cell]] | Refused]:
    number = 0
    try:
        for number, line in pieces:
            if line.isspace() or line == END_OF_TEXT:
                continue
            if len(line) > RECORD_BYTES_MAX:
                _skip(pieces, line)
                yield Refused(number, too_long())
                continue
            try:
                yield number, fields(decoded(line), separator)
            except _OpenQuoteError:
                yield _many_lines(pieces, number, line, separator)
            except ValueError as error:
                yield Refused(number, str(error))
    except BrokenOffError as error:
        yield Refused(number + 1, str(error))


def _many_lines(pieces: Lines, number: int, line: bytes, separator: str) -> tuple[int, list[Cell]] | Refused:
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
                return number, fields(decoded(b"".join(parts)), separator)
            except _OpenQuoteError:
                return Refused(number, NOT_CLOSED)
            except ValueError as error:
                return Refused(number, str(error))
    after = len(parts) - 1
    more = "; the line after it belongs to it" if after == 1 else f"; the {after} lines after it belong to it"
    return Refused(number, NOT_CLOSED + (more if after else ""))


def _skip(pieces: Lines, begun: bytes) -> None:
    """Pass over the rest of a record that is too long, keeping none of it."""
    quotes = begun.count(b'"')
    last = begun
    while quotes % 2 or not last.endswith(LINE_ENDS):
        following = next(pieces, None)
        if following is None:
            return
        last = following[1]
        quotes += last.count(b'"')


def _rows(
    records: Iterator[tuple[int, list[Cell]] | Refused], named: Heading, what: What
) -> Generator[Record | Refused]:
    for record in records:
        if isinstance(record, Refused):
            yield record
            continue
        number, cells = record
        if (cells[0] is None or cells[0].isspace()) and are_blank(cells):
            continue
        try:
            given = named.given(cells)
        except ValueError as error:
            yield Refused(number, str(error), given=named.as_far_as(cells))
            continue
        try:
            yield Record(number, row_of_cells(what, given), given, sum(map(len, filter(None, cells))))
        except RowError as error:
            yield Refused(number, error.reason, error.code, given=given)
