"""psycopg's errors → DatabaseError, the one error that everything above this room knows."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from tieline.postgres.constraint import constraint_name
from tieline.postgres.pipeline import DatabaseError

# PostgreSQL's code for a connection that cannot be made or has ended; psycopg gives none.
CONNECTION_FAILURE = "08006"


@contextmanager
def refusals() -> Generator[None]:
    """Raise DatabaseError for any error of psycopg while the context lasts.

    Raises:
        DatabaseError: PostgreSQL refused a statement, or cannot be reached.
    """
    try:
        yield
    except psycopg.Error as error:
        raise refused(error) from error


def refused(error: psycopg.Error) -> DatabaseError:
    """The report of an error. A lost connection has the code of a connection failure."""
    report = error.diag
    message = report.message_primary or str(error)
    return DatabaseError(
        error.sqlstate or CONNECTION_FAILURE,
        message,
        report.message_detail,
        report.message_hint,
        constraint_name(report.constraint_name, message),
        report.column_name,
    )
