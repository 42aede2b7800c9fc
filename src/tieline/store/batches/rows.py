"""The columns of a mapping, as stored and as given, and the one set of checks for rows of calls and of files."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from tieline.wire import halves, misfit
from tieline.wire.addresses import is_http
from tieline.wire.blanks import is_blank
from tieline.wire.keys import KEY_BYTES_MAX
from tieline.wire.nearest import did_you_mean
from tieline.wire.pieces import Walk

Text = str | msgspec.UnsetType | None

# The most bytes of a character in UTF-8.
CHARACTER_BYTES_MAX = 4
# Times that PostgreSQL writes and Python's datetime cannot hold.
FAR_TIME = re.compile(r"[+-]?\d{4,6}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d){0,2}( BC)?|-?infinity")
NULL = b"null"
# Of the name of a column that does not exist.
NAME_SHOWN_MAX = 100


class Mapping(msgspec.Struct, frozen=True, rename="camel"):
    """A row of externalIntegrationMapping. `metadata` is JSON."""

    id: str
    entity_type: str
    entity_id: str
    integration: str
    external_id: str | None
    allow_duplicate_external_id: bool
    created_at: str
    updated_at: str
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    last_synced_at: str | None = None
    remote_updated_at: str | None = None
    created_by: str | None = None
    updated_by: str | None = None
    link: str | None = None


class MappingRow(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True, gc=False):
    """A row as a call or a file gives it. An unset field was left out."""

    id: Text = msgspec.UNSET
    entity_type: str
    entity_id: str
    integration: str
    external_id: Text = msgspec.UNSET
    allow_duplicate_external_id: bool | msgspec.UnsetType | None = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    last_synced_at: Text = msgspec.UNSET
    remote_updated_at: Text = msgspec.UNSET
    created_at: Text = msgspec.UNSET
    updated_at: Text = msgspec.UNSET
    created_by: Text = msgspec.UNSET
    updated_by: Text = msgspec.UNSET
    link: Text = msgspec.UNSET
    company_id: Text = msgspec.UNSET

    @property
    def entity(self) -> tuple[str, str, str]:
        """Integration, entity type and entity id."""
        return self.integration, self.entity_type, self.entity_id


FIELDS = {field.name: field.encode_name for field in msgspec.structs.fields(MappingRow)}
# Columns that a row may change, and those that say who made the row and when.
CHANGEABLE = ("external_id", "allow_duplicate_external_id", "metadata", "last_synced_at", "remote_updated_at", "link")
STAMPS = ("id", "created_at", "updated_at", "created_by", "updated_by")
NOT_BLANK = frozenset({"id", "entity_type", "entity_id", "integration", "external_id", "link"})
TEXTS = (*sorted(NOT_BLANK), "created_by", "updated_by")
TIMES = ("last_synced_at", "remote_updated_at", "created_at", "updated_at")
_decoder = msgspec.json.Decoder(MappingRow)
_list_decoder = msgspec.json.Decoder(list[MappingRow])
_raw_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])


# SQLSTATEs: a value that no column can hold, one that breaks a rule such as a blank one, a unique key too long for its
# index, another company's row.
INVALID, BLANK, TOO_LONG, FOREIGN = "22023", "23514", "54000", "42501"


@dataclass(eq=False)
class RowError(ValueError):
    """A row that cannot be stored, whatever the registry holds."""

    reason: str
    code: str = INVALID

    def __str__(self) -> str:
        return self.reason


def read_list(mappings: bytes) -> list[MappingRow | RowError]:
    """The rows of a JSON array. An item that is not a row becomes a RowError with the reason.

    Raises:
        msgspec.DecodeError: the text is not a JSON array.
    """
    # In pieces, since a decoder keeps every other thread waiting.
    walk = Walk(mappings, len(mappings) + 1)
    rows = [row for some in walk.elements(_read_some) for row in some]
    walk.end()
    return rows


def _read_some(mappings: bytes) -> Sequence[MappingRow | RowError]:
    try:
        return _list_decoder.decode(mappings)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [_read_or_reason(row) for row in _raw_list_decoder.decode(mappings)]


def _read_or_reason(row: msgspec.Raw) -> MappingRow | RowError:
    try:
        return read(row)
    except RowError as error:
        return error


def read(row: bytes | msgspec.Raw) -> MappingRow:
    """Read a row from a JSON object.

    Raises:
        RowError: the JSON is not a row.
    """
    try:
        return _decoder.decode(row)
    except msgspec.ValidationError as error:
        raise RowError(misfit_reason(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RowError(misfit_reason(str(error))) from None
    except RecursionError:
        raise RowError("its JSON is nested too deep") from None


def misfit_reason(message: str, columns: Iterable[str] = tuple(FIELDS.values())) -> str:
    """The reason why JSON is not a row of these columns, from the decoder's message.

    >>> misfit_reason("Expected `str | null`, got `int` - at `$.externalId`")
    'externalId is a number; write it as a string, so that no digit is lost'
    >>> misfit_reason("Object missing required field `entityId`")
    'entityId is missing'
    >>> misfit_reason("Input data was truncated")
    'its JSON breaks off before its end'
    """
    if message == "Input data was truncated":
        return "its JSON breaks off before its end"
    found = misfit.read(message)
    if found.kind == "missing":
        return f"{found.name} is missing"
    if found.kind == "unknown":
        # No result can be stored, nor sent to PostgreSQL, with what its sender may have written there.
        name = found.name[:NAME_SHOWN_MAX].replace(halves.HALF, "\ufffd").replace("\0", "\\u0000")
        question = did_you_mean(name, columns)
        return f"{name} is not one of the columns" + (f".{question}" if question else "")
    if found.may_lose_digits:
        return f"{found.path} is a number; write it as a string, so that no digit is lost"
    if found.kind == "type" and found.path:
        return f"{found.path}: {found.message}"
    return found.message if found.kind == "type" else message


def check(row: MappingRow, company_id: str) -> None:
    """Check the values of a row, and bring its times to the one form that every PostgreSQL reads.

    Raises:
        RowError: a value cannot be stored, or the row is another company's.
    """
    _check_texts(row)
    _check_length(row, company_id)
    for name in TIMES:
        value = getattr(row, name)
        if value:
            setattr(row, name, time(FIELDS[name], value))
    if row.metadata:
        require_storable("metadata", halves.unstorable_json(bytes(row.metadata)))
    if row.company_id and row.company_id != company_id:
        raise RowError("companyId is another company's", FOREIGN)


def _check_texts(row: MappingRow) -> None:
    for name in TEXTS:
        value = getattr(row, name)
        if value is msgspec.UNSET or value is None:
            continue
        if name in NOT_BLANK and is_blank(value):
            raise RowError(f"{FIELDS[name]} must not be blank", BLANK)
        require_storable(FIELDS[name], halves.unstorable(value))
    if isinstance(row.link, str) and not is_http(row.link):
        raise RowError("link must be an absolute http or https address", BLANK)


def _check_length(row: MappingRow, company_id: str) -> None:
    """Check that each unique key of the row fits into an index entry."""
    external_id = row.external_id or ""
    given_id = row.id or ""
    parts = (company_id, row.entity_type, row.integration, max(row.entity_id, external_id, given_id, key=len))
    if sum(map(len, parts)) * CHARACTER_BYTES_MAX <= KEY_BYTES_MAX:
        return
    shared = sum(len(part.encode()) for part in parts[:3])
    for name, value in (("entity_id", row.entity_id), ("external_id", external_id), ("id", given_id)):
        if shared + len(value.encode()) > KEY_BYTES_MAX:
            raise _too_long(FIELDS[name])


def check_key(column: str, *parts: str) -> None:
    """Check that a key of these parts fits into an entry of its index. `column` is that of the last part.

    Raises:
        RowError: it does not.
    """
    if sum(len(part.encode()) for part in parts) > KEY_BYTES_MAX:
        raise _too_long(column)


def _too_long(column: str) -> RowError:
    return RowError(f"{column} is too long: its key is longer than {KEY_BYTES_MAX} bytes", TOO_LONG)


def require_storable(column: str, problem: str | None) -> None:
    """Refuse a value that has such a problem.

    Raises:
        RowError: it has one.
    """
    if problem is not None:
        raise RowError(f"{column} {problem}")


def time(column: str, text: str) -> str:
    """The same time in the one form that every PostgreSQL reads; it has no offset when the text has none.

    >>> time("lastSyncedAt", "2026-03-01T10:00:00Z"), time("lastSyncedAt", "20260301")
    ('2026-03-01T10:00:00+00:00', '2026-03-01T00:00:00')

    Raises:
        RowError: the text is not a time.
    """
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        if FAR_TIME.fullmatch(text):
            return text
        raise RowError(f"{column} is not an ISO 8601 time") from None


def given(row: MappingRow) -> tuple[str, ...]:
    """The names of the columns that the row gives and may change.

    >>> given(MappingRow(entity_type="item", entity_id="1", integration="xero", link=None))
    ('link',)
    """
    return tuple([FIELDS[name] for name in CHANGEABLE if getattr(row, name) is not msgspec.UNSET])


def without_stamps(row: MappingRow) -> MappingRow:
    """Unset the columns that the server makes, which a row that was read has."""
    for name in STAMPS:
        setattr(row, name, msgspec.UNSET)
    return row
