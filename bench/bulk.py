"""Many rows at a time: POST beside a bare INSERT of the same rows, import and export beside that INSERT and COPY.

Import and export run on databases of their own in the same cluster, so that each starts from the same emptiness.
"""

import itertools
import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
from figures import Figure, show
from psycopg.conninfo import make_conninfo
from stage import BULK_COMPANY, ROOT, Stage, stage

from tieline.store.migrate import migrate

ROUNDS = 5
POST_ROWS = 10_000
IMPORT_ROWS = (100_000, 1_000_000)
TIMEOUT_SECONDS = 120
RSS_INTERVAL_SECONDS = 0.05
RSS_MAX_MB = 150

# Has no factor in common with 10^9, so that no number comes twice.
STRIDE = 387_420_489
STEPS = itertools.count()

COLUMNS = '"entityType" text, "entityId" text, integration text, "externalId" text, metadata jsonb'
NAMES = re.sub(r" (text|jsonb)", "", COLUMNS)
INSERT = f"""insert into tieline."externalIntegrationMapping" ("companyId", {NAMES})
select %s, {NAMES} from json_to_recordset(%s::json) as rows ({COLUMNS})"""
# Past the triggers: what a round wrote is forgotten without a history of its own.
FORGET = f"""set session_replication_role = replica;
delete from tieline."externalIntegrationMapping" where "companyId" = '{BULK_COMPANY}' and "entityType" = 'new';
delete from tieline."mappingChange" where "companyId" = '{BULK_COMPANY}';
reset session_replication_role;"""
EXPORTED = """select row_to_json(m) from tieline."externalIntegrationMapping" m where "companyId" = 'bulk'"""


def rows(count: int) -> list[dict[str, object]]:
    """Rows that nobody has, in no order that an index would like."""
    numbers = (next(STEPS) * STRIDE % 10**9 for _ in range(count))
    return [
        {
            "entityType": "new",
            "entityId": f"e{number:09}",
            "integration": "xero",
            "externalId": f"x{number:09}",
            "metadata": {"a": 1, "b": "some text"},
        }
        for number in numbers
    ]


def measure(on: Stage) -> list[Figure]:
    """All of it."""
    figures = _posts(on)
    bare = _bare_rate(on)
    for count in IMPORT_ROWS:
        figures += _transfers(on, count, bare)
    return figures


def _posts(on: Stage) -> list[Figure]:
    client = httpx.Client(
        base_url=on.tieline.url,
        timeout=TIMEOUT_SECONDS,
        headers={"authorization": f"Bearer {on.bulk_key}", "content-type": "application/json"},
    )

    def post(body: str) -> None:
        client.post("/externalIntegrationMapping", content=body).raise_for_status()

    with client, psycopg.connect(on.dsn, autocommit=True) as conn:

        def bare(body: str) -> None:
            conn.execute(INSERT, (BULK_COMPANY, body))

        spent: dict[Callable[[str], None], list[float]] = {post: [], bare: []}
        for _ in range(ROUNDS):
            body = json.dumps(rows(POST_ROWS))
            for run in random.sample(list(spent), len(spent)):
                started = time.perf_counter()
                run(body)
                spent[run].append(time.perf_counter() - started)
                conn.execute(FORGET)
        conn.execute('vacuum analyze tieline."externalIntegrationMapping", tieline."mappingChange"')
    ours, limit = (POST_ROWS / statistics.median(spent[run]) for run in (post, bare))
    return [
        Figure("POST of 10,000 new rows", f"{ours:,.0f} rows/s", f"INSERT {limit:,.0f} rows/s", ours / limit, ">= 0.6")
    ]


@contextmanager
def _database(on: Stage, name: str) -> Generator[str]:
    """An empty database with our tables and the company `bulk`, for as long as the context lasts."""
    with psycopg.connect(on.dsn, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)")
        admin.execute(f"create database {name} template template0")
        dsn = make_conninfo(on.dsn, dbname=name)
        with psycopg.connect(dsn, autocommit=True) as conn:
            migrate(conn)
            conn.execute("insert into tieline.company (id, name) values ('bulk', 'Bulk')")
        try:
            yield dsn
        finally:
            admin.execute(f"drop database {name} with (force)")


def _bare_rate(on: Stage) -> float:
    """Rows a second of the bare INSERT, in batches of 10,000 that are committed one by one."""
    with _database(on, "bench_bare") as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        spent = 0.0
        for _ in range(IMPORT_ROWS[0] // POST_ROWS):
            body = json.dumps(rows(POST_ROWS))
            started = time.perf_counter()
            conn.execute(INSERT, ("bulk", body))
            spent += time.perf_counter() - started
    return IMPORT_ROWS[0] / spent


def _transfers(on: Stage, count: int, bare: float) -> list[Figure]:
    source, target, copied = (ROOT / f"{name}.ndjson" for name in ("import", "export", "copy"))
    with source.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(count))
    with _database(on, "bench_import") as dsn:
        options = ["--company", "bulk", "--what", "mappings", "--database-url", dsn]
        import_seconds, import_mb = _command(["import", str(source), *options])
        export_seconds, export_mb = _command(["export", *options, "--output", str(target)])
        copy = f"\\copy ({EXPORTED}) to '{copied}' with (format csv, quote e'\\x01', delimiter e'\\x02')"
        started = time.perf_counter()
        subprocess.run([on.binaries / "psql", "-q", dsn, "-c", copy], check=True)
        copy_seconds = time.perf_counter() - started
    for path in (source, target, copied):
        path.unlink()
    rate, limit = count / import_seconds, bare
    return [
        Figure(
            f"import of {count:,} rows", f"{rate:,.0f} rows/s", f"INSERT {limit:,.0f} rows/s", rate / limit, ">= 0.5"
        ),
        Figure(
            f"export of {count:,} rows",
            f"{count / export_seconds:,.0f} rows/s",
            f"psql's COPY {count / copy_seconds:,.0f} rows/s",
            copy_seconds / export_seconds,
            # The start of the command is a third of a second, which only many rows make up for.
            ">= 0.6" if count == IMPORT_ROWS[-1] else "",
        ),
        Figure(
            f"peak memory at {count:,} rows",
            f"import {import_mb:.0f} MB, export {export_mb:.0f} MB",
            wanted=f"< {RSS_MAX_MB} MB, the same at both sizes",
        ),
    ]


def _command(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak memory of a command of tieline's."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "tieline", *arguments], stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _peak_mb(process.pid))
        time.sleep(RSS_INTERVAL_SECONDS)
    if process.returncode != 0:
        raise SystemExit(f"tieline {' '.join(arguments)} exited with {process.returncode}")
    return time.perf_counter() - started, peak


def _peak_mb(pid: int) -> float:
    """What the kernel has seen of it at most."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1000 if found else 0.0


if __name__ == "__main__":
    with stage() as on:
        show(measure(on))
