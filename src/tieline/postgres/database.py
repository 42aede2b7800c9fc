"""The database of the settings, embedded or by its DSN: reached, migrated, connected to."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo

from tieline.postgres import account, embedded, pooler
from tieline.postgres.migrate import OtherReleaseError, migrate
from tieline.postgres.refusal import refusals
from tieline.settings import Settings
from tieline.sql.statement import shipped

# For the rooms that have connections in their hands but do not import psycopg.
Connection: TypeAlias = psycopg.Connection

CONNECT_SECONDS_MAX = 10
SERVER_VERSION_MIN = 150000
SESSION_SQL = "select set_config('TimeZone', 'UTC', false), pg_backend_pid()"


class DatabaseUnusableError(Exception):
    """The database cannot be used; the text says why and does not contain the DSN's password."""


@contextmanager
def opened(settings: Settings) -> Generator[str]:
    """A connection string of the migrated database, which is up while the context lasts.

    Raises:
        DatabaseUnusableError: it cannot be reached, is too old, is of a newer release of Tieline, or lacks a right
            that the migrations need.
        EmbeddedError: the embedded one cannot be started.
    """
    with reached(settings) as dsn:
        _migrate(dsn)
        yield dsn


@contextmanager
def reached(settings: Settings) -> Generator[str]:
    """A connection string of the database as it is, migrated or not; an embedded one is up while the context lasts.

    Raises:
        EmbeddedError: the embedded one cannot be started.
    """
    if settings.database_url:
        yield settings.database_url
        return
    with embedded.running(settings.data_path, account.chosen(settings)) as dsn:
        yield dsn


@contextmanager
def connected(dsn: str) -> Generator[Connection]:
    """A connection for shipped statements, whose placeholders are PostgreSQL's own ($1).

    Raises:
        DatabaseError: PostgreSQL refused a statement, or cannot be reached.
    """
    with (
        refusals(),
        psycopg.connect(
            make_conninfo(dsn, application_name="tieline", connect_timeout=CONNECT_SECONDS_MAX),
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
        ) as conn,
    ):
        (_, backend) = conn.execute(SESSION_SQL).fetchone() or ("", 0)
        pooler.unprepare_if_pooled(conn, backend)
        if not pooler.is_pooled(conn):
            conn.execute(shipped("session/quiet"))
        yield conn


def _migrate(dsn: str) -> None:
    try:
        # Nothing is prepared: a pooler would keep it, and another client's statement of the same name would fail.
        with psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_SECONDS_MAX, prepare_threshold=None) as conn:
            if conn.info.server_version < SERVER_VERSION_MIN:
                raise DatabaseUnusableError("Tieline needs PostgreSQL 15 or newer.")
            migrate(conn)
    except OtherReleaseError as error:
        raise DatabaseUnusableError(str(error)) from error
    except psycopg.Error as error:
        said = str(error).strip()
        raise DatabaseUnusableError(f"The database cannot be used: {said}{pooler.advice(said)}") from error
