"""Rows into the registry: COPY of a batch to a staging table, one statement for the batch, a report."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain

import psycopg
from psycopg import errors

from tieline.postgres.session import Session
from tieline.sql.statement import shipped
from tieline.store.companies import act
from tieline.transfer import elements, mappings, systems
from tieline.transfer.batch import Batch, Decision
from tieline.transfer.columns import Refused, Row, What
from tieline.transfer.plan import OnConflict

BATCH_ROWS_MAX = 10_000
BATCH_CHARACTERS_MAX = 8_000_000
# Without statistics every index that begins with the company looks alike to the planner, and a look-up may read all of
# it. A table that grows is analyzed after this many rows, and each time that they have doubled.
ANALYZE_ROWS_MIN = 5_000
# Of a batch that met other writers in the same rows.
ATTEMPTS_MAX = 8

BROKEN = {
    "externalSystem_systemUrl_check": "systemUrl must be an absolute http or https address",
    "externalSystem_linkTemplate_check": "linkTemplate must contain {externalId}",
    "externalSystem_companyId_canonical_key": "another external system has this systemUrl",
    "externalSystem_companyId_systemUrl_key": "another external system has this systemUrl",
}
COLLISIONS = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)
# What a value alone can cause: the database finds it, and the row that has it is looked for by halves.
UNFIT = (errors.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex, errors.IntegrityError)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of record is loaded: its table, and what happens to a staged batch, in that order."""

    table: str
    copy: str
    decide: Callable[[Batch], Decision]
    write: Callable[[Batch, Decision], tuple[int, int]]
    clear: str
    analyze: str


KINDS: dict[What, Kind] = {
    "mappings": Kind(
        "externalIntegrationMapping",
        "transfer/copy_mappings",
        mappings.decide,
        mappings.write,
        "transfer/clear_mappings",
        "transfer/analyze_mappings",
    ),
    "elements": Kind(
        "element",
        "transfer/copy_elements",
        elements.decide,
        elements.write,
        "transfer/clear_elements",
        "transfer/analyze_elements",
    ),
    "systems": Kind(
        "externalSystem",
        "transfer/copy_systems",
        systems.decide,
        systems.write,
        "transfer/clear_systems",
        "transfer/analyze_systems",
    ),
}


@dataclass(frozen=True, slots=True)
class Job:
    """What is loaded, for whom, and how."""

    what: What
    session: Session
    on_conflict: OnConflict = "report"
    is_dry_run: bool = False


@dataclass(slots=True)
class Landed:
    """How many rows became what."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    refused: list[Refused] = field(default_factory=list[Refused])

    def merge(self, other: "Landed") -> None:
        """Take these over."""
        self.add(other)
        self.refused += other.refused

    def add(self, other: "Landed") -> None:
        """Count these too; the refused ones are kept by whom they were reported to."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.skipped += other.skipped


class StoppedError(Exception):
    """A batch did not land for a reason that is not one of its rows; the text says which lines and why."""


def load(
    conn: psycopg.Connection, records: Iterable[Row | Refused], job: Job, report: Callable[[Landed], None]
) -> None:
    """Load the records, in their order, and report each batch once it has landed.

    Raises:
        StoppedError: a batch did not land; what was reported before it has.
        UnknownCompanyError: there is no such company.
    """
    conn.execute(shipped("transfer/stage"))
    # A dry run is one transaction, so that later batches meet what earlier ones would have left.
    with conn.transaction(force_rollback=True) if job.is_dry_run else nullcontext():
        if _is_stale(conn, job):
            _analyze(conn, job)
        created, analyze_at = 0, ANALYZE_ROWS_MIN
        for batch in _batches(records):
            rows = [record for record in batch if isinstance(record, Row)]
            refused = [record for record in batch if isinstance(record, Refused)]
            landed = _land(conn, rows, job)
            landed.refused = sorted(chain(refused, landed.refused), key=lambda one: one.line)
            report(landed)
            created += landed.created
            if created >= analyze_at:
                _analyze(conn, job)
                analyze_at = created * 2


def _is_stale(conn: psycopg.Connection, job: Job) -> bool:
    found = conn.execute(shipped("transfer/is_stale"), (KINDS[job.what].table,)).fetchone()
    return found is None or found[0]


def _analyze(conn: psycopg.Connection, job: Job) -> None:
    conn.execute(shipped("transfer/leave_role"))
    conn.execute(shipped(KINDS[job.what].analyze))


def _batches(records: Iterable[Row | Refused]) -> Generator[list[Row | Refused]]:
    batch: list[Row | Refused] = []
    characters = 0
    for record in records:
        batch.append(record)
        if isinstance(record, Row):
            characters += sum(map(len, filter(None, record.cells)))
        if len(batch) >= BATCH_ROWS_MAX or characters >= BATCH_CHARACTERS_MAX:
            yield batch
            batch, characters = [], 0
    # An empty file is a batch as well: that the company exists is found out with it.
    yield batch


def _land(conn: psycopg.Connection, rows: Sequence[Row], job: Job) -> Landed:
    """One batch in one transaction, from the start again when another writer was in its way."""
    for attempt in range(ATTEMPTS_MAX):
        try:
            with conn.transaction():
                act(conn, job.session)
                conn.execute(shipped("transfer/keep_stamps"))
                return _land_part(conn, rows, job)
        except COLLISIONS as error:
            if attempt == ATTEMPTS_MAX - 1:
                raise _stopped(rows, error) from error
        except psycopg.Error as error:
            raise _stopped(rows, error) from error
    raise AssertionError("the last attempt returns or raises")


def _land_part(conn: psycopg.Connection, rows: Sequence[Row], job: Job) -> Landed:
    """The rows, or, when the database finds one unfit, their halves: only that one is refused."""
    if not rows:
        return Landed()
    try:
        with conn.transaction():
            return _write(conn, rows, job)
    except errors.UniqueViolation:
        raise
    except UNFIT as error:
        if len(rows) == 1:
            return Landed(refused=[Refused(rows[0].line, _sentence(error))])
    middle = len(rows) // 2
    landed = _land_part(conn, rows[:middle], job)
    landed.merge(_land_part(conn, rows[middle:], job))
    return landed


def _write(conn: psycopg.Connection, rows: Sequence[Row], job: Job) -> Landed:
    kind = KINDS[job.what]
    with conn.cursor().copy(shipped(kind.copy)) as copy:
        for row in rows:
            # All but companyId, which the staging table does not have.
            copy.write_row((row.line, row.given, *row.cells[:-1]))
    batch = Batch(conn, job.session.company_id, rows, job.on_conflict)
    decision = kind.decide(batch)
    created, updated = kind.write(batch, decision)
    conn.execute(shipped(kind.clear))
    unchanged = len(set(decision.unchanged).difference(decision.out))
    return Landed(created, updated, unchanged, len(decision.skipped), decision.refused)


def _sentence(error: psycopg.Error) -> str:
    said = BROKEN.get(error.diag.constraint_name or "") or error.diag.message_primary or str(error)
    detail = error.diag.message_detail
    return f"{said} ({detail.rstrip('.')})" if detail and error.diag.constraint_name is None else said


def _stopped(rows: Sequence[Row], error: psycopg.Error) -> StoppedError:
    lines = f"lines {rows[0].line} to {rows[-1].line}" if rows else "the first lines"
    said = (error.diag.message_primary or str(error)).strip().rstrip(".")
    return StoppedError(f"The batch of {lines} did not land: {said}. What came before it has landed; run it again.")
