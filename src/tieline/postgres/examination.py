"""A look at a database that changes nothing, for `tieline doctor`."""

import re
from dataclasses import dataclass, field
from functools import cache

import psycopg

from tieline.postgres import pooler
from tieline.postgres.database import connected
from tieline.postgres.migrate import Comparison, compare, shipped_functions, shipped_migrations
from tieline.postgres.rights import Rights, examine_rights, open_walls
from tieline.sql.statement import shipped

# The objects that our SQL makes. Every index has its name in it: those of keys are the names of their constraints.
INDEX = re.compile(r'create (?:unique )?index "?(\w+)"?|constraint "?(\w+)"? (?:primary key|unique)')
FUNCTION = re.compile(r"create (?:or replace )?function (\w+)")
TRIGGER = re.compile(r'create (?:or replace|constraint) trigger (\w+) [^;]*? on "?(\w+)"?\s')

# The longest count of one company: some ten million mappings.
COUNT_MS_MAX = 30_000


@dataclass(slots=True)
class Database:
    """The result of an examination; the lists name what is wrong."""

    version: int
    version_text: str
    encoding: str
    collation: str
    sorts_by_code_point: bool
    clock: float
    comparison: Comparison
    rights: Rights
    is_pooled: bool = False
    may_take_role: bool = False
    open_walls: list[str] = field(default_factory=list[str])
    unreadable: list[str] = field(default_factory=list[str])
    broken_indexes: list[str] = field(default_factory=list[str])
    missing_routines: list[str] = field(default_factory=list[str])
    # Companies whose counts are wrong, and those that were too large to be counted in time.
    miscounted: list[str] = field(default_factory=list[str])
    uncounted: list[str] = field(default_factory=list[str])


def examine_database(dsn: str) -> Database:
    """Look at the database of a connection string."""
    with connected(dsn) as conn:
        if pooler.is_pooled(conn):
            # In statement mode it refuses a transaction.
            with conn.transaction():
                conn.execute("select 1")
        row = conn.execute(shipped("health/examine")).fetchone()
        assert row is not None, "there is a row for the database one is in"
        version, version_text, encoding, collation, sorts_by_code_point, clock, has_registry = row
        comparison = compare(conn.execute(shipped("ledger/applied")).fetchall() if has_registry else ())
        rights = examine_rights(conn, has_registry=has_registry)
        found = Database(version, version_text, encoding, collation, sorts_by_code_point, clock, comparison, rights)
        found.is_pooled = pooler.is_pooled(conn)
        if not found.comparison.migrations.missing:
            found.may_take_role = bool((conn.execute(shipped("health/may_take_role")).fetchone() or (False,))[0])
            found.open_walls = open_walls(conn)
            found.unreadable = _names(conn, "backup/unreadable")
            found.broken_indexes = _names(conn, "health/broken_indexes", shipped_indexes())
            found.missing_routines = _names(conn, "health/missing_routines", *_routines())
            if not found.missing_routines and not found.comparison.functions.missing:
                _check_counts(conn, found)
        return found


def _check_counts(conn: psycopg.Connection, found: Database) -> None:
    """Count the mappings of each company, and compare with the counts that are kept for coverage."""
    for company_id in [str(row[0]) for row in conn.execute(shipped("companies/list"))]:
        try:
            with conn.transaction():
                conn.execute(shipped("health/limit_time"), (str(COUNT_MS_MAX),))
                conn.execute(shipped("companies/act_as_owner"), (company_id, "", ""))
                row = conn.execute(shipped("health/miscounted"), (company_id,)).fetchone()
        except psycopg.errors.QueryCanceled:
            found.uncounted.append(company_id)
        else:
            if row is not None and row[0]:
                found.miscounted.append(company_id)


@cache
def shipped_indexes() -> list[str]:
    """The names of all indexes that the migrations make."""
    return [index or key for text in _texts() for index, key in INDEX.findall(text)]


def _routines() -> tuple[list[str], list[str]]:
    """The names of all functions, and of all triggers with their tables."""
    texts = _texts()
    functions = {name for text in texts for name in FUNCTION.findall(text)}
    triggers = [f"{table}.{name}" for text in texts for name, table in TRIGGER.findall(text)]
    return sorted(functions), triggers


def _texts() -> list[str]:
    names = ["ledger/prepare", *(f"migrations/{name}" for name in shipped_migrations())]
    return [shipped(name) for name in (*names, *(f"functions/{name}" for name in shipped_functions()))]


def _names(conn: psycopg.Connection, statement: str, *values: list[str]) -> list[str]:
    return [str(name) for (name,) in conn.execute(shipped(statement), values)]
