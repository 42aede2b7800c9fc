"""A process that reads one sheet of a workbook (.xlsx, .ods) and writes its rows, each a line of JSON.

The library holds a whole sheet in memory, and a small file can ask for a sheet of any size. In a process of its own,
with bounds that the system enforces, that costs this file's import and nothing else.
"""

import resource
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import BinaryIO

import msgspec
import python_calamine as calamine

from tieline.transfer.blemishes import Blemishes, UnreadableError, in_ods, in_xlsx
from tieline.transfer.formats import RECORD_BYTES_MAX
from tieline.transfer.sheet_lines import END, NUMBER_END, OUT_OF_MEMORY, Bounds, Cell, Opened, Row

PROTECTED = "The workbook is protected by a password; save it without one."
# The part of an .ods that says how the others are packed, and the element of one that a password protects.
MANIFEST, ENCRYPTION = "META-INF/manifest.xml", b"encryption-data"
REASON_SHOWN_MAX = 200

Value = int | float | str | bool | time | date | datetime | timedelta


def main() -> None:
    """Read the workbook at standard input. Arguments: the bounds as JSON, and the name of the sheet, or nothing."""
    bounds = msgspec.json.decode(sys.argv[1], type=Bounds)
    with suppress(ValueError):
        # macOS takes no such bound.
        resource.setrlimit(resource.RLIMIT_AS, (bounds.memory_bytes, bounds.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (bounds.seconds, bounds.seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write = sys.stdout.buffer.write
    encode = msgspec.json.encode
    try:
        rows = opened(sys.stdin.buffer.read(bounds.file_bytes + 1), sys.argv[2], bounds)
    except UnreadableError as error:
        write(encode(Opened(str(error))) + b"\n")
        return
    write(encode(Opened()) + b"\n")
    for row in rows:
        write(encode(row) + b"\n")
    write(encode(END) + b"\n")
    sys.stdout.buffer.flush()


def opened(content: bytes, sheet: str, bounds: Bounds) -> Iterator[Row]:
    """The rows of a sheet that are not empty. Without a name it is the first one that is not hidden.

    Raises:
        UnreadableError: the workbook cannot be read.
    """
    file = BytesIO(content)
    is_ods = _check_package(file, bounds)
    file.seek(0)
    try:
        workbook = calamine.CalamineWorkbook.from_filelike(file)
        name = _named(workbook, sheet)
        read = workbook.get_sheet_by_name(name)
    except calamine.PasswordError:
        raise UnreadableError(PROTECTED) from None
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise UnreadableError(f"The workbook cannot be read: {_reason(str(error))}.") from None
    blemishes = (in_ods if is_ods else in_xlsx)(file, name)
    return _rows(read, blemishes)


def _reason(message: str) -> str:
    """The library's reason, in our words where it only says that it gave up."""
    if message.startswith("Cannot detect file format"):
        return "it is damaged, or repeats a cell more often than a sheet has cells"
    return " ".join(message.split())[:REASON_SHOWN_MAX].rstrip(".")


def _check_package(file: BinaryIO, bounds: Bounds) -> bool:
    """Look at the parts of the package; true for an .ods."""
    if file.seek(0, 2) > bounds.file_bytes:
        raise UnreadableError(f"The workbook is longer than {bounds.file_bytes:,} bytes (sheet_bytes_max).")
    try:
        with zipfile.ZipFile(file) as package:
            names = set(package.namelist())
            size = sum(part.file_size for part in package.infolist())
            is_protected = MANIFEST in names and ENCRYPTION in package.read(MANIFEST)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise UnreadableError("The workbook is damaged: it is no whole ZIP file.") from None
    if size > bounds.unpacked_bytes:
        raise UnreadableError(
            f"The workbook unpacks to more than {bounds.unpacked_bytes:,} bytes (sheet_unpacked_bytes_max)."
        )
    if is_protected:
        raise UnreadableError(PROTECTED)
    if "xl/workbook.bin" in names:
        raise UnreadableError("The workbook is an .xlsb; save it as .xlsx.")
    if "xl/workbook.xml" not in names and "content.xml" not in names:
        raise UnreadableError("The file is a ZIP file, but neither an .xlsx nor an .ods workbook.")
    return "content.xml" in names


def _named(workbook: calamine.CalamineWorkbook, sheet: str) -> str:
    sheets = [
        one.name
        for one in workbook.sheets_metadata
        if one.typ == calamine.SheetTypeEnum.WorkSheet
        and (one.visible == calamine.SheetVisibleEnum.Visible or one.name == sheet)
    ]
    if not sheets:
        raise UnreadableError("The workbook has no sheet.")
    if sheet and sheet not in sheets:
        shown = ", ".join(map(repr, sheets[:20]))
        raise UnreadableError(f"The workbook has no sheet {sheet[:100]!r}; it has {shown}.")
    return sheet or sheets[0]


def _rows(sheet: calamine.CalamineSheet, blemishes: Blemishes) -> Iterator[Row]:
    # The library leaves out empty columns before the first one, but not empty rows.
    first_column = (sheet.start or (0, 0))[1]
    for number, values in enumerate(sheet.iter_rows(), 1):
        cells = list(map(_cell, values))
        for column, text in blemishes.get(number, {}).items():
            place = column - 1 - first_column
            cells += [None] * (place + 1 - len(cells))
            cells[place] = Cell("error", text)
        while cells and cells[-1] is None:
            cells.pop()
        if cells:
            yield number, cells if _size(cells) <= RECORD_BYTES_MAX else None


def _size(cells: Sequence[str | Cell | None]) -> int:
    return sum(len(cell if isinstance(cell, str) else cell.text) for cell in cells if cell is not None)


def _cell(value: Value) -> str | Cell | None:
    match value:
        case str():
            return value or None
        case bool():
            return Cell("boolean", "true" if value else "false")
        case int() | float():
            return Cell("number", number_text(value))
        case timedelta():
            return Cell("date", str(value))
        case _:
            return Cell("date", value.isoformat())


def number_text(value: float) -> str:
    """The digits of a number as a person would write them.

    >>> number_text(17.0), number_text(1.5), number_text(-0.0), number_text(1e300)
    ('17', '1.5', '0', '1e+300')
    """
    return str(int(value)) if float(value).is_integer() and abs(value) < NUMBER_END else repr(value)


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
