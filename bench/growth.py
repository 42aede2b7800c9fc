"""Look-ups in tables of growing size, and pages of 100 rows by cursor at growing depth, in both faces.

Each size has a database of its own in the stage's cluster, kept between runs, and a `tieline serve` of its own. One
company has all rows, so that the ids that are asked for lie all over the table and its indexes.
"""

import hashlib
import json
import random
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import psycopg
from figures import Figure, show
from load import Load, Measured, http, send
from lookups import OURS, interleaved
from psycopg.conninfo import make_conninfo
from stage import COMPANY, ROOT, Server, Stage, new_key, stage, tieline

from tieline.postgres import database
from tieline.postgres.migrate import migrate

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
# The sizes with enough rows for pages so deep.
PAGED_SIZES = (1_000_000, 5_000_000)
PAGES_DEEP, PAGE_ROWS = 1_000, 100
ELEMENTS = (PAGES_DEEP + 10) * PAGE_ROWS
IDS_MAX = 100_000
# One connection: with more, the figures would be mostly the time that requests wait for each other.
CONNECTIONS = 1
# More and shorter rounds than elsewhere: with one connection, p50 varies with the machine's load.
ROUNDS, SECONDS = 11, 1
FLAT = "<= 1.3"

# Filled without triggers: the history of these rows is not measured, and writing it would take most of the time.
FILL = """
set session_replication_role = replica;
insert into tieline.company (id, name) values ('{company}', 'One company');
insert into tieline."externalSystem" ("companyId", integration, name, "systemUrl", "isDefault")
values ('{company}', 'crm', 'CRM', 'https://crm.example', true);
insert into tieline."externalIntegrationMapping"
    ("companyId", "entityType", "entityId", integration, "externalId", metadata)
select '{company}', 'item', md5(i::text), 'xero', 'x' || i, '{{"a":1,"b":"some text"}}'
from generate_series(0, {rows} - 1) i;
insert into tieline.element ("companyId", id, title)
select '{company}', i, 'Element ' || i from generate_series(1, {elements}) i;
insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration, "externalId")
select '{company}', 'element', i::text, 'crm', 'c' || i from generate_series(1, {elements}) i;
reset session_replication_role;
"""
# Read tables and indexes into the system's cache, so that no round begins with reads from the disk.
WARM = """select sum(pg_prewarm(relation, 'read'))
from (values (array['tieline."externalIntegrationMapping"', 'tieline.element']::regclass[])) wanted (tables),
lateral (
    select indexrelid::regclass as relation from pg_index where indrelid = any (tables)
    union all select unnest(tables)
) relations"""


@dataclass(frozen=True, slots=True)
class Grown:
    """A database of one size, and the server on it."""

    server: Server
    key: str
    ids: Path


def measure(on: Stage) -> list[Figure]:
    """Run all measurements of this file."""
    with ExitStack() as stack:
        grown = {rows: stack.enter_context(_grown(on, rows)) for rows in SIZES}
        return [*_lookups(on, grown), *_pages(on, grown)]


@contextmanager
def _grown(on: Stage, rows: int) -> Generator[Grown]:
    dsn = _filled(on, rows)
    with psycopg.connect(dsn, autocommit=True) as conn:
        migrate(conn)
        conn.execute("create extension if not exists pg_prewarm")
        conn.execute(WARM)
    with database.connected(dsn) as conn:
        key = new_key(conn, COMPANY)
    ids = ROOT / f"growth-ids-{rows}"
    _write_ids(ids, random.sample(range(rows), min(rows, IDS_MAX)))
    folder = ROOT / f"growth-{rows}"
    with tieline(f"growth-{rows}", "--data-dir", str(folder), "--database-url", dsn) as server:
        yield Grown(server, key, ids)


def _filled(on: Stage, rows: int) -> str:
    """The database of this size. It is made if it does not exist, and renamed to its name once it is complete."""
    name = f"growth_{rows}"
    dsn = make_conninfo(on.dsn, dbname=name)
    with psycopg.connect(on.dsn, autocommit=True) as admin:
        if admin.execute("select from pg_database where datname = %s", (name,)).fetchone() is not None:
            return dsn
        print(f"Filling {rows:,} mappings into {name} …", file=sys.stderr)
        admin.execute("drop database if exists growing with (force)")
        admin.execute("create database growing template template0")
        with psycopg.connect(make_conninfo(on.dsn, dbname="growing"), autocommit=True) as conn:
            migrate(conn)
            elements = ELEMENTS if rows in PAGED_SIZES else 0
            conn.execute(FILL.format(company=COMPANY, rows=rows, elements=elements).encode())
            conn.execute("vacuum analyze")
        admin.execute(f"alter database growing rename to {name}".encode())
    return dsn


def _write_ids(path: Path, numbers: Iterable[int]) -> None:
    path.write_text("".join(hashlib.md5(str(number).encode()).hexdigest() + "\n" for number in numbers))


def _lookups(on: Stage, grown: dict[int, Grown]) -> list[Figure]:
    def run(rows: int) -> Measured:
        at = grown[rows]
        return http(on, at.server, Load(OURS, at.key, ids=at.ids), CONNECTIONS, SECONDS)

    for rows in SIZES:
        run(rows)
    found = interleaved({str(rows): partial(run, rows) for rows in SIZES}, ROUNDS)
    smallest, *others = SIZES
    return [
        _compared(f"look-up in {rows:,} rows", found[str(rows)], f"{smallest:,} rows", found[str(smallest)])
        for rows in others
    ]


def _pages(on: Stage, grown: dict[int, Grown]) -> list[Figure]:
    runs: dict[str, Callable[[], Measured]] = {}
    figures: list[Figure] = []
    for rows, (face, walk) in product(PAGED_SIZES, (("mappings", _mapping_pages), ("elements", _element_pages))):
        at = grown[rows]
        first, deep = walk(partial(send, at.server, at.key))
        for depth, path in (("first", first), ("deep", deep)):
            runs[f"{face} {rows} {depth}"] = partial(
                http, on, at.server, Load(path, at.key, ids=at.ids), CONNECTIONS, SECONDS
            )
    found = interleaved(runs, ROUNDS)
    for rows, face in product(PAGED_SIZES, ("mappings", "elements")):
        work = f"page {PAGES_DEEP:,} deep of {face}, {rows:,} rows"
        first, deep = (found[f"{face} {rows} {depth}"] for depth in ("first", "deep"))
        figures.append(_compared(work, deep, "first page", first))
    return figures


def _mapping_pages(get: Callable[[str], bytes]) -> tuple[str, str]:
    """The paths of the first page and of a deep one. A client reaches it page by page, by the last id of each."""
    path = first = f"/externalIntegrationMapping?order=id&limit={PAGE_ROWS}"
    for _ in range(PAGES_DEEP):
        path = f"{first}&id=gt.{json.loads(get(path))[-1]['id']}"
    return first, path


def _element_pages(get: Callable[[str], bytes]) -> tuple[str, str]:
    """The paths of the first page and of a deep one. A client reaches it page by page, by `nextCursor`."""
    path = first = f"/api/v2/elements?size={PAGE_ROWS}"
    for _ in range(PAGES_DEEP):
        path = f"{first}&cursor={json.loads(get(path))['nextCursor']}"
    return first, path


def _compared(work: str, measured: Measured, what: str, beside: Measured) -> Figure:
    return Figure(work, _said(measured), f"{what} {_said(beside)}", measured.p50_ms / beside.p50_ms, FLAT)


def _said(measured: Measured) -> str:
    return f"p50 {measured.p50_ms:.2f} ms, {measured.server_us:.0f} + {measured.postgres_us:.0f} µs"


if __name__ == "__main__":
    with stage() as on:
        show(measure(on))
