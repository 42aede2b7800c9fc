"""Which form a file has, and its lines in bounded memory."""

from collections.abc import Generator
from pathlib import PurePath
from typing import IO, Literal

# spreadsheet: CSV in which text stands as formulas that give it.
Format = Literal["csv", "ndjson", "spreadsheet"]

ENDINGS: dict[str, Format] = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
RECORD_BYTES_MAX = 1_000_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


class FileRefusedError(Exception):
    """A file of which nothing can be taken; the text says why."""


def format_of(name: str, given: Format | None) -> Format:
    """The form that was asked for, else that of the file's ending.

    >>> format_of("mappings.csv", None), format_of("-", "ndjson")
    ('csv', 'ndjson')

    Raises:
        FileRefusedError: neither says it.
    """
    if given is not None:
        return given
    found = ENDINGS.get(PurePath(name).suffix.lower())
    if found is None:
        raise FileRefusedError(f"Nothing says which form {name!r} has; give --format csv or --format ndjson.")
    return found


def lines(stream: IO[bytes]) -> Generator[tuple[int, bytes]]:
    """Each line with its number and its line end, without a byte order mark.

    A line longer than RECORD_BYTES_MAX comes in pieces: each but its last is longer than that and has no line end,
    and all have the number of the line.

    Raises:
        FileRefusedError: the file begins as one in another encoding.
    """
    number = 1
    piece = stream.readline(RECORD_BYTES_MAX + 1)
    if piece.startswith(OTHER_ENCODINGS):
        raise FileRefusedError("The file is not UTF-8; save it as UTF-8 and try again.")
    piece = piece.removeprefix(BYTE_ORDER_MARK)
    while piece:
        yield number, piece
        if piece.endswith(b"\n"):
            number += 1
        piece = stream.readline(RECORD_BYTES_MAX + 1)


def decoded(line: bytes) -> str:
    """The text of a line.

    Raises:
        ValueError: it is not UTF-8 or holds a NUL character; the text says where.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} of the line, 0x{line[error.start]:02x}, is not UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds a NUL character, which PostgreSQL cannot store")
    return text


def too_long() -> str:
    """The reason for a record that would not fit in memory."""
    return f"longer than {RECORD_BYTES_MAX:,} bytes"
