"""`link_many`: a batch of mappings in one call."""

from collections.abc import Sequence

import msgspec
import psycopg

from tieline import problems
from tieline.problems import Problem
from tieline.store.batches.find import Options
from tieline.store.batches.plan import OnConflict, OnExisting
from tieline.store.batches.results import Result
from tieline.store.batches.rows import MappingRow, RowError, read_list, without_stamps
from tieline.store.batches.write import write

# The most results in the refusal of an atomic batch.
REFUSED_SHOWN_MAX = 100


class Arguments(msgspec.Struct, frozen=True, rename="camel"):
    """The arguments as JSON gives them. Null counts as left out."""

    mappings: msgspec.Raw
    on_conflict: OnConflict | None = None
    on_existing: OnExisting | None = None
    atomic: bool | None = None


def link_many(
    conn: psycopg.Connection,
    company_id: str,
    rows: Sequence[MappingRow | RowError],
    options: Options | None = None,
    *,
    atomic: bool = False,
) -> list[Result]:
    """Create and change mappings, in the caller's transaction, which acts for the company.

    Returns:
        A result for each row, in their order. Id, times and authors are the server's: a row may give them, as a row
        that was read does, and they are ignored.

    Raises:
        Problem: the batch is atomic and a row cannot land (409, or 400 if all such rows are invalid).
        psycopg.errors.SerializationFailure: the batch met other writers at every attempt.
    """
    numbered = [(number, row if isinstance(row, RowError) else without_stamps(row)) for number, row in enumerate(rows)]
    results = write(conn, company_id, numbered, options or Options())
    if atomic:
        refused = [result for result in results if result.outcome in {"invalid", "conflict"}]
        if refused:
            raise _refused(refused)
    return results


def link_many_json(conn: psycopg.Connection, company_id: str, arguments: bytes) -> tuple[bytes, int]:
    """Run `link_many` with checked arguments, a JSON object. Gives the results as a JSON array, and their number."""
    given = msgspec.json.decode(arguments, type=Arguments)
    results = link_many(
        conn,
        company_id,
        read_list(bytes(given.mappings)),
        Options(given.on_conflict or "report", given.on_existing or "update"),
        atomic=bool(given.atomic),
    )
    return msgspec.json.encode(results), len(results)


def _refused(results: Sequence[Result]) -> Problem:
    is_conflict = any(result.outcome == "conflict" for result in results)
    return problems.batch_refused(msgspec.json.encode(results[:REFUSED_SHOWN_MAX]).decode(), is_conflict=is_conflict)
