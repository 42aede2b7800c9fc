"""The lines between a process that reads a workbook and the one that asked for it, each a line of JSON."""

from typing import Literal, TypeAlias

import msgspec


class Bounds(msgspec.Struct, frozen=True):
    """The bounds of a workbook: its bytes, packed and unpacked, and the memory and seconds of the process."""

    file_bytes: int
    unpacked_bytes: int
    memory_bytes: int
    seconds: int


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """A cell that is no text: its kind, and the text of its value."""

    kind: Literal["number", "date", "boolean", "error"]
    text: str


class Opened(msgspec.Struct, frozen=True):
    """The first line: the sheet can be read, or the reason why the workbook is refused."""

    refused: str | None = None


# A row: its number, and its cells; None instead of them if they are too long. A text stands for itself.
Row: TypeAlias = tuple[int, list[str | Cell | None] | None]
# The line behind the last row. Without it, the process has been ended.
END: Row = (0, [])
# A spreadsheet keeps 15 digits of a number; the others are zeros.
NUMBER_END = 10**15
# The exit code of a process that has no memory left.
OUT_OF_MEMORY = 77
