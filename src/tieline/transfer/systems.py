"""Write a batch of external systems from a file.

Addresses are unique in a company as external ids are, so the rule for batches decides on them.
"""

from collections import ChainMap
from collections.abc import Collection, Mapping
from typing import cast

import msgspec
import psycopg

from tieline.sql.statement import json_text, shipped
from tieline.store.batches.plan import Decision, Entity, Plan, Standing, Wish, plan
from tieline.store.batches.results import SAME_ID, SAME_MAPPING
from tieline.store.batches.rows import RowError
from tieline.transfer.columns import Record, Refused, SystemRow, check_system
from tieline.transfer.landed import Job, Landed, Lines
from tieline.transfer.mappings import texts

# The entry in `earlier` for the row that makes its system the default one.
DEFAULT = hash("isDefault")

Rows = Mapping[int, SystemRow]


def land(conn: psycopg.Connection, records: Collection[Record], job: Job, earlier: Lines) -> tuple[Landed, Lines]:
    """Write a batch in the caller's transaction.

    `earlier` are the lines of earlier batches by the hash of their system's `integration`, and by `DEFAULT` the line
    that makes its system the default one. The lines of this batch are returned.
    """
    landed = Landed()
    lines = ChainMap[int, int]({}, earlier)
    by_line = {record.line: record for record in records}
    rows: dict[int, SystemRow] = {}
    for line, record in by_line.items():
        row = cast(SystemRow, record.row)
        try:
            check_system(row, job.session.company_id)
            _require_one_default(line, row, lines)
        except RowError as error:
            landed.refused.append(Refused(line, error.reason, error.code, given=texts(record)))
        else:
            rows[line] = row
    if not rows:
        return landed, {}
    standings, wishes = _meet(conn, job.session.company_id, rows)
    said = {_entity(row): earlier[key] for row in rows.values() if (key := hash(row.integration)) in earlier}
    # `move` counts as `report` here: a system that lost its address could not be named by it any more.
    on_conflict = "skip" if job.on_conflict == "skip" else "report"
    planned = plan(wishes, standings, on_conflict, job.on_existing, said)
    for decision in planned.decisions:
        if decision.outcome == "conflict":
            landed.refused.append(_refused(decision, by_line[decision.wish.index]))
        else:
            landed.count(decision.outcome)
    _write(conn, job.session.company_id, rows, planned)
    for decision in planned.decisions:
        if decision.outcome in {"created", "updated", "unchanged", "kept"}:
            lines[hash(decision.wish.entity[2])] = decision.wish.index
    return landed, dict(lines.maps[0])


def _require_one_default(line: int, row: SystemRow, lines: ChainMap[int, int]) -> None:
    """Refuse a second row of a file that makes its system the default one.

    Raises:
        RowError: an earlier row does.
    """
    if row.is_default is True:
        first = lines.setdefault(DEFAULT, line)
        if first != line:
            raise RowError(f"Line {first} makes another system the default one", SAME_MAPPING)


def _entity(row: SystemRow) -> Entity:
    return "", "", row.integration


def _meet(conn: psycopg.Connection, company_id: str, rows: Rows) -> tuple[list[Standing], list[Wish]]:
    """The company's systems, and the rows as wishes. The canonical address is the external id of each."""
    there = conn.execute(shipped("transfer/hold_systems"), (company_id,)).fetchall()
    # `has_link`: with `keep`, every existing system is kept, even one without an address.
    standings = [Standing(name, ("", "", name), address, has_link=True) for name, address in there]
    found = conn.execute(shipped("transfer/find_systems"), (company_id, *_parameters(rows.values()))).fetchall()
    wishes = [
        Wish(
            line,
            _entity(row),
            address,
            gives_external_id=row.system_url is not msgspec.UNSET,
            gives_shared=False,
            says_the_rest=is_same,
        )
        for (line, row), (address, is_same) in zip(rows.items(), found, strict=True)
    ]
    return standings, wishes


def _parameters(rows: Collection[SystemRow]) -> tuple[str, str]:
    """The rows as JSON, and the names of the columns that each row gives."""
    given = [
        [each.encode_name for each in msgspec.structs.fields(SystemRow) if getattr(row, each.name) is not msgspec.UNSET]
        for row in rows
    ]
    return json_text(list(rows)), json_text(given)


def _refused(decision: Decision, record: Record) -> Refused:
    if decision.is_repeated:
        said = f"Line {decision.duplicate_of} is already about the system {decision.wish.entity[2]}"
        return Refused(record.line, said, SAME_MAPPING, None, decision.duplicate_of, texts(record))
    assert decision.holder is not None, "a row that repeats no other meets a holder"
    see = "" if decision.duplicate_of is None else f" (see line {decision.duplicate_of})"
    said = f"The systemUrl is held by the system {decision.holder[2]}{see}"
    return Refused(record.line, said, SAME_ID, None, decision.duplicate_of, texts(record))


def _write(conn: psycopg.Connection, company_id: str, rows: Rows, planned: Plan) -> None:
    written = [rows[d.wish.index] for d in planned.decisions if d.outcome in {"created", "updated"}]
    if not written:
        return
    cleared = [standing.id for standing in planned.cleared]
    default = next((row.integration for row in written if row.is_default is True), None)
    if cleared or default is not None:
        conn.execute(shipped("transfer/release_systems"), (company_id, cleared, default))
    conn.execute(shipped("transfer/write_systems"), (company_id, *_parameters(written)))
