"""Patterns of external ids beside a look-up by one, and the newest page, in a company of 1,000,000 mappings.

A database of its own in the stage's cluster, kept between runs. The rows that a pattern finds lie all over the table.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit

import psycopg
from figures import Figure, show
from psycopg.conninfo import make_conninfo
from stage import COMPANY, DATA, ROOT, new_key, tieline

from tieline.postgres import database, embedded
from tieline.postgres.migrate import migrate

ROWS, DOCUMENT_ROWS, PART_ROWS = 1_000_000, 100, 20
ROUNDS = 300
# A number that has no divisor in common with the number of rows, so that its multiples pass through all of them.
STEP = 7_919
NEAR = "<= 5"

FILL = f"""
set session_replication_role = replica;
insert into tieline.company (id, name) values ('{COMPANY}', 'One company');
insert into tieline."externalIntegrationMapping"
    ("companyId", "entityType", "entityId", integration, "externalId", metadata, "createdAt")
select '{COMPANY}', 'item', i::text, 'xero',
    'd' || i / {DOCUMENT_ROWS} || ':' || i % {DOCUMENT_ROWS} / {PART_ROWS} || ':' || i % {DOCUMENT_ROWS}
        || ':' || i / {DOCUMENT_ROWS} || 'e',
    '{{"a":1,"b":"some text"}}', timestamptz '2025-01-01' + n * interval '1 second'
from generate_series(0, {ROWS - 1}) n, lateral (select n * {STEP}::bigint % {ROWS} as i) numbers;
reset session_replication_role;
vacuum analyze;
"""
OF_ONE_KIND = "/externalIntegrationMapping?select=entityId,externalId&integration=eq.xero&entityType=eq.item&"
QUERIES: dict[str, Callable[[int], str]] = {
    "eq": lambda n: f"{OF_ONE_KIND}externalId=eq.d{n}:0:3:{n}e",
    "prefix, 20 rows": lambda n: f"{OF_ONE_KIND}externalId=like.d{n}:0:*",
    "prefix, 100 rows": lambda n: f"{OF_ONE_KIND}externalId=like.d{n}:*",
    "suffix, 100 rows": lambda n: f"{OF_ONE_KIND}externalId=like.*:{n}e",
    "newest 100 rows": lambda _: (
        "/externalIntegrationMapping?select=entityId,externalId&order=createdAt.desc&limit=100"
    ),
}


def measure() -> list[Figure]:
    """Ask each kind of request for the same documents in turn, on one connection."""
    ROOT.mkdir(mode=0o711, parents=True, exist_ok=True)
    with embedded.running(DATA) as cluster:
        dsn = _filled(cluster)
        with database.connected(dsn) as conn:
            key = new_key(conn, COMPANY)
        with tieline("patterns", "--data-dir", str(ROOT / "patterns"), "--database-url", dsn) as server:
            times = _times(HTTPConnection(urlsplit(server.url).netloc), key)
    medians = {name: statistics.median(found) for name, found in times.items()}
    return [
        Figure(name, f"{medians[name]:.2f} ms", f"eq: {medians['eq']:.2f} ms", medians[name] / medians["eq"], NEAR)
        for name in QUERIES
        if name != "eq"
    ]


def _times(connection: HTTPConnection, key: str) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in QUERIES}
    for round_ in range(ROUNDS):
        document = random.randrange(ROWS // DOCUMENT_ROWS)
        for name in random.sample(sorted(QUERIES), len(QUERIES)):
            started = time.perf_counter()
            path = quote(QUERIES[name](document), safe="/?&=.,:*")
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            # The first rounds fill caches and make plans.
            if round_ >= ROUNDS // 10:
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def _filled(cluster: str) -> str:
    with psycopg.connect(cluster, autocommit=True) as conn:
        known = conn.execute("select 1 from pg_database where datname = 'patterns'").fetchone()
        if not known:
            conn.execute("create database patterns")
    own = make_conninfo(cluster, dbname="patterns")
    with psycopg.connect(own, autocommit=True) as conn:
        migrate(conn)
        if not known:
            print(f"Filling {ROWS:,} mappings …", file=sys.stderr)
            for statement in FILL.split(";\n"):
                conn.execute(statement)
    return own


if __name__ == "__main__":
    show(measure())
