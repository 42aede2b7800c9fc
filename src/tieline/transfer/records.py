"""Read the records of a file of any form."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from tieline.settings import Settings
from tieline.transfer import csv_file, ndjson_file, sheet_file
from tieline.transfer.columns import File, What
from tieline.transfer.formats import TEXT_FORMATS, FileRefusedError, Format, either
from tieline.transfer.sheet_lines import Bounds
from tieline.transfer.source import BrokenOffError, lines, unpacked

ZIP = b"PK\x03\x04"
# The container of an .xls, and of a workbook that is protected by a password.
OLE = b"\xd0\xcf\x11\xe0"
PDF = b"%PDF"
# The first bytes of a text that are looked at, the ones that may stand before its first sign, and those of UTF-16.
START_BYTES, BEFORE, ZERO = 256, b"\xff\xfe\xef\xbb\xbf \t\r\n", b"\0"
MARKUP, JSON = b"<", (b"{", b"[")


@dataclass(frozen=True, slots=True)
class Reading:
    """Options of reading: the sheet of a workbook, and bounds. A packed file may unpack to `unpacked_bytes_max`."""

    bounds: Bounds
    sheet: str = ""
    unpacked_bytes_max: int | None = None


def reading(settings: Settings, sheet: str = "", unpacked_bytes_max: int | None = None) -> Reading:
    """The options of reading by the settings."""
    bounds = Bounds(
        settings.sheet_bytes_max,
        settings.sheet_unpacked_bytes_max,
        settings.sheet_memory_bytes_max,
        settings.sheet_seconds_max,
    )
    return Reading(bounds, sheet, unpacked_bytes_max)


def read(stream: IO[bytes], form: Format, what: What, options: Reading) -> File:
    """The columns of a file, and its records in their order. A workbook is one by its content, whatever its name.

    Raises:
        FileRefusedError: the file is refused as a whole.
    """
    try:
        return _read(*unpacked(stream, options.unpacked_bytes_max), form, what, options)
    except BrokenOffError as error:
        raise FileRefusedError(f"The file cannot be read: {error}.") from None


def _read(head: bytes, pieces: Iterator[bytes], form: Format, what: What, options: Reading) -> File:
    if head.startswith(ZIP):
        return sheet_file.read(pieces, what, options.sheet, options.bounds)
    if head.startswith(OLE):
        raise FileRefusedError(
            "The file is an .xls workbook or one that is protected by a password; save it as .xlsx without a password."
        )
    start = head[:START_BYTES].translate(None, ZERO).lstrip(BEFORE)
    if start.startswith(MARKUP):
        raise FileRefusedError("The file is a web page (HTML) or XML, not a table; save it as .xlsx or CSV.")
    if head.startswith(PDF):
        raise FileRefusedError("The file is a PDF, not a table; save it as .xlsx or CSV.")
    if form in ("xlsx", "ods"):
        if not head:
            raise FileRefusedError("The file is empty.")
        raise FileRefusedError(f"The file is no workbook but text; give --format {either(TEXT_FORMATS)}.")
    if options.sheet:
        raise FileRefusedError("Only workbooks have sheets, and the file is text.")
    if form != "ndjson" and start.startswith(JSON):
        raise FileRefusedError("The file is JSON; give --format ndjson (one object a line).")
    if form == "ndjson":
        return ndjson_file.read(lines(head, pieces), what)
    return csv_file.read(lines(head, pieces), what, form)
