"""Write a batch of elements from a file: one statement finds them, one numbers them, one writes them."""

from collections import ChainMap
from collections.abc import Sequence
from typing import cast

import msgspec
import psycopg

from tieline.sql.statement import json_text, shipped
from tieline.store.batches.results import SAME_MAPPING
from tieline.store.batches.rows import RowError
from tieline.transfer.columns import ElementRow, Record, Refused, check_element
from tieline.transfer.landed import Job, Landed, Lines
from tieline.transfer.mappings import texts

# The largest number up to which JavaScript has every integer. The counter ignores larger ids.
COUNTED_ID_MAX = 2**53 - 1


def land(conn: psycopg.Connection, records: Sequence[Record], job: Job, earlier: Lines) -> tuple[Landed, Lines]:
    """Write a batch in the caller's transaction.

    `earlier` are the lines of earlier batches by the id of their element. The lines of this batch are returned.
    """
    landed = Landed()
    lines = ChainMap[int, int]({}, earlier)
    rows: dict[int, ElementRow] = {}
    for record in records:
        row = cast(ElementRow, record.row)
        try:
            check_element(row, job.session.company_id)
            _require_first(record.line, row, lines)
        except RowError as error:
            landed.refused.append(Refused(record.line, error.reason, error.code, given=texts(record)))
        else:
            rows[record.line] = row
    if rows:
        _write(conn, job, list(rows.values()), landed)
    return landed, dict(lines.maps[0])


def _require_first(line: int, row: ElementRow, lines: ChainMap[int, int]) -> None:
    """Only the first row of a file about an element lands.

    Raises:
        RowError: an earlier row is about it.
    """
    if not isinstance(row.id, int):
        return
    first = lines.setdefault(row.id, line)
    if first != line:
        raise RowError(f"Line {first} is already about element {row.id}", SAME_MAPPING)


def _write(conn: psycopg.Connection, job: Job, rows: Sequence[ElementRow], landed: Landed) -> None:
    company_id = job.session.company_id
    numbered = _numbered(conn, company_id, rows)
    found: list[tuple[int, bool]]
    found = conn.execute(shipped("transfer/find_elements"), (company_id, json_text(numbered))).fetchall()
    there = dict(found)
    stay = {place for place, is_same in there.items() if is_same or job.on_existing == "keep"}
    written = [row for place, row in enumerate(numbered, 1) if place not in stay]
    if written:
        conn.execute(shipped("transfer/write_elements"), (company_id, json_text(written)))
    unchanged = sum(there.values())
    landed.unchanged += unchanged
    landed.kept += len(stay) - unchanged
    landed.updated += len(there) - len(stay)
    landed.created += len(numbered) - len(there)


def _numbered(conn: psycopg.Connection, company_id: str, rows: Sequence[ElementRow]) -> list[ElementRow]:
    """The rows, with new ids for those that have none; the company's counter stays above every id of the file."""
    missing = sum(not isinstance(row.id, int) for row in rows)
    highest = max((row.id for row in rows if isinstance(row.id, int) and row.id <= COUNTED_ID_MAX), default=None)
    if not missing and highest is None:
        return list(rows)
    counter = conn.execute(shipped("transfer/number_elements"), (company_id, missing, highest)).fetchone()
    last = counter[0] if counter is not None else 0
    numbered: list[ElementRow] = []
    for row in rows:
        if isinstance(row.id, int):
            numbered.append(row)
        else:
            last += 1
            numbered.append(msgspec.structs.replace(row, id=last))
    return numbered
