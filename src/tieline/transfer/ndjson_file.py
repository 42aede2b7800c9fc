"""Read records from NDJSON, one object a line. A field that a line leaves out stays as it is; null clears it."""

from collections.abc import Generator, Iterator, Mapping

import msgspec

from tieline.store.batches.rows import RowError, misfit_reason
from tieline.transfer.columns import ROWS, AnyRow, Cell, File, Record, Refused, What, as_cell, columns
from tieline.transfer.formats import RECORD_BYTES_MAX, decoded, too_long
from tieline.transfer.heading import REPORT_COLUMNS
from tieline.transfer.source import LINE_ENDS, BrokenOffError
from tieline.wire import halves, misfit


def read(pieces: Iterator[tuple[int, bytes]], what: What) -> File:
    """All columns of such a file, and the records of its lines, whose pieces were read."""
    return File(columns(what), _records(pieces, what), "ndjson")


def _records(pieces: Iterator[tuple[int, bytes]], what: What) -> Generator[Record | Refused]:
    decoder: msgspec.json.Decoder[AnyRow] = msgspec.json.Decoder(ROWS[what])
    number = 0
    try:
        for number, line in _whole_lines(pieces):
            yield Refused(number, too_long()) if line is None else _record(decoder, number, line, what)
    except BrokenOffError as error:
        yield Refused(number + 1, str(error))


def _record(decoder: "msgspec.json.Decoder[AnyRow]", number: int, line: bytes, what: What) -> Record | Refused:
    text = ""
    try:
        text = decoded(halves.marked(line.rstrip(b"\r\n")))
        return Record(number, _row(decoder, text), size_bytes=len(line))
    except msgspec.ValidationError as error:
        return Refused(number, misfit_reason(str(error), columns(what)), given=_given(text))
    except (msgspec.DecodeError, RowError) as error:
        return Refused(number, _reason(str(error)))
    except ValueError as error:
        return Refused(number, str(error))
    except RecursionError:
        return Refused(number, "its JSON is nested too deep")


def _given(text: str) -> Mapping[str, Cell]:
    """The members of an object that is no row, for its report; none if it is no object, or its names cannot be said."""
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return {}
    if any("\0" in name for name in members):
        return {}
    return {name: as_cell(name, bytes(value)) for name, value in members.items() if name not in REPORT_COLUMNS}


def _row(decoder: "msgspec.json.Decoder[AnyRow]", text: str) -> AnyRow:
    """The row of a line. The columns that a report adds are passed over."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        if misfit.read(str(error)).name not in REPORT_COLUMNS:
            raise
    members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return decoder.decode(msgspec.json.encode({n: v for n, v in members.items() if n not in REPORT_COLUMNS}))


def _whole_lines(pieces: Iterator[tuple[int, bytes]]) -> Generator[tuple[int, bytes | None]]:
    """Each line that is not blank; None for one that is too long."""
    for number, line in pieces:
        if len(line) > RECORD_BYTES_MAX:
            last = line
            while not last.endswith(LINE_ENDS):
                _, last = next(pieces, (number, b"\n"))
            yield number, None
        elif not line.isspace():
            yield number, line


def _reason(message: str) -> str:
    """The reason why a line is refused, from the decoder's message.

    >>> _reason("Input data was truncated")
    'the line breaks off before its JSON ends'
    """
    is_cut_off = message == "Input data was truncated"
    return "the line breaks off before its JSON ends" if is_cut_off else misfit_reason(message)
