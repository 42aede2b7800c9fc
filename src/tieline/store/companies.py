"""Companies, for the command line: its connection is the owner's, who sees all of them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from tieline.store.statement import shipped


@dataclass(frozen=True, slots=True)
class Acting:
    """Which company a transaction is for, who does it, and in which run."""

    company_id: str
    actor: str
    request_id: str = ""


class UnknownCompanyError(Exception):
    """There is no company of that id."""


@contextmanager
def connected(dsn: str) -> Generator[psycopg.Connection]:
    """A connection whose statements are the shipped ones: their placeholders are PostgreSQL's own."""
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor, connect_timeout=10) as conn:
        conn.execute("set timezone to 'UTC'")
        yield conn


def act(conn: psycopg.Connection, acting: Acting) -> None:
    """Bind the rest of the transaction to one company.

    Raises:
        UnknownCompanyError: there is none.
    """
    conn.execute(shipped("companies/act"), (acting.company_id, acting.actor, acting.request_id))
    if conn.execute(shipped("companies/find"), (acting.company_id,)).fetchone() is None:
        raise UnknownCompanyError(acting.company_id)


def add(conn: psycopg.Connection, company_id: str, name: str) -> None:
    conn.execute(shipped("companies/add"), (company_id, name))


def add_first(conn: psycopg.Connection, company_id: str, name: str) -> bool:
    """Add the first company of an empty registry, in the caller's transaction; False if there is one."""
    conn.execute(shipped("companies/lock"))
    return conn.execute(shipped("companies/add_first"), (company_id, name)).fetchone() is not None


def listed(conn: psycopg.Connection) -> list[tuple[str, str, datetime]]:
    return conn.execute(shipped("companies/list")).fetchall()
