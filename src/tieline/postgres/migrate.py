"""Bring a database up to this release: each migration once, and each function whose text has changed."""

import hashlib
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import psycopg

from tieline.sql.statement import shipped, shipped_names, split

# Any number that is ours: two servers that start at once take turns on it.
ADVISORY_LOCK = 7_151_337_001
# Triggers name functions of other files, so their file is applied after all others.
TRIGGERS = "triggers"

# Name of a file → SHA-256 of its text, in the order in which the files are applied.
Checksums = Mapping[str, str]
Cursor: TypeAlias = psycopg.RawCursor[tuple[str, str, str]]


class OtherReleaseError(Exception):
    """The database is of a newer release, or an applied migration had another text; the text says which."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of files that tell a database from this release: not applied, applied with another text, not of this one.

    The lists are empty if the two are the same.
    """

    missing: list[str]
    changed: list[str]
    unknown: list[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A database beside this release."""

    migrations: Difference
    functions: Difference


@cache
def shipped_migrations() -> Checksums:
    """The migrations of this release."""
    return {name: _checksum(f"migrations/{name}") for name in shipped_names("migrations")}


@cache
def shipped_functions() -> Checksums:
    """The files of functions of this release."""
    names = sorted(shipped_names("functions"), key=lambda name: (name == TRIGGERS, name))
    return {name: _checksum(f"functions/{name}") for name in names}


def compare(applied: Iterable[tuple[str, str, str]]) -> Comparison:
    """Compare this release with the rows of ledger/applied.sql: `migration` or `function`, name, checksum."""
    found: dict[str, dict[str, str]] = {"migration": {}, "function": {}}
    for kind, name, checksum in applied:
        found[kind][name] = checksum
    return Comparison(
        _difference(shipped_migrations(), found["migration"]), _difference(shipped_functions(), found["function"])
    )


def build(conn: psycopg.Connection, applied: Iterable[tuple[str, str]]) -> None:
    """Make the schema of a registry that had these migrations applied, without functions and triggers.

    `applied`: name and checksum of each. The connection is as for `migrate`.

    Raises:
        OtherReleaseError: the migrations are of a newer release, or one of them had another text.
    """
    differing = compare(("migration", name, checksum) for name, checksum in applied).migrations
    _require_known("migration", differing)
    _require_unchanged(differing)
    cursor = psycopg.RawCursor(conn)
    _send(cursor, "ledger/prepare")
    for name in shipped_migrations():
        if name not in differing.missing:
            with conn.transaction():
                _apply_migration(cursor, name)


def migrate(conn: psycopg.Connection) -> list[str]:
    """Bring the database up to this release; returns the names of the migrations and functions applied now.

    The connection must be in autocommit mode and of a role that may create schemas, and roles if there is no
    `tieline_server` yet.

    Raises:
        OtherReleaseError: the database is of a newer release, or an applied migration had another text.
    """
    cursor = psycopg.RawCursor(conn)
    with _turn(conn, cursor):
        _send(cursor, "ledger/prepare")
    applied: list[str] = []
    while name := _next_migration(conn, cursor):
        applied.append(name)
    applied += _functions(conn, cursor)
    _count(conn, cursor)
    return applied


@contextmanager
def _turn(conn: psycopg.Connection, cursor: Cursor) -> Generator[None]:
    """A transaction that no other process that migrates has at the same time.

    The lock ends with the transaction: a pooler may give the next one to another connection.
    """
    with conn.transaction():
        cursor.execute("select pg_advisory_xact_lock($1)", (ADVISORY_LOCK,))
        yield


def _next_migration(conn: psycopg.Connection, cursor: Cursor) -> str | None:
    """Apply the first migration that is missing, and tell its name."""
    with _turn(conn, cursor):
        # Another process may have applied some since the last turn.
        migrations = _comparison(cursor).migrations
        _require_known("migration", migrations)
        _require_unchanged(migrations)
        if not migrations.missing:
            return None
        name = migrations.missing[0]
        _apply_migration(cursor, name)
        return name


def _functions(conn: psycopg.Connection, cursor: Cursor) -> list[str]:
    """Apply the functions whose text differs. A migration drops those that a release no longer has."""
    # In one transaction: functions call each other, and no request may see half of a release.
    with _turn(conn, cursor):
        differing = _comparison(cursor).functions
        _require_known("function", differing)
        wanted = {*differing.missing, *differing.changed}
        if differing.missing:
            # A function that somebody dropped may have taken its triggers with it (cascade).
            wanted.add(TRIGGERS)
        functions = [name for name in shipped_functions() if name in wanted]
        cursor.execute("set local check_function_bodies = off")
        for name in functions:
            _apply(cursor, f"functions/{name}")
            cursor.execute(shipped("ledger/note_function"), (name, shipped_functions()[name]))
        return functions


def _count(conn: psycopg.Connection, cursor: Cursor) -> None:
    """Count the mappings of companies that were never counted. The triggers note what changes meanwhile."""
    for company_id, *_ in cursor.execute(shipped("companies/uncounted")).fetchall():
        with conn.transaction():
            cursor.execute(shipped("companies/act_as_owner"), (company_id, "", ""))
            cursor.execute(shipped("companies/recount"), (company_id,))


def _comparison(cursor: Cursor) -> Comparison:
    return compare(cursor.execute(shipped("ledger/applied")).fetchall())


def _require_known(kind: str, difference: Difference) -> None:
    if difference.unknown:
        names = ", ".join(difference.unknown)
        raise OtherReleaseError(f"The database is of a newer release, which this one does not know: {kind} {names}.")


def _require_unchanged(migrations: Difference) -> None:
    if migrations.changed:
        names = ", ".join(migrations.changed)
        raise OtherReleaseError(
            f"The database had another text of migration {names} applied; what was applied must not be edited."
        )


def _apply_migration(cursor: psycopg.RawCursor[tuple[str, str, str]], name: str) -> None:
    _apply(cursor, f"migrations/{name}")
    cursor.execute(shipped("ledger/note_migration"), (name, shipped_migrations()[name]))


def _apply(cursor: Cursor, name: str) -> None:
    cursor.execute("set local search_path to tieline")
    _send(cursor, name)


def _send(cursor: Cursor, name: str) -> None:
    """Send the statements of a file one by one: Citus does not take several at once."""
    for statement in split(shipped(name)):
        cursor.execute(statement)


def _difference(release: Checksums, applied: Checksums) -> Difference:
    return Difference(
        [name for name in release if name not in applied],
        [name for name in release if applied.get(name, release[name]) != release[name]],
        sorted(name for name in applied if name not in release),
    )


def _checksum(name: str) -> str:
    return hashlib.sha256(shipped(name).encode()).hexdigest()
