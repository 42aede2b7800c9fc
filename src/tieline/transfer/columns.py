"""What a file of mappings, elements or systems consists of: its columns, and how the text of each is checked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import msgspec

from tieline.integers import BIGINT_MAX, DIGITS_MAX

What = Literal["mappings", "elements", "systems"]
# What stands in a cell for the database: text that PostgreSQL reads as the column's type, or null.
Cell = str | None
Check = Callable[[str], str]

BOOLEANS = {"true": "true", "t": "true", "1": "true", "false": "false", "f": "false", "0": "false"}
# What the database writes and Python's dates cannot hold; whether it can be read back is the database's to say.
FAR_TIME = re.compile(r"[+-]?\d{4,6}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d){0,2}( BC)?|-?infinity")
HTTP_ADDRESS = re.compile(r"https?://[^/?#\s]+\S*", re.IGNORECASE)


class CellError(ValueError):
    """A cell that its column cannot hold; the text goes on after the column's name."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file; `check` is None when any text will do."""

    name: str
    check: Check | None = None
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file: its cells in the order of COLUMNS, and which columns it gives, as bits."""

    line: int
    given: int
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Refused:
    """One record that does not land, and why."""

    line: int
    reason: str


def time(text: str) -> str:
    """The same time in the one form that every PostgreSQL reads; without an offset it is UTC.

    >>> time("2026-03-01T10:00:00Z"), time("20260301")
    ('2026-03-01T10:00:00+00:00', '2026-03-01T00:00:00')
    """
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        if FAR_TIME.fullmatch(text):
            return text
        raise CellError("is not an ISO 8601 time") from None


def boolean(text: str) -> str:
    """True or false, as people and PostgreSQL write them.

    >>> boolean("T"), boolean("0")
    ('true', 'false')
    """
    try:
        return BOOLEANS[text.lower()]
    except KeyError:
        raise CellError("must be true or false") from None


def json_text(text: str) -> str:
    """JSON, exactly as it is written.

    >>> json_text('{"size": 1.10}')
    '{"size": 1.10}'
    """
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        raise CellError(f"is not JSON: {str(error).removeprefix('JSON is malformed: ')}") from None
    except RecursionError:
        raise CellError("is JSON that is nested too deep") from None
    return text


def element_id(text: str) -> str:
    """A positive 64-bit number.

    >>> element_id("298")
    '298'
    """
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:DIGITS_MAX]) <= BIGINT_MAX:
        raise CellError(f"must be a whole number from 1 to {BIGINT_MAX}")
    return str(int(text))


def system_url(text: str) -> str:
    """The address of another system.

    >>> system_url("https://crm.example:8443/eu")
    'https://crm.example:8443/eu'
    """
    if not HTTP_ADDRESS.fullmatch(text):
        raise CellError(f"must be an absolute http or https address without spaces, not {text[:100]!r}")
    return text


def link_template(text: str) -> str:
    """Where records of another system are, with a place for the id.

    >>> link_template("https://crm.example/items/{externalId}")
    'https://crm.example/items/{externalId}'
    """
    if "{externalId}" not in text:
        raise CellError(f"must contain {{externalId}}, where the id goes, and {text[:100]!r} does not")
    return text


# The order of the columns is also the order of the bits of `given`, which the statements in store/sql/transfer read.
# companyId, which only says that the file is this company's, is last.
COLUMNS: dict[What, tuple[Column, ...]] = {
    "mappings": (
        Column("entityType", is_required=True),
        Column("entityId", is_required=True),
        Column("integration", is_required=True),
        Column("externalId"),
        Column("allowDuplicateExternalId", boolean),
        Column("metadata", json_text),
        Column("lastSyncedAt", time),
        Column("remoteUpdatedAt", time),
        Column("link"),
        Column("id"),
        Column("createdAt", time),
        Column("updatedAt", time),
        Column("createdBy"),
        Column("updatedBy"),
        Column("companyId"),
    ),
    "elements": (
        Column("id", element_id),
        Column("title", is_required=True),
        Column("creationTime", time),
        Column("modificationDate", time),
        Column("companyId"),
    ),
    "systems": (
        Column("integration", is_required=True),
        Column("name"),
        Column("systemUrl", system_url),
        Column("linkTemplate", link_template),
        Column("isDefault", boolean),
        Column("active", boolean),
        Column("metadata", json_text),
        Column("companyId"),
    ),
}
assert set(COLUMNS) == set(get_args(What))


def checked(columns: Sequence[Column], cells: Sequence[Cell], company_id: str) -> list[Cell]:
    """The cells as the database takes them.

    Raises:
        CellError: one of them cannot be what its column asks for; the text is a whole reason.
    """
    taken = list(cells)
    for place, column in enumerate(columns):
        text = taken[place]
        if text is None:
            if column.is_required:
                raise CellError(f"{column.name} is missing")
        elif column.check is not None:
            try:
                taken[place] = column.check(text)
            except CellError as error:
                raise CellError(f"{column.name} {error}") from None
        elif column.name == "companyId" and text not in {"", company_id}:
            raise CellError("companyId is another company's")
    return taken
