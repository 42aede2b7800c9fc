"""A batch of mappings: find what its rows meet, decide by `plan`, take and write, tell the results."""

from collections.abc import Mapping, Sequence

import msgspec
import psycopg
from psycopg import errors

from tieline.sql.statement import shipped
from tieline.store.batches import find, rows
from tieline.store.batches.find import Batch, Options, json_text
from tieline.store.batches.plan import Decision, Entity, Plan, Standing, plan
from tieline.store.batches.results import Result, invalid, results
from tieline.store.batches.rows import MappingRow, RowError, given

# Of a batch that met other writers in the same rows.
ATTEMPTS_MAX = 8
COLLISIONS = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)
# What a value alone can cause: PostgreSQL says that there is one, and then the row that has it is looked for.
UNFIT = (errors.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex, errors.FeatureNotSupported)
UNFIT_REASONS = {
    "22003": "contains a number that is too large for PostgreSQL",
    "22007": "is not a time that PostgreSQL can store",
    "22008": "is not a time that PostgreSQL can store",
    "22P02": "contains half of a surrogate pair, which PostgreSQL cannot store",
    "54001": "is JSON that is nested too deep",
}


class MappingState(msgspec.Struct, frozen=True, rename="camel"):
    """A mapping that the batch writes, as the decision found it; whether its external id goes first."""

    id: str
    external_id: str | None
    is_shared: bool
    has_link: bool
    is_cleared: bool


def write(
    conn: psycopg.Connection, company_id: str, given_rows: Sequence[tuple[int, MappingRow | RowError]], options: Options
) -> list[Result]:
    """Write a batch of mappings, in the caller's transaction, which acts for the company.

    `given_rows` have their numbers, which ascend; the times of valid rows are brought to one form.

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
    """Take the rows out that have a value which PostgreSQL cannot store."""
    numbers = list(valid)
    found: list[tuple[int, str, str]]
    found = conn.execute(shipped("batches/find_unfit"), (json_text(list(valid.values())),)).fetchall()
    assert found, "the same values were refused a moment ago"
    return [
        invalid(numbers[place - 1], RowError(f"{column} {UNFIT_REASONS.get(state, 'cannot be stored')}"))
        for place, column, state in found
        if valid.pop(numbers[place - 1], None) is not None
    ]


def _attempt(batch: Batch) -> list[Result]:
    if not batch.rows:
        return []
    find.lock(batch)
    standings = find.standings(batch)
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
    """The lines of the same file that have said already what becomes of an entity."""
    if not batch.options.earlier:
        return {}
    found: dict[Entity, int] = {}
    for row in batch.rows.values():
        earlier = batch.options.earlier.get(hash(row.entity))
        if earlier is not None:
            found[row.entity] = earlier.line
    return found


def _require_lock(batch: Batch, planned: Plan) -> None:
    """A row that leaves out whether it shares its id may share it all the same; that takes the exclusive lock.

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
    """Lock all mappings that are written, and take the ids that go elsewhere.

    Raises:
        psycopg.errors.SerializationFailure: one of them is not as the decision found it.
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
    """All batches write in the order of the entity's key, so that two of them do not wait for each other."""
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
    """Whether the row itself changes nothing, and only lost its external id."""
    wish = decision.wish
    return wish.says_the_rest and (not wish.gives_shared or wish.is_shared == own.is_shared)


def _insert(batch: Batch, planned: Plan) -> Mapping[Entity, str]:
    """The ids of the new mappings."""
    made = [batch.rows[decision.wish.index] for decision in planned.decisions if decision.outcome == "created"]
    if not made:
        return {}
    made.sort(key=lambda row: (row.entity_type, row.entity_id, row.integration))
    found = batch.conn.execute(shipped("batches/insert"), (batch.company_id, json_text(made))).fetchall()
    return {row.entity: mapping_id for row, (mapping_id,) in zip(made, found, strict=True)}
