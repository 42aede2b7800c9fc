"""Load records into the registry in batches. Each batch is a transaction, and is reported once it has landed."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from tempfile import TemporaryFile
from typing import TypeVar

import psycopg
from psycopg import errors

from tieline.postgres import refusal
from tieline.postgres.run import as_problem
from tieline.sql.statement import shipped
from tieline.store.batches.write import UNFIT, unfit_reason
from tieline.store.companies import act
from tieline.transfer import elements, mappings, systems
from tieline.transfer.columns import Record, Refused, What
from tieline.transfer.held import Held, HeldRecord
from tieline.transfer.landed import Job, Landed, Lines

BATCH_ROWS_MAX = 10_000
BATCH_BYTES_MAX = 8_000_000
# Without statistics all indexes that begin with the company look alike to PostgreSQL's planner, and a look-up may read
# all rows of a company. A table that grows is analyzed after so many new rows, and each time that these have doubled.
ANALYZE_ROWS_MIN = 5_000
# The most attempts of a batch that collides with other writers.
ATTEMPTS_MAX = 8

TABLES: dict[What, str] = {"mappings": "externalIntegrationMapping", "elements": "element", "systems": "externalSystem"}
ANALYZE: dict[What, str] = {
    "mappings": "transfer/analyze_mappings",
    "elements": "transfer/analyze_elements",
    "systems": "transfer/analyze_systems",
}
COLLISIONS = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)

T = TypeVar("T")
Batch = tuple[list[Record], list[Refused]]
Report = Callable[[Landed], None]


class StoppedError(Exception):
    """A batch did not land, and none of its rows is the reason. The message names its lines and the reason."""


def load(conn: psycopg.Connection, records: Iterable[Record | Refused], job: Job, report: Report) -> None:
    """Load the records, in their order, and report each batch once it has landed.

    Raises:
        StoppedError: a batch did not land; the batches that were reported before it did.
        UnknownCompanyError: there is no such company.
    """
    # A dry run is one transaction, so that later batches see the rows of earlier ones.
    with conn.transaction(force_rollback=True) if job.is_dry_run else nullcontext():
        if _is_stale(conn, job):
            _analyze(conn, job)
        target = _Target(conn, job, report)
        (_load_mappings if job.what == "mappings" else _load_others)(target, _batches(records))


class _Target:
    """The registry that is written to. Reports each batch, and analyzes the table when it has grown a lot."""

    def __init__(self, conn: psycopg.Connection, job: Job, report: Report) -> None:
        self.conn, self.job, self._report = conn, job, report
        self._created, self._analyze_at = 0, ANALYZE_ROWS_MIN

    def write(self, records: Sequence[Record], work: Callable[[], T]) -> T:
        """Do the work in a transaction that acts for the company, and again after a collision with another writer."""
        for attempt in range(ATTEMPTS_MAX):
            is_committing = False
            try:
                with self.conn.transaction():
                    act(self.conn, self.job.session)
                    self.conn.execute(self.job.limits)
                    self.conn.execute(shipped("transfer/keep_stamps"))
                    done = work()
                    is_committing = not self.job.is_dry_run
            except COLLISIONS as error:
                if attempt == ATTEMPTS_MAX - 1:
                    raise _stopped(records, error) from error
            except psycopg.Error as error:
                raise _stopped(records, error, is_committing=is_committing) from error
            else:
                return done
        raise AssertionError("the last attempt returns or raises")

    def tell(self, landed: Landed, refused: Sequence[Refused] = ()) -> None:
        """Report a batch, with those of its records that could not be read."""
        landed.refused = sorted([*landed.refused, *refused], key=lambda one: one.line)
        self._report(landed)
        self._created += landed.created
        if self._created >= self._analyze_at:
            _analyze(self.conn, self.job)
            self._analyze_at = self._created * 2


def _is_stale(conn: psycopg.Connection, job: Job) -> bool:
    found = conn.execute(shipped("transfer/is_stale"), (TABLES[job.what],)).fetchone()
    return found is None or found[0]


def _analyze(conn: psycopg.Connection, job: Job) -> None:
    conn.execute(shipped("transfer/leave_role"))
    conn.execute(shipped(ANALYZE[job.what]))


def _batches(records: Iterable[Record | Refused]) -> Generator[Batch]:
    """Records in batches, each with those of its lines that could not be read."""
    batch: list[Record] = []
    refused: list[Refused] = []
    size_bytes = 0
    for record in records:
        if isinstance(record, Refused):
            refused.append(record)
        else:
            batch.append(record)
            size_bytes += record.size_bytes
        if len(batch) + len(refused) >= BATCH_ROWS_MAX or size_bytes >= BATCH_BYTES_MAX:
            yield batch, refused
            batch, refused, size_bytes = [], [], 0
    # An empty file makes one empty batch, so that an unknown company is refused.
    yield batch, refused


def _load_others(target: _Target, read: Iterable[Batch]) -> None:
    """Load elements or external systems."""
    lines: Lines = {}
    for records, refused in read:
        landed, said = target.write(records, partial(_by_halves, target, records, lines))
        lines |= said
        target.tell(landed, refused)


def _by_halves(target: _Target, records: Sequence[Record], earlier: Lines) -> tuple[Landed, Lines]:
    """Land the records. If PostgreSQL cannot store one of them, land each half: in the end only that one is refused."""
    land = elements.land if target.job.what == "elements" else systems.land
    if not records:
        return Landed(), {}
    try:
        with target.conn.transaction():
            return land(target.conn, records, target.job, earlier)
    except UNFIT:
        if len(records) == 1:
            reason = unfit_reason(target.conn, records[0].row)
            return Landed(refused=[Refused(records[0].line, reason, given=mappings.texts(records[0]))]), {}
    middle = len(records) // 2
    landed, lines = _by_halves(target, records[:middle], earlier)
    rest, more = _by_halves(target, records[middle:], {**earlier, **lines})
    landed.add(rest)
    return landed, {**lines, **more}


def _load_mappings(target: _Target, read: Iterable[Batch]) -> None:
    """Load mappings. A file is one change of state, so rows that meet a holder wait for the rest of the file."""
    earlier: mappings.Earlier = {}
    count = 0
    with TemporaryFile() as file:
        held = Held(file, BATCH_ROWS_MAX, BATCH_BYTES_MAX)
        for records, refused in read:
            count += 1
            landed, waiting = _land(target, records, earlier)
            held.add(waiting)
            target.tell(landed, refused)
        # A file of one batch was decided as a whole, so a second try would end the same.
        _give_up(target, _try_again(target, held, earlier) if count > 1 else held)


def _land(target: _Target, records: Sequence[Record], earlier: mappings.Earlier) -> tuple[Landed, list[HeldRecord]]:
    landed, held = target.write(records, lambda: mappings.land(target.conn, records, target.job, earlier))
    return landed, held


def _try_again(target: _Target, held: Held, earlier: mappings.Earlier) -> Held:
    """Pass over the held records, holders first, until a pass lands nothing: landed holders may uncover other ones.

    Returns:
        The records that cannot land.
    """
    while held.count:
        rest = held.emptied()
        for batch in held.in_order_of_waiting():
            landed, waiting = _land(target, [one.record for one in batch], earlier)
            rest.add(waiting)
            target.tell(landed)
        if rest.count == held.count:
            return rest
        held = rest
    return held


def _give_up(target: _Target, held: Held) -> None:
    """Report the records whose holder still has the external id at the end."""
    circles = held.long_circles()
    for batch in held.in_order_of_lines():
        landed = Landed()
        for waiting in batch:
            mappings.count(waiting.record, waiting.result, landed, circles.get(waiting.entity))
        target.tell(landed)


def _stopped(records: Sequence[Record], error: psycopg.Error, *, is_committing: bool = False) -> StoppedError:
    lines = f"lines {records[0].line} to {records[-1].line}" if records else "the first lines"
    report = refusal.refused(error)
    problem = as_problem(report)
    # PostgreSQL's own words speak of its tables; the log of the database has them.
    said = problem.message if problem else f"the database refused it ({report.sqlstate})"
    if isinstance(error, COLLISIONS):
        said = "other writers were in its way at every attempt"
    said = said.strip().rstrip(".")
    if is_committing:
        return StoppedError(
            f"It is not known whether the batch of {lines} landed, as its confirmation did not come: {said}."
        )
    return StoppedError(f"The batch of {lines} did not land: {said}.")
