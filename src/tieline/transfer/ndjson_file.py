"""Read records from NDJSON, one object a line. A field that a line leaves out stays as it is; null clears it."""

from collections.abc import Generator, Iterator
from typing import IO

import msgspec

from tieline.store.batches.rows import RowError, misfit_reason
from tieline.transfer.columns import ROWS, AnyRow, File, Record, Refused, What, columns
from tieline.transfer.formats import RECORD_BYTES_MAX, decoded, lines, too_long
from tieline.wire import halves


def read(stream: IO[bytes], what: What) -> File:
    """All columns of such a file, and the file's records."""
    return File(columns(what), _records(stream, what))


def _records(stream: IO[bytes], what: What) -> Iterator[Record | Refused]:
    decoder: msgspec.json.Decoder[AnyRow] = msgspec.json.Decoder(ROWS[what])
    for number, line in _whole_lines(stream):
        if line is None:
            yield Refused(number, too_long())
            continue
        try:
            yield Record(number, decoder.decode(decoded(halves.marked(line.rstrip(b"\r\n")))), size_bytes=len(line))
        except (msgspec.DecodeError, RowError) as error:
            yield Refused(number, _reason(str(error)))
        except ValueError as error:
            yield Refused(number, str(error))
        except RecursionError:
            yield Refused(number, "its JSON is nested too deep")


def _whole_lines(stream: IO[bytes]) -> Generator[tuple[int, bytes | None]]:
    """Each line that is not blank; None for one that is too long."""
    pieces = lines(stream)
    for number, line in pieces:
        if len(line) > RECORD_BYTES_MAX:
            last = line
            while not last.endswith(b"\n"):
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
