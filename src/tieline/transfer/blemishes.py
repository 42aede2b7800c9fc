"""The cells of a sheet whose formula failed (#N/A) or has no value. The library reads both as empty cells."""

import re
from collections.abc import Iterator
from typing import IO, BinaryIO, TypeAlias
from xml.etree import ElementTree as ET
from xml.parsers import expat
from zipfile import ZipFile

# The text that a cell has instead of a value, by the number of its row and of its column.
Blemishes: TypeAlias = dict[int, dict[int, str]]

BLEMISHES_MAX = 100_000
CHUNK_BYTES = 1_000_000
# The longest text of a cell, as XML.
CELL_BYTES_MAX = 1_000_000
NO_VALUE = "a formula without a value"
FAILED = "a formula that failed"

RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
OFFICE, TABLE, CALC = (
    "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0",
)
# A cell (with its attributes, and the value of a failed one), and a formula whose value is missing.
ERROR = re.compile(
    rb"""<(?:\w+:)?c\s(?=[^>]*\bt=["']e["'])([^>]*)>(?:[^<]|<(?!/?(?:\w+:)?[vc]\b))*(?:<(?:\w+:)?v>([^<]*))?"""
)
EMPTY = re.compile(
    rb"""<(?:\w+:)?c\s(?![^>]*\bt=["'](?:str|e)["'])([^>]*[^>/])>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"""
    rb"""(?:<(?:\w+:)?v\s*/>\s*|<(?:\w+:)?v>\s*</(?:\w+:)?v>\s*)?</(?:\w+:)?c>"""
)
PLACE = re.compile(rb"""(?:^|\s)r=["']([A-Za-z]{1,3})([0-9]{1,7})["']""")


class UnreadableError(Exception):
    """The workbook cannot be read; the message says why."""


def in_xlsx(file: BinaryIO, sheet: str) -> Blemishes:
    """The blemishes of a sheet of an .xlsx.

    Raises:
        UnreadableError: there are too many, or one has no place.
    """
    found: Blemishes = {}
    with ZipFile(file) as package:
        part = _part(package, sheet)
        if part is None:
            return found
        with package.open(part) as stream:
            for text in _pieces(stream):
                for match in ERROR.finditer(text):
                    _note(found, *_place(match[1]), (match[2] or b"").decode(errors="replace") or FAILED)
                for match in EMPTY.finditer(text):
                    _note(found, *_place(match[1]), NO_VALUE)
    return found


def _part(package: ZipFile, sheet: str) -> str | None:
    """The name of the part that holds the sheet."""
    workbook = ET.fromstring(package.read("xl/workbook.xml"))  # noqa: S314 -- expat bounds entities; memory is bounded
    relations = ET.fromstring(package.read("xl/_rels/workbook.xml.rels"))  # noqa: S314 -- as above
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    for one in workbook.iter():
        if one.tag.endswith("}sheet") and one.get("name") == sheet:
            target = targets.get(one.get(f"{RELATIONS}id"), "")
            name = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return name if name in package.namelist() else None
    return None


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """The text in pieces, each of which ends before a cell."""
    rest = b""
    while piece := stream.read(CHUNK_BYTES):
        text = rest + piece
        cut = max(text.rfind(b"<c "), text.rfind(b":c "))
        # The next piece begins with the `<` and the prefix of `<x:c `.
        cut = text.rfind(b"<", 0, cut + 1)
        if cut < 0 or len(text) - cut > CELL_BYTES_MAX:
            cut = len(text)
        yield text[:cut]
        rest = text[cut:]
    yield rest


def _place(attributes: bytes) -> tuple[int, int]:
    found = PLACE.search(attributes)
    if found is None:
        raise UnreadableError("A formula of the sheet failed or has no value, and its cell does not say where it is.")
    column = 0
    for letter in found[1].upper():
        column = column * 26 + letter - ord("A") + 1
    return int(found[2]), column


def _note(found: Blemishes, row: int, column: int, text: str) -> None:
    found.setdefault(row, {})[column] = text
    if len(found) > BLEMISHES_MAX:
        raise UnreadableError(
            f"More than {BLEMISHES_MAX:,} rows of the sheet have formulas that failed or have no value."
        )


def in_ods(file: BinaryIO, sheet: str) -> Blemishes:
    """The blemishes of a sheet of an .ods.

    Raises:
        UnreadableError: there are too many.
    """
    reader = _OdsReader(sheet)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    with ZipFile(file) as package, package.open("content.xml") as stream:
        parser.ParseFile(stream)
    return reader.found


class _OdsReader:
    """The place in the XML of an .ods, and the blemishes so far."""

    def __init__(self, sheet: str) -> None:
        self.found: Blemishes = {}
        self._sheet = sheet
        self._is_wanted = False
        # The number of the first and of the last row and column that an element stands for.
        self._row, self._rows_end, self._columns_end = 0, 0, 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if name == f"{TABLE} table":
            self._is_wanted = attributes.get(f"{TABLE} name") == self._sheet
            self._rows_end = 0
        elif not self._is_wanted:
            return
        elif name == f"{TABLE} table-row":
            self._row = self._rows_end + 1
            self._rows_end += _repeated(attributes, "rows")
            self._columns_end = 0
        elif name in {f"{TABLE} table-cell", f"{TABLE} covered-table-cell"}:
            column = self._columns_end + 1
            self._columns_end += _repeated(attributes, "columns")
            self._look(attributes, column)

    def _look(self, attributes: dict[str, str], column: int) -> None:
        if attributes.get(f"{CALC} value-type") == "error":
            text = FAILED
        elif f"{TABLE} formula" in attributes and f"{OFFICE} value-type" not in attributes:
            text = NO_VALUE
        else:
            return
        for row in range(self._row, self._rows_end + 1):
            for place in range(column, self._columns_end + 1):
                _note(self.found, row, place, text)


def _repeated(attributes: dict[str, str], what: str) -> int:
    text = attributes.get(f"{TABLE} number-{what}-repeated", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
