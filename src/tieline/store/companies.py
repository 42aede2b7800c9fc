"""Companies, over the owner's connection, which sees all of them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import msgspec
import psycopg
from psycopg import errors

from tieline import problems
from tieline.postgres.session import Session
from tieline.sql.statement import shipped

# Rows of a kind that are deleted in one transaction when a company goes.
REMOVED_ROWS_MAX = 10_000


@dataclass(eq=False)
class UnknownCompanyError(Exception):
    """There is no company with this id."""

    company_id: str


class Company(msgspec.Struct, frozen=True, rename="camel"):
    """A tenant."""

    id: str
    name: str
    created_at: datetime
    is_strict: bool = False


def act(conn: psycopg.Connection, session: Session) -> None:
    """Bind the rest of the transaction to one company, with the rights of a request.

    Raises:
        UnknownCompanyError: there is none.
    """
    conn.execute(shipped("companies/act"), (session.company_id, session.actor, session.request_id))
    if find(conn, session.company_id) is None:
        raise UnknownCompanyError(session.company_id)


def add(conn: psycopg.Connection, company_id: str, name: str, *, is_strict: bool = False) -> None:
    """Add a company. A strict one takes mappings of its own external systems only.

    Raises:
        Problem: 409, there is one with this id.
    """
    try:
        conn.execute(shipped("companies/add"), (company_id, name, is_strict))
    except errors.UniqueViolation as error:
        raise problems.company_exists(company_id) from error


def add_first(conn: psycopg.Connection, company_id: str, name: str) -> bool:
    """Add the first company of an empty registry, in the caller's transaction; False if there is one."""
    conn.execute(shipped("companies/lock"))
    return conn.execute(shipped("companies/add_first"), (company_id, name)).fetchone() is not None


def find(conn: psycopg.Connection, company_id: str) -> Company | None:
    """The company with this id."""
    row = conn.execute(shipped("companies/find"), (company_id,)).fetchone()
    return None if row is None else Company(*row)


def listed(conn: psycopg.Connection) -> list[Company]:
    """All companies, by their ids."""
    return [Company(*row) for row in conn.execute(shipped("companies/list"))]


def remove(conn: psycopg.Connection, session: Session) -> bool:
    """Delete all of the session's company: keys, mappings, elements, history, systems; False if there is none.

    Its keys go first, so that nobody writes for it meanwhile. Each transaction deletes 10,000 rows of a kind at the
    most; if one fails, the company is left with the rest, and can be removed again.
    """
    if find(conn, session.company_id) is None:
        return False
    company = (session.company_id,)
    with _owning(conn, session):
        conn.execute(shipped("companies/remove_keys"), company)
    for statement in ("companies/remove_mappings", "companies/remove_elements", "companies/remove_changes"):
        while _remove_some(conn, session, statement) == REMOVED_ROWS_MAX:
            pass
    with _owning(conn, session):
        is_removed = conn.execute(shipped("companies/remove"), company).fetchone() is not None
        # The deletion of its last rows is a change too. A trigger deletes its counts.
        conn.execute(shipped("companies/remove_changes"), (*company, None))
        return is_removed


def _remove_some(conn: psycopg.Connection, session: Session, statement: str) -> int:
    with _owning(conn, session):
        return conn.execute(shipped(statement), (session.company_id, REMOVED_ROWS_MAX)).rowcount


@contextmanager
def _owning(conn: psycopg.Connection, session: Session) -> Generator[None]:
    """A transaction for a company with the owner's rights: a request may not delete keys, history or the company."""
    with conn.transaction():
        conn.execute(shipped("companies/act_as_owner"), (session.company_id, session.actor, session.request_id))
        yield
