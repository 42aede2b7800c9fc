"""A PostgreSQL for the run, a migrated database and a running server for each worker, a fresh company for each test."""

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tieline.postgres import embedded
from tieline.postgres.migrate import migrate

START_SECONDS_MAX = 60
# Each test looks at the rows of its own company. Tests share the server and nothing else.
API_TIMEOUT_SECONDS = 60
PORTS = range(10_000, 32_000)


@dataclass(frozen=True)
class Database:
    """A migrated database; `dsn` is its owner's."""

    dsn: str

    def execute(self, statement: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            cursor = conn.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True)
class Server:
    """A running `tieline serve`."""

    url: str
    process: subprocess.Popen[str]
    log: Path


@dataclass
class Company:
    """A tenant with a key of each scope, and a client that sends the strongest one."""

    id: str
    server: Server
    database: Database
    keys: dict[str, str] = field(default_factory=dict)

    def client(self, scope: str = "api.admin", **headers: str) -> httpx.Client:
        """A client with this company's key of a scope."""
        authorization = {"authorization": f"Bearer {self.keys[scope]}", **headers}
        return httpx.Client(base_url=self.server.url, headers=authorization, timeout=API_TIMEOUT_SECONDS)

    def has_system(
        self,
        integration: str,
        system_url: str | None = None,
        *,
        default: bool = False,
        active: bool = True,
        template: str | None = None,
    ) -> None:
        """One of the company's external systems; given again, it is changed."""
        self.database.execute(
            """insert into tieline."externalSystem"
                ("companyId", integration, name, "systemUrl", "isDefault", active, "linkTemplate")
            values (%s, %s, %s, %s, %s, %s, %s)
            on conflict ("companyId", integration) do update set "systemUrl" = excluded."systemUrl",
                "isDefault" = excluded."isDefault", active = excluded.active, "linkTemplate" = excluded."linkTemplate"
            """,
            *(self.id, integration, integration, system_url, default, active, template),
        )

    def has_no_system(self, integration: str) -> None:
        """Remove the external system; its mappings stay."""
        self.database.execute(
            'delete from tieline."externalSystem" where "companyId" = %s and integration = %s', self.id, integration
        )

    def has_element(self, element_id: int, title: str = "An element") -> None:
        """An element of the company."""
        self.database.execute(
            'insert into tieline.element ("companyId", id, title) values (%s, %s, %s)', self.id, element_id, title
        )

    def changes(self) -> list[tuple]:
        """The history, oldest first: operation, before, after, actor."""
        return self.database.execute(
            'select operation, before, after, actor from tieline."mappingChange"'
            ' where "companyId" = %s order by position',
            self.id,
        )


def make_key(database: Database, company_id: str, scope: str, **columns: object) -> str:
    """A key of the company; further columns of its row as given."""
    secret = "tl_" + secrets.token_urlsafe(32)
    row = {
        "companyId": company_id,
        "id": f"key_{secrets.token_hex(8)}",
        "name": scope,
        "keyHash": hashlib.sha256(secret.encode()).hexdigest(),
        "keyPreview": secret[:7],
        "scopes": [scope],
        **columns,
    }
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute(
            sql.SQL('insert into tieline."apiKey" ({}) values ({})').format(
                sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join([sql.Placeholder()] * len(row))
            ),
            list(row.values()),
        )
    return secret


@pytest.fixture(scope="session")
def open_folder(testrun_uid: str) -> Iterator[Path]:
    """A folder that the database's user may pass through, which pytest's own are not when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix=f"tieline-{testrun_uid[:8]}-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(testrun_uid: str) -> Iterator[str]:
    """A connection string of the PostgreSQL that all workers of this run share; the last one to leave stops it."""
    given = os.environ.get("TIELINE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = Path("/var/tmp") / f"tieline-run-{testrun_uid[:12]}"
    with embedded.running(folder) as dsn:
        yield dsn
    if not (folder / "postgres" / "postmaster.pid").exists():
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(postgres: str) -> Iterator[Database]:
    """A migrated database on the server of this run, for as long as the context lasts."""
    name = f"worker_{secrets.token_hex(6)}"
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    dsn = make_conninfo(postgres, dbname=name)
    with psycopg.connect(dsn, autocommit=True) as conn:
        migrate(conn)
    yield Database(dsn)
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def database(postgres: str) -> Iterator[Database]:
    """A migrated database of this worker's own."""
    with new_database(postgres) as made:
        yield made


def start_server(folder: Path, *options: str, **environment: str) -> Server:
    """Start `tieline serve` on a free port and wait until it answers."""
    log = folder / f"serve-{secrets.token_hex(4)}.log"
    command = [sys.executable, "-m", "tieline", "serve", "--port", str(free_port()), *options]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, **environment}
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "is ready on" in line, log.read_text()
    return Server(line.split()[-1], process, log)


def stop_server(server: Server) -> int:
    """Ask it to end, as systemd would; its exit code."""
    server.process.terminate()
    try:
        return server.process.wait(START_SECONDS_MAX)
    finally:
        if server.process.stdout is not None:
            server.process.stdout.close()


@contextmanager
def serving(folder: Path, database: Database, **environment: str) -> Iterator[Server]:
    """A server with these settings on a database, for as long as the context lasts."""
    data = folder / f"data-{secrets.token_hex(4)}"
    running = start_server(folder, "--database-url", database.dsn, "--data-dir", str(data), **environment)
    try:
        yield running
    finally:
        stop_server(running)


def free_port() -> int:
    """A port that nobody listens on, below those that the system gives to clients: one of them could take it first."""
    while True:
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="session")
def server(database: Database, open_folder: Path) -> Iterator[Server]:
    """A running server on this worker's database."""
    # Tests without a key come from one address.
    with serving(open_folder, database, TIELINE_FAILED_LOGINS_PER_MINUTE="1000000") as running:
        yield running


@pytest.fixture
def new_company(server: Server, database: Database) -> Callable[[], Company]:
    """Make as many companies as a test needs, each with a key of each scope."""

    def make() -> Company:
        company = Company(f"co-{secrets.token_hex(6)}", server, database)
        database.execute("insert into tieline.company (id, name) values (%s, %s)", company.id, "A company")
        company.keys = {
            scope: make_key(database, company.id, scope) for scope in ("api.read", "api.write", "api.admin")
        }
        return company

    return make


@pytest.fixture
def acme(new_company: Callable[[], Company]) -> Company:
    """The company that a test is about."""
    return new_company()


@pytest.fixture
def other(new_company: Callable[[], Company]) -> Company:
    """A company that must neither see nor be seen."""
    return new_company()


@pytest.fixture
def client(acme: Company) -> Iterator[httpx.Client]:
    """A client of `acme`, with its strongest key."""
    with acme.client() as opened:
        yield opened
