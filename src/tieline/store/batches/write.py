"""Write a batch of mappings: find the mappings and holders, decide by `plan`, empty and write mappings."""

from collections.abc import Mapping, Sequence

import msgspec
import psycopg
from psycopg import errors

from tieline.sql.statement import json_text, shipped
from tieline.store.batches import find, rows
from tieline.store.batches.find import Batch, Options
from tieline.store.batches.plan import Decision, Entity, Plan, Standing, plan
from tieline.store.batches.results import Result, invalid, results, system_unknown
from tieline.store.batches.rows import MappingRow, RowError, given
from tieline.wire import unknown_system

# The most attempts of a batch that collides with other writers.
ATTEMPTS_MAX = 8
COLLISIONS = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)
# Errors that a single value causes. PostgreSQL does not say which row has it, so the row is searched for.
UNFIT = (errors.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex, errors.FeatureNotSupported)
UNFIT_REASONS = {
    "22001": "is longer than the setting {limit} allows",
    "22003": "contains a number with more digits than the setting number_digits_max allows",
    "22007": "is not a time that PostgreSQL can store",
    "22008": "is not a time that PostgreSQL can store",
    "22009": "has an offset that PostgreSQL cannot store",
    "22P02": "contains half of a surrogate pair, which PostgreSQL cannot store",
    "54001": "is JSON that is nested too deep",
}


class MappingState(msgspec.Struct, frozen=True, rename="camel"):
    """A mapping that the batch writes, as it was when the batch was planned. `is_cleared`: empty it first."""

    id: str
    external_id: str | None
    is_shared: bool
    has_link: bool
    is_cleared: bool


def write(
    conn: psycopg.Connection, company_id: str, given_rows: Sequence[tuple[int, MappingRow | RowError]], options: Options
) -> list[Result]:
    """Write a batch of mappings, in the caller's transaction, which acts for the company.

    `given_rows` are numbers and rows, in ascending order. Times of valid rows are replaced by their one form.

    Returns:
        A result for each row, in their order.

    Raises:
        psycopg.errors.SerializationFailure: the batch met other writers at every attempt.
    """
    valid, refused = _valid(given_rows, company_id)
    is_exclusive = False
    attempts = 0
    while True:
        try:
            with conn.transaction():
                landed = _attempt(Batch(conn, company_id, valid, options, is_exclusive))
        except UNFIT:
            refused += _take_out_unfit(conn, valid)
        except COLLISIONS as error:
            attempts += 1
            is_exclusive = True
            if attempts == ATTEMPTS_MAX:
                raise errors.SerializationFailure("The batch met other writers at every attempt.") from error
        except psycopg.DatabaseError as error:
            if error.sqlstate != unknown_system.CODE:
                raise
            refused += _take_out_unknown(conn, company_id, valid)
        else:
            return sorted([*landed, *refused], key=_index) if refused else landed


def _index(result: Result) -> int:
    return result.index


def _valid(
    given_rows: Sequence[tuple[int, MappingRow | RowError]], company_id: str
) -> tuple[dict[int, MappingRow], list[Result]]:
    valid: dict[int, MappingRow] = {}
    refused: list[Result] = []
    for number, row in given_rows:
        try:
            if isinstance(row, RowError):
                raise row
            rows.check(row, company_id)
        except RowError as error:
            refused.append(invalid(number, error))
        else:
            valid[number] = row
    return valid, refused


def _take_out_unfit(conn: psycopg.Connection, valid: dict[int, MappingRow]) -> list[Result]:
    """Remove the rows with a value that PostgreSQL cannot store. Gives their results."""
    numbers = list(valid)
    found: list[tuple[int, str, str]]
    found = conn.execute(shipped("batches/find_unfit"), (json_text(list(valid.values())),)).fetchall()
    assert found, "the same values were refused a moment ago"
    return [
        invalid(numbers[place - 1], RowError(_unfit(column, state)))
        for place, column, state in found
        if valid.pop(numbers[place - 1], None) is not None
    ]


def _take_out_unknown(conn: psycopg.Connection, company_id: str, valid: dict[int, MappingRow]) -> list[Result]:
    """Remove the rows that would make mappings in systems which the strict company does not know. Gives their results.

    No row is found if the system has been added in the meantime: then the batch is tried again as it is.
    """
    numbers = list(valid)
    keys = [
        {"entityType": row.entity_type, "entityId": row.entity_id, "integration": row.integration}
        for row in valid.values()
    ]
    found: list[tuple[int, list[str]]]
    found = conn.execute(shipped("batches/find_unknown"), (company_id, json_text(keys))).fetchall()
    return [
        system_unknown(numbers[place - 1], valid.pop(numbers[place - 1]).integration, known) for place, known in found
    ]


def unfit_reason(conn: psycopg.Connection, row: object) -> str:
    """Why a row that PostgreSQL has refused cannot be stored."""
    found = conn.execute(shipped("batches/find_unfit"), (json_text([row]),)).fetchone()
    return "A value cannot be stored" if found is None else _unfit(*found[1:])


def _unfit(column: str, state: str) -> str:
    limit = "metadata_bytes_max" if column in {"metadata", "linkTemplates"} else "text_bytes_max"
    return f"{column} {UNFIT_REASONS.get(state, 'cannot be stored').format(limit=limit)}"


def _attempt(batch: Batch) -> list[Result]:
    if not batch.rows:
        return []
    groups = find.groups_of(batch)
    find.lock(batch, groups)
    standings = find.standings(batch, groups)
    foreign = find.foreign_ids(batch, standings)
    options = batch.options
    planned = plan(
        [wish for wish in find.wishes(batch, standings) if wish.index not in foreign],
        standings.values(),
        options.on_conflict,
        options.on_existing,
        _earlier(batch),
    )
    _require_lock(batch, planned)
    _take(batch, planned)
    _update(batch, planned)
    created = _insert(batch, planned)
    told = results(planned.decisions, created, standings, options.unit)
    return sorted([*told, *foreign.values()], key=_index) if foreign else told


def _earlier(batch: Batch) -> dict[Entity, int]:
    """The lines of earlier batches of the same file, by the entity that they are about."""
    if not batch.options.earlier:
        return {}
    found: dict[Entity, int] = {}
    for row in batch.rows.values():
        earlier = batch.options.earlier.get(hash(row.entity))
        if earlier is not None:
            found[row.entity] = earlier.line
    return found


def _require_lock(batch: Batch, planned: Plan) -> None:
    """A row that does not say whether it shares its external id shares it if its mapping does, under an exclusive lock.

    Raises:
        psycopg.errors.SerializationFailure: the batch has to start again with that lock.
    """
    if batch.is_exclusive:
        return
    for decision in planned.decisions:
        own = decision.own
        if own is not None and own.is_shared and decision.outcome == "updated":
            row = batch.rows[decision.wish.index]
            if row.allow_duplicate_external_id is msgspec.UNSET:
                raise errors.SerializationFailure("a row shares its external id")


def _take(batch: Batch, planned: Plan) -> None:
    """Lock all mappings that are written, and empty those whose external id goes to another row.

    Raises:
        psycopg.errors.SerializationFailure: one of them has changed since the batch was planned.
    """
    emptied = {standing.id for standing in (*planned.taken, *planned.cleared)}
    written = {standing.entity: standing for standing in planned.taken}
    written |= {d.own.entity: d.own for d in planned.decisions if d.own is not None and d.outcome == "updated"}
    if not written:
        return
    states = [
        MappingState(own.id, own.external_id, own.is_shared, own.has_link, own.id in emptied)
        for _, own in sorted(written.items(), key=_place)
    ]
    found = batch.conn.execute(shipped("batches/take"), (batch.company_id, json_text(states))).fetchone()
    if found is None or found[0] != len(states):
        raise errors.SerializationFailure("a mapping was changed by somebody else in the meantime")


def _place(entry: tuple[Entity, Standing]) -> tuple[str, str, str]:
    """The order in which all batches write: with one order, two of them never wait for each other."""
    integration, entity_type, entity_id = entry[0]
    return entity_type, entity_id, integration


def _update(batch: Batch, planned: Plan) -> None:
    taken = {standing.id for standing in planned.taken}
    written: list[MappingRow] = []
    names: list[tuple[str, ...]] = []
    for decision in planned.decisions:
        own = decision.own
        if decision.outcome != "updated" or own is None:
            continue
        row = msgspec.structs.replace(batch.rows[decision.wish.index], id=own.id)
        if own.id not in taken or not _is_same(decision, own):
            written.append(row)
            names.append(given(row))
    if not written:
        return
    done = batch.conn.execute(
        shipped("batches/update"), (batch.company_id, json_text(written), json_text(names))
    ).fetchall()
    if len(done) != len(written):
        raise errors.SerializationFailure("a mapping was deleted by somebody else in the meantime")


def _is_same(decision: Decision, own: Standing) -> bool:
    """The row itself changes nothing: its mapping only loses the external id."""
    wish = decision.wish
    return wish.says_the_rest and (not wish.gives_shared or wish.is_shared == own.is_shared)


def _insert(batch: Batch, planned: Plan) -> Mapping[Entity, str]:
    """Insert the new mappings. Gives their ids."""
    made = [batch.rows[decision.wish.index] for decision in planned.decisions if decision.outcome == "created"]
    if not made:
        return {}
    made.sort(key=lambda row: (row.entity_type, row.entity_id, row.integration))
    found = batch.conn.execute(shipped("batches/insert"), (batch.company_id, json_text(made))).fetchall()
    return {row.entity: mapping_id for row, (mapping_id,) in zip(made, found, strict=True)}
