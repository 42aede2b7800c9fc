"""The keys that sign access tokens, for the command line; a server uses them in `tokens`."""

import psycopg

from tieline.sql.statement import shipped


def rotate(conn: psycopg.Connection) -> tuple[str, int]:
    """Make a new signing key and retire the others: the new one's id, and the number of retired ones."""
    row = conn.execute(shipped("tokens/rotate")).fetchone()
    assert row is not None, "the statement always gives a row"
    return str(row[0]), int(row[1])
