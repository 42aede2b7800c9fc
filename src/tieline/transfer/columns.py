"""The columns of files of mappings, elements and systems, and how a cell of CSV becomes a value."""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec

from tieline.store.batches.results import Holder
from tieline.store.batches.rows import (
    BLANK,
    FOREIGN,
    MappingRow,
    RowError,
    Text,
    check_key,
    require_storable,
    time,
)
from tieline.store.batches.rows import TIMES as MAPPING_TIMES
from tieline.store.systems import SECONDS_MAX
from tieline.transfer.formats import TextFormat
from tieline.wire import halves
from tieline.wire.addresses import is_http
from tieline.wire.blanks import is_blank
from tieline.wire.integers import BIGINT_MAX, DIGITS_MAX

What = Literal["mappings", "elements", "systems"]
# The text of a cell of CSV; None if it is empty.
Cell = str | None
Boolean = bool | msgspec.UnsetType | None

BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
HTTP_ADDRESS = re.compile(r"https?://[^/?#\s]+\S*", re.IGNORECASE)
TITLE_LENGTH_MAX = 1024
JSON_COLUMNS = frozenset({"metadata", "linkTemplates"})


class ElementRow(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True, gc=False):
    """An element as the file gives it. An unset field was left out."""

    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    title: str
    creation_time: Text = msgspec.UNSET
    modification_date: Text = msgspec.UNSET
    company_id: Text = msgspec.UNSET


class SystemRow(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True, gc=False):
    """An external system as the file gives it. An unset field was left out."""

    integration: str
    name: Text = msgspec.UNSET
    system_url: Text = msgspec.UNSET
    link_template: Text = msgspec.UNSET
    is_default: Boolean = msgspec.UNSET
    active: Boolean = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    stale_after_seconds: int | msgspec.UnsetType | None = msgspec.UNSET
    link_templates: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    company_id: Text = msgspec.UNSET


# The fields that hold a time.
TIMES = frozenset({*MAPPING_TIMES, "creation_time", "modification_date"})

AnyRow = MappingRow | ElementRow | SystemRow
ROWS: dict[What, type[MappingRow] | type[ElementRow] | type[SystemRow]] = {
    "mappings": MappingRow,
    "elements": ElementRow,
    "systems": SystemRow,
}
assert set(ROWS) == set(get_args(What))


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file. `cells` are the texts of a CSV record by its columns; other forms have none."""

    line: int
    row: AnyRow
    cells: Mapping[str, Cell] | None = None
    # The length of its text.
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """One record that does not land, with the reason.

    `duplicate_of` is the line of another record that stands in its way. `given` are the texts of the refused record, by
    the columns of the file.
    """

    line: int
    reason: str
    code: str = "22023"
    holder: Holder | None = None
    duplicate_of: int | None = None
    given: Mapping[str, Cell] = field(default_factory=dict[str, Cell])


@dataclass(frozen=True, slots=True)
class File:
    """The columns of a file, in its order, its records, and how it is written."""

    columns: Sequence[str]
    records: Generator[Record | Refused]
    form: TextFormat = "csv"
    separator: str = ","


def columns(what: What) -> list[str]:
    """All columns that a file of this kind may have.

    >>> columns("elements")
    ['id', 'title', 'creationTime', 'modificationDate', 'companyId']
    """
    return [each.encode_name for each in msgspec.structs.fields(ROWS[what])]


def required(what: What) -> list[str]:
    """The columns that a file of this kind must have.

    >>> required("systems")
    ['integration']
    """
    return [each.encode_name for each in msgspec.structs.fields(ROWS[what]) if each.required]


def row_of_cells(what: What, cells: Mapping[str, Cell]) -> AnyRow:
    """The row that the cells of a CSV record give; an empty cell is null.

    >>> row_of_cells("elements", {"id": "7", "title": "Chair"}).id
    7

    Raises:
        RowError: a cell does not have the form that its column needs.
    """
    kind = ROWS[what]
    readers = READERS[what]
    values: dict[str, object] = {}
    for name, text in cells.items():
        field_name, read, is_required = readers[name]
        if text is not None:
            values[field_name] = text if read is None else read(name, text)
        elif is_required:
            raise RowError(f"{name} is missing")
        else:
            values[field_name] = NULL if read is json_value else None
    return kind(**values)  # pyright: ignore[reportArgumentType] -- the readers give what the fields take


def as_cell(name: str, value: bytes) -> Cell:
    """The text of a cell for the JSON value of a column.

    >>> as_cell("entityId", b'"007"'), as_cell("entityId", b"7.0"), as_cell("metadata", b'"a"')
    ('007', '7.0', '"a"')
    """
    if value == b"null":
        return None
    if name in JSON_COLUMNS:
        # JSON in a cell stays JSON: a string keeps its quotes.
        return value.decode().replace(halves.HALF, "\ufffd")
    # A file with a NUL could not be opened by a spreadsheet, nor imported once its values are mended.
    text = msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()
    return text.replace(halves.HALF, "\ufffd").replace("\0", "\ufffd")


def boolean(column: str, text: str) -> bool:
    """True or false, as people and PostgreSQL write them.

    >>> boolean("active", "T"), boolean("active", "0")
    (True, False)
    """
    try:
        return BOOLEANS[text.lower()]
    except KeyError:
        raise RowError(f"{column} must be true or false") from None


def json_value(column: str, text: str) -> msgspec.Raw:
    """JSON, exactly as it is written.

    >>> bytes(json_value("metadata", '{"size": 1.10}'))
    b'{"size": 1.10}'
    """
    try:
        return msgspec.json.decode(halves.marked(text.encode()), type=msgspec.Raw).copy()
    except msgspec.DecodeError as error:
        raise RowError(f"{column} is not JSON: {str(error).removeprefix('JSON is malformed: ')}") from None
    except RecursionError:
        raise RowError(f"{column} is JSON that is nested too deep") from None


def seconds(column: str, text: str) -> int:
    """A positive 32-bit number of seconds.

    >>> seconds("staleAfterSeconds", "86400")
    86400
    """
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:DIGITS_MAX]) <= SECONDS_MAX:
        raise RowError(f"{column} must be a whole number from 1 to {SECONDS_MAX}")
    return int(text)


def element_id(column: str, text: str) -> int:
    """A positive 64-bit number.

    >>> element_id("id", "298")
    298
    """
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:DIGITS_MAX]) <= BIGINT_MAX:
        raise RowError(f"{column} must be a whole number from 1 to {BIGINT_MAX}")
    return int(text)


NULL = msgspec.Raw(b"null")
Reader = Callable[[str, str], object]
_READERS: dict[What, dict[str, Reader]] = {
    "mappings": {"allowDuplicateExternalId": boolean, "metadata": json_value},
    "elements": {"id": element_id},
    "systems": {
        "isDefault": boolean,
        "active": boolean,
        "metadata": json_value,
        "staleAfterSeconds": seconds,
        "linkTemplates": json_value,
    },
}
# By column: the field, the reader of its text (None: the text stays as it is), and whether it is required.
READERS: dict[What, dict[str, tuple[str, Reader | None, bool]]] = {
    what: {
        each.encode_name: (each.name, _READERS[what].get(each.encode_name), each.required)
        for each in msgspec.structs.fields(kind)
    }
    for what, kind in ROWS.items()
}


def check_element(row: ElementRow, company_id: str) -> None:
    """Check the values of an element, and bring its id and times to one form.

    Raises:
        RowError: a value cannot be stored, or the row is another company's.
    """
    if isinstance(row.id, str | int):
        row.id = element_id("id", str(row.id))
    _check_text("title", row.title)
    if len(row.title) > TITLE_LENGTH_MAX:
        raise RowError(f"title has more than {TITLE_LENGTH_MAX} characters")
    row.creation_time = _time("creationTime", row.creation_time)
    row.modification_date = _time("modificationDate", row.modification_date)
    _check_company(row.company_id, company_id)


def check_system(row: SystemRow, company_id: str) -> None:
    """Check the values of an external system.

    Raises:
        RowError: a value cannot be stored, or the row is another company's.
    """
    _check_text("integration", row.integration)
    for name, value in (("name", row.name), ("systemUrl", row.system_url), ("linkTemplate", row.link_template)):
        if isinstance(value, str):
            _check_text(name, value)
    if row.metadata:
        require_storable("metadata", halves.unstorable_json(bytes(row.metadata)))
    for name, value in (("integration", row.integration), ("systemUrl", row.system_url or "")):
        check_key(name, company_id, value)
    if isinstance(row.stale_after_seconds, int):
        seconds("staleAfterSeconds", str(row.stale_after_seconds))
    if row.link_templates:
        _check_templates(bytes(row.link_templates))
    url, template = row.system_url, row.link_template
    if isinstance(url, str) and not HTTP_ADDRESS.fullmatch(url):
        raise RowError(f"systemUrl must be an absolute http or https address without spaces, not {url[:100]!r}")
    if isinstance(template, str):
        _check_template("linkTemplate", template)
    _check_company(row.company_id, company_id)


def _check_template(name: str, template: str) -> None:
    if "{externalId}" not in template:
        raise RowError(f"{name} must contain {{externalId}}, where the id goes, and {template[:100]!r} does not")
    if not is_http(template):
        raise RowError(f"{name} must be an absolute http or https address, not {template[:100]!r}", BLANK)


def _check_templates(given: bytes) -> None:
    require_storable("linkTemplates", halves.unstorable_json(given))
    try:
        templates: dict[str, str] = msgspec.json.decode(given, type=dict[str, str] | None) or {}
    except msgspec.MsgspecError:
        raise RowError("linkTemplates must be a JSON object of addresses by entity type") from None
    for entity_type, template in templates.items():
        _check_template(f"linkTemplates.{entity_type[:100]}", template)


def _check_text(name: str, value: str) -> None:
    if is_blank(value):
        raise RowError(f"{name} must not be blank", BLANK)
    require_storable(name, halves.unstorable(value))


def _time(column: str, value: Text) -> Text:
    return time(column, value) if isinstance(value, str) else value


def _check_company(given: Text, company_id: str) -> None:
    if given and given != company_id:
        raise RowError("companyId is another company's", FOREIGN)
