"""Companies, over the owner's connection, which sees all of them."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
import psycopg
from psycopg import errors

from tieline import problems
from tieline.postgres.session import Session
from tieline.sql.statement import shipped

# Mappings that are deleted in one transaction when a company goes.
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


def act(conn: psycopg.Connection, session: Session) -> None:
    """Bind the rest of the transaction to one company, with the rights of a request.

    Raises:
        UnknownCompanyError: there is none.
    """
    conn.execute(shipped("companies/act"), (session.company_id, session.actor, session.request_id))
    if find(conn, session.company_id) is None:
        raise UnknownCompanyError(session.company_id)


def add(conn: psycopg.Connection, company_id: str, name: str) -> None:
    """Add a company.

    Raises:
        Problem: 409, there is one with this id.
    """
    try:
        conn.execute(shipped("companies/add"), (company_id, name))
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
    """Delete the session's company with its systems, elements, mappings and keys; False if there is none.

    The history of its mappings stays. Each transaction deletes 10,000 mappings at the most; if one fails, the company
    is left with the rest of them.
    """
    while _remove_mappings(conn, session) == REMOVED_ROWS_MAX:
        pass
    with conn.transaction():
        conn.execute(shipped("companies/act_as_owner"), (session.company_id, session.actor, session.request_id))
        return conn.execute(shipped("companies/remove"), (session.company_id,)).fetchone() is not None


def _remove_mappings(conn: psycopg.Connection, session: Session) -> int:
    with conn.transaction():
        conn.execute(shipped("companies/act_as_owner"), (session.company_id, session.actor, session.request_id))
        values = (session.company_id, REMOVED_ROWS_MAX)
        return conn.execute(shipped("companies/remove_mappings"), values).rowcount
