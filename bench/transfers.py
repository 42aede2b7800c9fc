"""Import beside a bare INSERT of the same rows, export beside psql's COPY, and their memory.

Each runs on a new database of the same cluster, so that all start with empty tables.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from figures import Figure, show
from psycopg.conninfo import make_conninfo
from stage import ROOT, Stage, stage

from batches import BATCH, INSERT, rows
from tieline.postgres.migrate import migrate

IMPORT_ROWS = (100_000, 1_000_000)
RSS_INTERVAL_SECONDS = 0.05
RSS_MAX_MB = 150

EXPORTED = """select row_to_json(m) from tieline."externalIntegrationMapping" m where "companyId" = 'bulk'"""


def measure(on: Stage) -> list[Figure]:
    """Run all measurements of this file."""
    figures: list[Figure] = []
    bare = _bare_rate(on)
    for count in IMPORT_ROWS:
        figures += _transfers(on, count, bare)
    return figures


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
        for _ in range(IMPORT_ROWS[0] // BATCH):
            body = json.dumps(rows(BATCH))
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
            # The command takes a third of a second to start, which matters less for more rows.
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
    """The peak memory of the process, as the kernel has it."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1000 if found else 0.0


if __name__ == "__main__":
    with stage() as on:
        show(measure(on))
