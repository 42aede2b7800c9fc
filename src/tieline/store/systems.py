"""External systems of a company, for the command line, in the caller's transaction."""

import psycopg

from tieline.sql.statement import shipped


def listed(conn: psycopg.Connection, company_id: str) -> list[tuple[object, ...]]:
    """Integration, name, address, link template, whether it is the default, whether it is active."""
    return conn.execute(shipped("systems/list"), (company_id,)).fetchall()


def remove(conn: psycopg.Connection, company_id: str, integration: str) -> bool:
    """Forget its settings; False if there are none."""
    return conn.execute(shipped("systems/remove"), (company_id, integration)).fetchone() is not None
