"""Companies, for the command line: its connection is the owner's, who sees all of them."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from tieline import problems
from tieline.postgres.session import Session
from tieline.sql.statement import shipped


@dataclass(eq=False)
class UnknownCompanyError(Exception):
    """There is no company with this id."""

    company_id: str


def act(conn: psycopg.Connection, session: Session) -> None:
    """Bind the rest of the transaction to one company.

    Raises:
        UnknownCompanyError: there is none.
    """
    conn.execute(shipped("companies/act"), (session.company_id, session.actor, session.request_id))
    if conn.execute(shipped("companies/find"), (session.company_id,)).fetchone() is None:
        raise UnknownCompanyError(session.company_id)


def add(conn: psycopg.Connection, company_id: str, name: str) -> None:
    """Add a company.

    Raises:
        Problem: 409, there is one with this id.
    """
    try:
        conn.execute(shipped("companies/add"), (company_id, name))
    except psycopg.errors.UniqueViolation:
        raise problems.company_exists(company_id) from None


def add_first(conn: psycopg.Connection, company_id: str, name: str) -> bool:
    """Add the first company of an empty registry, in the caller's transaction; False if there is one."""
    conn.execute(shipped("companies/lock"))
    return conn.execute(shipped("companies/add_first"), (company_id, name)).fetchone() is not None


def listed(conn: psycopg.Connection) -> list[tuple[str, str, datetime]]:
    return conn.execute(shipped("companies/list")).fetchall()
