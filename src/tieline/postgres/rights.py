"""The rights of a server in its database, and if the second wall between companies stands."""

from dataclasses import dataclass

import psycopg

from tieline.postgres.migrate import migrate
from tieline.sql.statement import shipped


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of a role.

    `refusal`: PostgreSQL's reason why the registry could not be made; empty if it could, or if it is there.
    `connections`: how many there can be. `logged`: settings by which the database logs what clients send.
    """

    is_read_only: bool
    owns_schema: bool
    foreign_tables: list[str]
    connections: int
    logged: list[str]
    refusal: str = ""


def examine_rights(conn: psycopg.Connection, *, has_registry: bool) -> Rights:
    """Look at the rights of the connection's role. Where there is no registry yet, try to make one, and undo it."""
    row = conn.execute(shipped("health/rights")).fetchone()
    assert row is not None, "the statement always gives a row"
    return Rights(*row, refusal="" if has_registry else _trial(conn))


def open_walls(conn: psycopg.Connection) -> list[str]:
    """The reasons why a request could see rows of other companies if a statement forgot its own; empty: none."""
    unforced = [f"the table {name}, where it is not forced" for (name,) in conn.execute(shipped("health/unforced"))]
    return unforced + [str(name) for (name,) in conn.execute(shipped("health/open_walls"))]


def _trial(conn: psycopg.Connection) -> str:
    try:
        with conn.transaction(force_rollback=True):
            # Others who look too must not wait for long.
            conn.execute("set local lock_timeout = '5s'")
            migrate(conn)
    except psycopg.Error as error:
        if conn.closed:
            raise
        return error.diag.message_primary or str(error)
    return ""
