"""Write a batch of mappings from a file. The rule for batches decides; results name the lines of the file."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import cast

import msgspec
import psycopg

from tieline.store.batches.find import EarlierRow, Options
from tieline.store.batches.results import Result
from tieline.store.batches.rows import MappingRow
from tieline.store.batches.write import write
from tieline.transfer.columns import Cell, Record, Refused, as_cell
from tieline.transfer.held import HeldRecord
from tieline.transfer.landed import Job, Landed, Moved

# The most rows of a file that are remembered, so that a later row about the same entity is refused. Beyond this the
# earliest are forgotten.
EARLIER_ROWS_MAX = 1_000_000
HELD = frozenset({"conflict", "skipped"})

Earlier = dict[int, EarlierRow]


def land(
    conn: psycopg.Connection, records: Sequence[Record], job: Job, earlier: Earlier
) -> tuple[Landed, list[HeldRecord]]:
    """Write a batch in the caller's transaction. Returns the outcomes, and the rows that wait for a holder.

    The rows of the batch are added to `earlier`.
    """
    numbered = [(record.line, _with_author(cast(MappingRow, record.row), job)) for record in records]
    options = Options(job.on_conflict, job.on_existing, "line", earlier)
    results = write(conn, job.session.company_id, numbered, options)
    _remember(records, results, earlier)
    landed, held = Landed(), list[HeldRecord]()
    for record, result in zip(records, results, strict=True):
        if result.outcome in HELD and _may_land_later(result, earlier):
            held.append(_held(record, result))
        else:
            count(record, result, landed)
    return landed, held


def _with_author(row: MappingRow, job: Job) -> MappingRow:
    """The row with its authors: those that the file names, else the importing user or key."""
    if row.created_by is msgspec.UNSET or row.updated_by is msgspec.UNSET:
        actor = job.session.actor
        return msgspec.structs.replace(
            row,
            created_by=actor if row.created_by is msgspec.UNSET else row.created_by,
            updated_by=actor if row.updated_by is msgspec.UNSET else row.updated_by,
        )
    return row


def _remember(records: Sequence[Record], results: Sequence[Result], earlier: Earlier) -> None:
    """Note in `earlier` the entity of each row, and whether the row settled its external id."""
    for record, result in zip(records, results, strict=True):
        if result.outcome != "invalid":
            row = cast(MappingRow, record.row)
            said = EarlierRow(record.line, result.outcome not in HELD and row.external_id is not msgspec.UNSET)
            first = earlier.setdefault(hash(row.entity), said)
            if first.line == record.line:
                earlier[hash(row.entity)] = said
    for forgotten in list(islice(earlier, max(0, len(earlier) - EARLIER_ROWS_MAX))):
        del earlier[forgotten]


def _may_land_later(result: Result, earlier: Mapping[int, EarlierRow]) -> bool:
    """The holder may still give the external id up, because no row of the file has settled it yet."""
    holder = _holder_hash(result)
    if holder is None:
        return False
    said = earlier.get(holder)
    return said is None or not said.names_external_id


def _holder_hash(result: Result) -> int | None:
    problem = result.problem
    if problem is None or problem.holder is msgspec.UNSET:
        return None
    holder = problem.holder
    return hash((holder.integration, holder.entity_type, holder.entity_id))


def _held(record: Record, result: Result) -> HeldRecord:
    row = cast(MappingRow, record.row)
    holder = _holder_hash(result)
    assert holder is not None, "only rows that met a holder are held"
    cells = None if record.cells is None else dict(record.cells)
    return HeldRecord(record.line, row, cells, result, hash(row.entity), holder)


def count(record: Record, result: Result, landed: Landed, circle_rows: int | None = None) -> None:
    """Count the result, and keep the reason if the record did not land.

    `circle_rows`: the size of the circle of rows that wait for each other, if the record is in one.
    """
    if result.outcome in ("conflict", "invalid"):
        landed.refused.append(_refused(record, result, circle_rows))
    else:
        landed.count(result.outcome)
    landed.moved += [Moved(record, loser) for loser in result.moved_from or ()]


def _refused(record: Record, result: Result, circle_rows: int | None) -> Refused:
    """The record with the reason why it did not land."""
    problem = result.problem
    assert problem is not None, "a row that does not land has a reason"
    holder = None if problem.holder is msgspec.UNSET else problem.holder
    # The hint about a holder only repeats its id, which stands in a field.
    said = f"{problem.message} {problem.hint}" if problem.hint and holder is None else problem.message
    reason = said.removesuffix(".")
    if circle_rows is not None:
        reason += (
            f". {circle_rows:,} rows pass their external ids on in a circle, which is longer than a batch can be;"
            " with --on-conflict move they land"
        )
    duplicate_of = None if problem.duplicate_of is msgspec.UNSET else problem.duplicate_of
    return Refused(record.line, reason, problem.code, holder, duplicate_of, texts(record))


def texts(record: Record) -> Mapping[str, Cell]:
    """The values of the record as text, by its columns."""
    if record.cells is not None:
        return record.cells
    given = msgspec.json.decode(msgspec.json.encode(record.row), type=dict[str, msgspec.Raw])
    return {name: as_cell(name, bytes(value)) for name, value in given.items()}
