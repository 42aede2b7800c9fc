"""Bring a database up to this release: each migration once, and each function whose text has changed."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import psycopg

from tieline.sql.statement import shipped, shipped_names, split

# Any number that is ours: two servers that start at once take turns on it.
ADVISORY_LOCK = 7_151_337_001
# Triggers name functions of other files, so their file is applied after all others.
TRIGGERS = "triggers"

# Name of a file → SHA-256 of its text, in the order in which the files are applied.
Checksums = Mapping[str, str]


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


def migrate(conn: psycopg.Connection) -> list[str]:
    """Bring the database up to this release; returns the names of the migrations and functions applied now.

    The connection must be in autocommit mode and of a role that may create schemas, and roles if there is no
    `tieline_server` yet.

    Raises:
        OtherReleaseError: the database is of a newer release, or an applied migration had another text.
    """
    cursor = psycopg.RawCursor(conn)
    cursor.execute("select pg_advisory_lock($1)", (ADVISORY_LOCK,))
    try:
        _send(cursor, "ledger/prepare")
        migrations = _comparison(cursor).migrations
        _require_known("migration", migrations)
        _require_unchanged(migrations)
        for name in migrations.missing:
            with conn.transaction():
                _apply(cursor, f"migrations/{name}")
                cursor.execute(shipped("ledger/note_migration"), (name, shipped_migrations()[name]))
        # Not before: a migration drops the functions that a release no longer has.
        differing = _comparison(cursor).functions
        _require_known("function", differing)
        wanted = {*differing.missing, *differing.changed}
        if differing.missing:
            # A function that somebody dropped may have taken its triggers with it (cascade).
            wanted.add(TRIGGERS)
        functions = [name for name in shipped_functions() if name in wanted]
        # In one transaction: functions call each other, and no request may see half of a release.
        with conn.transaction():
            cursor.execute("set local check_function_bodies = off")
            for name in functions:
                _apply(cursor, f"functions/{name}")
                cursor.execute(shipped("ledger/note_function"), (name, shipped_functions()[name]))
        return migrations.missing + functions
    finally:
        cursor.execute("select pg_advisory_unlock($1)", (ADVISORY_LOCK,))


def _comparison(cursor: psycopg.RawCursor[tuple[str, str, str]]) -> Comparison:
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


def _apply(cursor: psycopg.RawCursor[tuple[str, str, str]], name: str) -> None:
    cursor.execute("set local search_path to tieline")
    _send(cursor, name)


def _send(cursor: psycopg.RawCursor[tuple[str, str, str]], name: str) -> None:
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
