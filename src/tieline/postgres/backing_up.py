"""A backup of a registry, made by pg_dump while it serves."""

from pathlib import Path
from typing import IO

import psycopg

from tieline.postgres import archive, pooler, programs
from tieline.sql.statement import shipped


class UnreadableError(Exception):
    """The registry cannot be backed up with this connection; the text says why."""


def back_up(conn: psycopg.Connection, dsn: str, data_path: Path, file: IO[bytes], *, is_embedded: bool) -> None:
    """Write the registry as it is at one moment into a file. The connection is one of the connection string.

    Raises:
        UnreadableError: there is no registry, or the role may not read all of it.
        ProgramError: there is no pg_dump that is new enough, or it failed.
    """
    row = conn.execute(shipped("backup/reader")).fetchone()
    assert row is not None, "the current role is a role"
    has_registry, sees_all = row
    if not has_registry:
        raise UnreadableError("There is no registry in this database. Make one with: tieline migrate")
    unreadable = [str(name) for (name,) in conn.execute(shipped("backup/unreadable"))]
    if unreadable:
        raise UnreadableError(
            f"This role does not see all rows of {', '.join(unreadable)}, so that the backup would lack some. "
            f"Run tieline migrate as the owner of the tables and back up as the same, or back up as a superuser."
        )
    if not sees_all and pooler.is_pooled(conn):
        # pg_dump sets `tieline.backup` when it connects. A pooler that drops this setting would hide all rows from it.
        raise UnreadableError(
            "There is a pooler in front of the database, which does not pass on what pg_dump needs to see all rows. "
            "Give --database-url the address of the database itself."
        )
    using = programs.for_database(conn.info.server_version, data_path, is_embedded=is_embedded)
    archive.write(dsn, using, file, sees_all=bool(sees_all))
