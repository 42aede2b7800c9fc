"""The stage of the measurements: an embedded PostgreSQL with a million mappings, `tieline serve`, and a peer.

The filled database is kept below /var/tmp between runs; `--fresh` makes it anew.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tieline.postgres import account as database_user
from tieline.postgres import database, embedded
from tieline.postgres.migrate import migrate
from tieline.store import keys

ROOT = Path(os.environ.get("TIELINE_BENCH_FOLDER", "/var/tmp/tieline-bench"))
DATA = ROOT / "data"
IDS = ROOT / "ids"
FILLED = ROOT / "filled"
PEERS = Path(__file__).parent / "peers"

ROWS = 1_000_000
COMPANIES = 10
ELEMENTS = 100_000
# The company whose rows are looked up and linked, and the company that writes in bulk.
COMPANY, BULK_COMPANY = "b1", "b8"
START_SECONDS_MAX = 60

# Filled without triggers: the history of these rows is not measured, and writing it would take most of the time.
FILL = f"""
set session_replication_role = replica;
insert into tieline.company (id, name) select 'b' || i, 'company ' || i from generate_series(0, {COMPANIES - 1}) i;
insert into tieline."externalIntegrationMapping"
    ("companyId", "entityType", "entityId", integration, "externalId", metadata, "createdAt")
select 'b' || (i % {COMPANIES}), 'item', md5(i::text), 'xero', 'x' || i, '{{"a":1,"b":"some text"}}', '2025-01-01'
from generate_series(0, {ROWS - 1}) i;
insert into tieline.element ("companyId", id, title) select '{COMPANY}', i, 'Element ' || i
from generate_series(1, {ELEMENTS}) i;
insert into tieline."externalSystem" ("companyId", integration, name, "systemUrl", "isDefault")
values ('{COMPANY}', 'crm', 'CRM', 'https://crm.example', true);
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running HTTP server."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Stage:
    """The running servers and the database. `dsn` is the superuser's."""

    dsn: str
    binaries: Path
    postmaster: int
    tieline: Server
    peer: Server
    key: str
    bulk_key: str


@contextmanager
def stage(*, fresh: bool = False) -> Generator[Stage]:
    """Start everything, and stop it at the end."""
    if fresh:
        shutil.rmtree(ROOT, ignore_errors=True)
    # Under root the database runs as a user of its own, which must be able to enter this folder.
    ROOT.mkdir(mode=0o711, parents=True, exist_ok=True)
    # On SIGTERM, end by an exception, so that the servers are stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        dsn = stack.enter_context(embedded.running(DATA))
        with psycopg.connect(dsn, autocommit=True) as conn:
            migrate(conn)
            if not FILLED.exists():
                _fill(conn)
        with database.connected(dsn) as conn:
            made = [new_key(conn, company) for company in (COMPANY, BULK_COMPANY)]
        yield Stage(
            dsn,
            database_user.reachable_binaries(DATA, None),
            int((DATA / "postgres" / "postmaster.pid").read_text().split()[0]),
            stack.enter_context(tieline("tieline", "--data-dir", str(DATA))),
            stack.enter_context(_peer(dsn)),
            *made,
        )


def _fill(conn: psycopg.Connection) -> None:
    print(f"Filling {ROWS:,} mappings into {DATA} …", file=sys.stderr)
    conn.execute('truncate tieline.company, tieline."mappingChange" cascade')
    conn.execute(FILL)
    conn.execute("reset session_replication_role")
    conn.execute("vacuum analyze")
    write_ids()
    FILLED.touch()


def write_ids() -> None:
    """The ids that look-ups ask for."""
    ids = (hashlib.md5(str(i).encode()).hexdigest() for i in range(1, ROWS, COMPANIES))
    IDS.write_text("\n".join(ids) + "\n")


def new_key(conn: psycopg.Connection, company: str) -> str:
    """A key of the company's that may write; the connection is one of `companies.connected`."""
    key = keys.made()
    keys.create(conn, keys.NewKey(company, "bench", "api.write"), key)
    return key


@contextmanager
def tieline(name: str, *options: str) -> Generator[Server]:
    """Run `tieline serve` with these options; its log gets this name."""
    port = free_port()
    command = [sys.executable, "-m", "tieline", "serve", "--port", str(port), *options]
    with _running(command, name, f"http://127.0.0.1:{port}/healthz") as server:
        yield server


@contextmanager
def _peer(dsn: str) -> Generator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(PEERS), "orm_service:app", "--port", str(port)]
    # As in production: no log line for each request.
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    with _running(command, "peer", f"http://127.0.0.1:{port}/health", ORM_SERVICE_DSN=dsn) as server:
        yield server


@contextmanager
def _running(command: list[str], name: str, answers_at: str, **environment: str) -> Generator[Server]:
    log = ROOT / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        _wait(process, answers_at, log)
        yield Server(answers_at.rsplit("/", 1)[0], process.pid)
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{process.args} does not answer: {log.read_text()[-2000:]}")


def free_port() -> int:
    """A free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
