"""Apply sql/migrations in the order of their names, each once, each in a transaction of its own."""

from importlib import resources
from typing import LiteralString, cast

import psycopg

# Any number that is ours: two servers that start at once take turns on it.
ADVISORY_LOCK = 7_151_337_001

PREPARE: tuple[LiteralString, ...] = (
    "create schema if not exists tieline",
    'create table if not exists tieline.migration (name text primary key, "appliedAt" timestamptz default now())',
)


def migrate(conn: psycopg.Connection) -> list[str]:
    """Bring the database up to this release; returns the names of what was applied now.

    The connection must be in autocommit mode and of a role that may create schemas, and roles if there is no
    `tieline_server` yet.
    """
    conn.execute("select pg_advisory_lock(%s)", (ADVISORY_LOCK,))
    try:
        for statement in PREPARE:
            conn.execute(statement)
        waiting = [name for name in shipped_migrations() if name not in _applied(conn)]
        for name in waiting:
            _apply(conn, name)
        return waiting
    finally:
        conn.execute("select pg_advisory_unlock(%s)", (ADVISORY_LOCK,))


def shipped_migrations() -> list[str]:
    """Names of the migrations of this release, in order."""
    folder = resources.files("tieline.sql").joinpath("migrations")
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))


def _applied(conn: psycopg.Connection) -> set[str]:
    return {str(row[0]) for row in conn.execute("select name from tieline.migration")}


def _apply(conn: psycopg.Connection, name: str) -> None:
    file = resources.files("tieline.sql").joinpath("migrations", f"{name}.sql")
    with conn.transaction():
        conn.execute("set local search_path to tieline")
        conn.execute(cast(LiteralString, file.read_text(encoding="utf-8")))
        conn.execute("insert into migration (name) values (%s)", (name,))
