"""What PostgreSQL refused → what the client is told, for the statements that ship with the package."""

from tieline import problems
from tieline.problems import Problem
from tieline.store.pipeline import DatabaseError

QUERY_CANCELED = "57014"
# The server goes down, starts up, or ran out of connections, memory or disk.
UNAVAILABLE = ("08", "53", "57P")


def as_problem(error: DatabaseError) -> Problem | None:
    """The problem of an error that is nobody's mistake; None if it is for the caller to say what it means."""
    if error.sqlstate == QUERY_CANCELED:
        return problems.statement_timeout()
    if error.sqlstate.startswith(UNAVAILABLE):
        return problems.database_unavailable()
    return None
