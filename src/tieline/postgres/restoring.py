"""A registry from an archive: the schema by our own migrations, then the rows, in one transaction of the caller.

Only rows and the states of sequences are taken from the archive. Tables, rights, policies and owners are those that the
migrations make for the role that restores, on its version of PostgreSQL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import psycopg
from psycopg import errors, sql

from tieline.postgres import archive
from tieline.postgres.archive import ArchiveError, Entry, Position, Rows
from tieline.postgres.migrate import ADVISORY_LOCK, OtherReleaseError, build, compare, migrate
from tieline.postgres.programs import Programs
from tieline.sql.statement import shipped

# Made by the migrations themselves, and so the same in each registry of a release.
LEDGER = ("migration", "routine")
# A migration puts the first signing key there.
NEVER_EMPTY = (*LEDGER, "signingKey")
LOCK_TIMEOUT = "10s"

Connection = psycopg.Connection


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the registry, with the columns that can be written."""

    name: str
    columns: list[str]
    is_forced: bool

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in a statement."""
        return sql.Identifier("tieline", self.name)


class OccupiedError(Exception):
    """The registry to restore into is not empty or is in use; the text says which."""


def clear(conn: Connection, fresh: tuple[str, str]) -> None:
    """Remove an empty registry, to make room for another one. `fresh`: the company and the key of a first start.

    Raises:
        OccupiedError: it is not empty, or another session uses it.
        OtherReleaseError: it is of a newer release.
    """
    conn.execute("select pg_advisory_xact_lock($1)", (ADVISORY_LOCK,))
    tables = _tables(conn)
    if not tables:
        return
    if (found := conn.execute(shipped("backup/sessions")).fetchone()) and found[0]:
        raise OccupiedError("Tieline runs on this registry: stop its servers and commands, and restore again.")
    if set(LEDGER) <= set(tables) and (unknown := compare(_ledger(conn)).migrations.unknown):
        raise OtherReleaseError(f"The registry is of a newer release, which knows the migration {', '.join(unknown)}.")
    conn.execute(sql.SQL("set local lock_timeout = {}").format(LOCK_TIMEOUT))
    try:
        for table in tables.values():
            conn.execute(sql.SQL("alter table {} no force row level security").format(table.identifier))
        _require_empty(conn, tables, fresh)
        conn.execute("drop schema tieline cascade")
    except errors.LockNotAvailable:
        raise OccupiedError("Another session uses this registry: end it, and restore again.") from None


def load(conn: Connection, using: Programs, path: Path) -> dict[str, int]:
    """Make the registry of an archive and bring it to this release; the number of rows of each table.

    Raises:
        ArchiveError: the file is no archive of a registry, or breaks off.
        OtherReleaseError: it is of a newer release.
    """
    found = archive.entries(using, path)
    build(conn, _applied(using, path, found))
    tables = _tables(conn)
    foreign = [entry.name for entry in found if entry.kind == "TABLE DATA" and entry.name not in tables]
    if foreign:
        raise ArchiveError(f"The file {path} has tables that are not Tieline's: {', '.join(foreign)}.")
    own = [table for table in tables.values() if table.name not in LEDGER]
    for table in own:
        # The owner may then copy into it, and a trigger of a migration does not record the rows again.
        conn.execute(sql.SQL("alter table {} no force row level security").format(table.identifier))
        conn.execute(sql.SQL("alter table {} disable trigger user").format(table.identifier))
    conn.execute(sql.SQL("truncate {}").format(sql.SQL(", ").join(table.identifier for table in own)))
    counts = _fill(conn, using, path, [entry for entry in found if entry.name not in LEDGER], tables)
    for table in own:
        conn.execute(sql.SQL("alter table {} enable trigger user").format(table.identifier))
        if table.is_forced:
            conn.execute(sql.SQL("alter table {} force row level security").format(table.identifier))
    migrate(conn)
    for table in own:
        conn.execute(sql.SQL("analyze {}").format(table.identifier))
    return counts


def _require_empty(conn: Connection, tables: Mapping[str, Table], fresh: tuple[str, str]) -> None:
    row = conn.execute(shipped("backup/is_unused"), fresh).fetchone() if "apiKey" in tables else (True,)
    if row is None or not row[0]:
        raise OccupiedError("The registry is in use: it has companies or keys. Restore into an empty one.")
    for name, table in tables.items():
        if name in (*NEVER_EMPTY, "company", "apiKey"):
            continue
        has_rows = sql.SQL("select exists (select 1 from {})").format(table.identifier)
        if conn.execute(has_rows).fetchone() == (True,):
            raise OccupiedError(f"The registry is in use: its table {name} has rows. Restore into an empty one.")


def _applied(using: Programs, path: Path, found: Sequence[Entry]) -> list[tuple[str, str]]:
    """Name and checksum of the migrations that the registry of an archive had applied."""
    wanted = [entry for entry in found if entry.kind == "TABLE DATA" and entry.name == "migration"]
    with archive.parts(using, path, wanted) as parts:
        for part in parts:
            if isinstance(part, Rows):
                lines = b"".join(part.chunks).decode().splitlines()
                rows = [dict(zip(part.columns, line.split("\t"), strict=True)) for line in lines]
                return [(row["name"], row["sha256"]) for row in rows]
    raise ArchiveError(f"There is no registry in the file {path}.")


def _fill(
    conn: Connection, using: Programs, path: Path, found: Sequence[Entry], tables: Mapping[str, Table]
) -> dict[str, int]:
    order = _order(conn, tables)
    counts: dict[str, int] = {}
    wanted = sorted(found, key=lambda entry: (entry.kind != "TABLE DATA", order.get(entry.name, 0)))
    with archive.parts(using, path, wanted) as parts:
        for part in parts:
            if isinstance(part, Position):
                values = (part.sequence, part.value, part.is_called)
                conn.execute(shipped("backup/set_sequence"), values)
            else:
                counts[part.table] = _copy(conn, part, tables[part.table])
    return counts


def _copy(conn: Connection, rows: Rows, table: Table) -> int:
    unknown = [column for column in rows.columns if column not in table.columns]
    if unknown:
        raise ArchiveError(f"The table {rows.table} has columns that are not Tieline's: {', '.join(unknown)}.")
    statement = sql.SQL("copy {} ({}) from stdin").format(
        table.identifier, sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    )
    with conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for chunk in rows.chunks:
                copy.write(chunk)
        return cursor.rowcount


def _order(conn: Connection, tables: Mapping[str, Table]) -> dict[str, int]:
    """The place of each table in an order in which referenced tables come first."""
    sorter = TopologicalSorter[str](dict.fromkeys(tables, ()))
    for table, referenced in conn.execute(shipped("backup/references")):
        sorter.add(table, referenced)
    return {table: place for place, table in enumerate(sorter.static_order())}


def _tables(conn: Connection) -> dict[str, Table]:
    return {row[0]: Table(*row) for row in conn.execute(shipped("backup/tables"))}


def _ledger(conn: Connection) -> list[tuple[str, str, str]]:
    return conn.execute(shipped("ledger/applied")).fetchall()
