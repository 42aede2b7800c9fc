"""The forms of files, and the one that a file's name tells."""

from pathlib import PurePath
from typing import Literal, TypeAlias, get_args

# The forms of text. spreadsheet: CSV in which each text is written as a formula (="007").
TextFormat: TypeAlias = Literal["csv", "tsv", "ndjson", "spreadsheet"]
# All forms. The last two are workbooks, which are read and not written.
Format: TypeAlias = Literal["csv", "tsv", "ndjson", "spreadsheet", "xlsx", "ods"]

FORMATS: tuple[Format, ...] = get_args(Format)
TEXT_FORMATS: tuple[TextFormat, ...] = get_args(TextFormat)
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    # Refused by their content, with the way out.
    ".xlsb": "xlsx",
    ".xls": "xlsx",
    ".ods": "ods",
}
GZIP_ENDING = ".gz"
RECORD_BYTES_MAX = 1_000_000
# The first byte of a character of UTF-8 that would be half of a surrogate pair, and the least second byte.
HALF, HALF_SECOND = 0xED, 0xA0


class FileRefusedError(Exception):
    """A file is refused as a whole; the message says why."""


def either(words: tuple[str, ...]) -> str:
    """The words as alternatives.

    >>> either(("csv", "tsv", "ndjson"))
    'csv, tsv or ndjson'
    """
    return " or ".join([", ".join(words[:-1]), words[-1]])


def format_of(name: str, given: Format | None, known: tuple[Format, ...] = FORMATS) -> Format:
    """The given form, else the form of files with this ending. `.gz` behind the ending does not count.

    `known` are the forms that a refusal names.

    >>> format_of("mappings.csv.gz", None), format_of("-", "ndjson")
    ('csv', 'ndjson')

    Raises:
        FileRefusedError: no form is given, and the ending is unknown.
    """
    if given is not None:
        return given
    path = PurePath(name.lower())
    found = ENDINGS.get(PurePath(path.stem).suffix if path.suffix == GZIP_ENDING else path.suffix)
    if found is None:
        raise FileRefusedError(
            f"The name {name!r} does not tell the format of the file; give --format {either(known)}."
        )
    return found


def decoded(line: bytes) -> str:
    """The text of a line.

    Raises:
        ValueError: the line is not UTF-8 or holds a NUL character.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(line, error.start)) from None
    if "\0" in text:
        raise ValueError("it holds a NUL character, which PostgreSQL cannot store")
    return text


def _not_utf8(line: bytes, at: int) -> str:
    if line[at] == HALF and line[at + 1 : at + 2] >= bytes([HALF_SECOND]):
        return "it holds half of a surrogate pair, which PostgreSQL cannot store"
    return f"byte {at + 1} of the line, 0x{line[at]:02x}, is not UTF-8; save the file as UTF-8"


def too_long() -> str:
    """The reason to refuse a record that is too long."""
    return f"longer than {RECORD_BYTES_MAX:,} bytes"
