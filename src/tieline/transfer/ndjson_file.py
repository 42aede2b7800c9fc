"""NDJSON to rows: an object a line. What a line leaves out stays as it is, what it gives as null is cleared."""

from collections.abc import Generator, Iterator, Sequence
from typing import IO

import msgspec

from tieline import misfit
from tieline.transfer.columns import COLUMNS, Cell, CellError, Column, Refused, Row, What, checked
from tieline.transfer.formats import RECORD_BYTES_MAX, decoded, lines, too_long

Text = str | msgspec.UnsetType | None
Boolean = bool | msgspec.UnsetType | None
ABSENT = msgspec.Raw()


class MappingLine(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    entity_type: str
    entity_id: str
    integration: str
    external_id: Text = msgspec.UNSET
    allow_duplicate_external_id: Boolean = msgspec.UNSET
    metadata: msgspec.Raw = ABSENT
    last_synced_at: Text = msgspec.UNSET
    remote_updated_at: Text = msgspec.UNSET
    link: Text = msgspec.UNSET
    id: Text = msgspec.UNSET
    created_at: Text = msgspec.UNSET
    updated_at: Text = msgspec.UNSET
    created_by: Text = msgspec.UNSET
    updated_by: Text = msgspec.UNSET
    company_id: Text = msgspec.UNSET


class ElementLine(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    title: str
    creation_time: Text = msgspec.UNSET
    modification_date: Text = msgspec.UNSET
    company_id: Text = msgspec.UNSET


class SystemLine(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    integration: str
    name: Text = msgspec.UNSET
    system_url: Text = msgspec.UNSET
    link_template: Text = msgspec.UNSET
    is_default: Boolean = msgspec.UNSET
    active: Boolean = msgspec.UNSET
    metadata: msgspec.Raw = ABSENT
    company_id: Text = msgspec.UNSET


LINES: dict[What, type[msgspec.Struct]] = {"mappings": MappingLine, "elements": ElementLine, "systems": SystemLine}
for what, line_type in LINES.items():
    names = [field.encode_name for field in msgspec.structs.fields(line_type)]
    assert names == [column.name for column in COLUMNS[what]], "cells are taken in the order of the columns"


def read(stream: IO[bytes], what: What, company_id: str) -> Iterator[Row | Refused]:
    """The file's records; their cells are in the order of COLUMNS."""
    columns = COLUMNS[what]
    decoder = msgspec.json.Decoder(LINES[what])
    for number, line in _whole_lines(stream):
        if line is None:
            yield Refused(number, too_long())
            continue
        try:
            yield _row(decoder, columns, number, line, company_id)
        except (CellError, ValueError) as error:
            yield Refused(number, _reason(str(error)))
        except RecursionError:
            yield Refused(number, "its JSON is nested too deep")


def _whole_lines(stream: IO[bytes]) -> Generator[tuple[int, bytes | None]]:
    """Each line that is not blank; None for one that is too long."""
    pieces = lines(stream)
    for number, line in pieces:
        if len(line) > RECORD_BYTES_MAX:
            last = line
            while not last.endswith(b"\n"):
                _, last = next(pieces, (number, b"\n"))
            yield number, None
        elif not line.isspace():
            yield number, line


def _row(
    decoder: msgspec.json.Decoder[msgspec.Struct], columns: Sequence[Column], number: int, line: bytes, company_id: str
) -> Row:
    values = msgspec.structs.astuple(decoder.decode(decoded(line.rstrip(b"\r\n"))))
    given = 0
    cells: list[Cell] = []
    for place, value in enumerate(values):
        if value is msgspec.UNSET or value is ABSENT:
            cells.append(None)
        else:
            given |= 1 << place
            cells.append(_cell(value))
    return Row(number, given, checked(columns, cells, company_id))


def _cell(value: object) -> Cell:
    match value:
        case str():
            if "\0" in value:
                raise CellError("it holds a NUL character, which PostgreSQL cannot store")
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case msgspec.Raw():
            text = bytes(value).decode()
            return None if text == "null" else text
        case _:
            assert value is None, f"no line decodes to {value!r}"
            return None


def _reason(message: str) -> str:
    """The reason for which a line is refused, from the decoder's message.

    >>> _reason("Expected `str | null`, got `int` - at `$.externalId`")
    'externalId is a number; write it as a string, so that no digit is lost'
    >>> _reason("Object missing required field `entityId`")
    'entityId is missing'
    >>> _reason("Input data was truncated")
    'the line breaks off before its JSON ends'
    """
    if message == "Input data was truncated":
        return "the line breaks off before its JSON ends"
    found = misfit.read(message)
    if found.kind == "missing":
        return f"{found.name} is missing"
    if found.kind == "unknown":
        return f"{found.name} is not one of the columns"
    if found.may_lose_digits:
        return f"{found.path} is a number; write it as a string, so that no digit is lost"
    if found.kind == "type":
        return f"{found.path or 'the line'}: {found.message}"
    return f"{found.path}: {found.message}" if found.path else message
