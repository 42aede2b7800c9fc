"""The form of a file, and its lines, read in bounded memory."""

from collections.abc import Generator
from pathlib import PurePath
from typing import IO, Literal

# spreadsheet: CSV in which each text is written as a formula (="007").
Format = Literal["csv", "ndjson", "spreadsheet"]

ENDINGS: dict[str, Format] = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
RECORD_BYTES_MAX = 1_000_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


class FileRefusedError(Exception):
    """A file is refused as a whole; the message says why."""


def format_of(name: str, given: Format | None) -> Format:
    """The given form, else the form of files with this ending.

    >>> format_of("mappings.csv", None), format_of("-", "ndjson")
    ('csv', 'ndjson')

    Raises:
        FileRefusedError: no form is given, and the ending is unknown.
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
        FileRefusedError: the file begins with the byte order mark of another encoding.
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
        ValueError: the line is not UTF-8 or holds a NUL character.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} of the line, 0x{line[error.start]:02x}, is not UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds a NUL character, which PostgreSQL cannot store")
    return text


def too_long() -> str:
    """The reason to refuse a record that is too long."""
    return f"longer than {RECORD_BYTES_MAX:,} bytes"
