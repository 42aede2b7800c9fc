"""Shipped statements: how they are run, and the problems of errors that no client has caused."""

import structlog

from tieline import problems
from tieline.postgres.connections import Connections, DatabaseError, Row
from tieline.postgres.lane import POINT, SINGLE
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.sql.statement import Sql, shipped

log = structlog.stdlib.get_logger()

DISK_FULL = "53100"
QUERY_CANCELED = "57014"
# Two requests wait for each other's rows. PostgreSQL ends one of them, which may try again.
DEADLOCKS = ("40P01", "40001")
DEADLOCK_ATTEMPTS = 3
# The statement needs more temporary files than it may have.
FILES_LIMIT = "53400"
# The classes of codes for a server that goes down or starts up, or has no connections, memory or disk left.
UNAVAILABLE = ("08", "53", "57P")


def as_problem(error: DatabaseError) -> Problem | None:
    """The problem of an error that the statement has not caused; None if the caller must say what it means."""
    if error.sqlstate == QUERY_CANCELED:
        return problems.statement_timeout()
    if error.sqlstate in DEADLOCKS:
        return problems.overloaded()
    if error.sqlstate == DISK_FULL:
        log.error("The disk of the database is full.", reason=error.message)
        return problems.disk_full()
    if error.sqlstate == FILES_LIMIT:
        return problems.needs_too_much()
    if error.sqlstate.startswith(UNAVAILABLE):
        return problems.database_unavailable()
    return None


async def run(connections: Connections, session: Session, name: str, *values: str | None) -> list[Row]:
    """Run a shipped statement whose $1 is the session's company.

    Raises:
        DatabaseError: PostgreSQL refused the statement; the caller says what that means.
        Problem: the database is away, busy, or did not finish in time.
    """
    statement = Sql(shipped(name), (session.company_id, *values))
    return await run_again(connections, session, statement, attempts_max=DEADLOCK_ATTEMPTS)


async def run_again(
    connections: Connections,
    session: Session,
    statement: Sql,
    *,
    attempts_max: int,
    is_lookup: bool = False,
    rollback: bool = False,
) -> list[Row]:
    """Run a statement, again after a deadlock, and `attempts_max` times at the most.

    A look-up, which reads one row at the most by a whole key, shares its connection with others.

    Raises:
        DatabaseError: PostgreSQL refused the statement; the caller says what that means.
        Problem: the database is away, busy, or did not finish in time.
    """
    lane = POINT if is_lookup else SINGLE
    attempts = 0
    while True:
        attempts += 1
        try:
            return await connections.run(statement, session, lane=lane, rollback=rollback)
        except DatabaseError as error:
            if error.sqlstate in DEADLOCKS and attempts < attempts_max:
                continue
            problem = as_problem(error)
            if problem is not None:
                raise problem from error
            raise


async def run_if_possible(connections: Connections, session: Session, statement: Sql) -> list[Row]:
    """The rows of a statement that explains an error. No rows if it fails: the error stands without an explanation."""
    try:
        return await connections.run(statement, session, lane=SINGLE)
    except (DatabaseError, Problem):
        return []
