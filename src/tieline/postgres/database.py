"""The database of these settings: embedded or by its DSN, reachable and migrated."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from tieline.postgres import embedded
from tieline.postgres.migrate import migrate
from tieline.settings import Settings

CONNECT_SECONDS_MAX = 10
SERVER_VERSION_MIN = 150000


class DatabaseUnusableError(Exception):
    """The database cannot be used; the text says why, without the DSN's password."""


@contextmanager
def opened(settings: Settings) -> Generator[str]:
    """A connection string of the migrated database, which is up while the context lasts.

    Raises:
        DatabaseUnusableError: it cannot be reached, or is too old, or lacks a right that the migrations need.
        EmbeddedError: the embedded one cannot be started.
    """
    if settings.database_url:
        _migrate(settings.database_url)
        yield settings.database_url
        return
    with embedded.running(settings.data_path) as dsn:
        _migrate(dsn)
        yield dsn


@contextmanager
def connected(dsn: str) -> Generator[psycopg.Connection]:
    """A connection whose statements are the shipped ones: their placeholders are PostgreSQL's own."""
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor, connect_timeout=10) as conn:
        conn.execute("set timezone to 'UTC'")
        yield conn


def _migrate(dsn: str) -> None:
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_SECONDS_MAX) as conn:
            if conn.info.server_version < SERVER_VERSION_MIN:
                raise DatabaseUnusableError("Tieline needs PostgreSQL 15 or newer.")
            migrate(conn)
    except psycopg.Error as error:
        raise DatabaseUnusableError(f"The database cannot be used: {str(error).strip()}") from error
