"""Secrets are not in logs, not even in those of errors, nor in the list of processes, in pages or in problems."""

import json
import secrets
import socket
import time
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from conftest import Company, Database, make_key, start_server, stop_server
from tieline.postgres.migrate import migrate

PASSWORD = "pa55-" + secrets.token_hex(8)


@pytest.fixture(scope="module")
def broken(postgres, open_folder):
    """A server with two workers on a database of its own, whose login has a password."""
    name = f"secrets_{secrets.token_hex(6)}"
    login = sql.Identifier(name)
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(login))
        conn.execute(sql.SQL("create role {} superuser login password {}").format(login, sql.Literal(PASSWORD)))
    with psycopg.connect(make_conninfo(postgres, dbname=name), autocommit=True) as conn:
        migrate(conn)
    dsn = make_conninfo(postgres, dbname=name, user=name, password=PASSWORD)
    data = str(open_folder / "secrets-data")
    server = start_server(open_folder, "--workers", "2", "--data-dir", data, TIELINE_DATABASE_URL=dsn)
    yield Company("acme", server, Database(make_conninfo(postgres, dbname=name))), name
    stop_server(server)
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database {} with (force)").format(login))
        conn.execute(sql.SQL("drop role {}").format(login))


@pytest.fixture(scope="module")
def key(broken):
    company, _ = broken
    company.database.execute("insert into tieline.company (id, name) values ('acme', 'Acme')")
    return make_key(company.database, "acme", "api.write", name="secret")


def log_with(company, word):
    """The log, once it contains the word."""
    until = time.monotonic() + 20
    while word not in (text := company.server.log.read_text()):
        assert time.monotonic() < until, text
        time.sleep(0.05)
    return text


def test_no_secret_is_on_a_command_line(broken, key):
    company, _ = broken
    server = psutil.Process(company.server.process.pid)
    processes = [server, *server.children(recursive=True)]
    assert len(processes) >= 3
    lines = " ".join(word for process in processes for word in process.cmdline())
    assert "serve" in lines
    assert PASSWORD not in lines
    assert key not in lines


def test_an_unreadable_request_is_one_line_of_json_in_the_log(broken):
    company, _ = broken
    address = urlsplit(company.server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        sender.sendall(b"NONSENSE tl_from-the-client\r\n\r\n")
        assert sender.recv(1000).startswith(b"HTTP/1.1 400 ")
    text = log_with(company, "Invalid HTTP request received.")
    assert "tl_from-the-client" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    [said] = [line for line in lines if line["event"] == "Invalid HTTP request received."]
    assert (said["level"], said["logger"]) == ("warning", "uvicorn.error")
    assert not [line for line in text.splitlines() if line.startswith("WARNING")]


def test_the_log_of_a_fault_of_ours_holds_no_secret(broken, key):
    """The table of refresh tokens is gone, so that a login fails with an internal error."""
    company, _ = broken
    company.database.execute('alter table tieline."refreshToken" rename to gone')
    [(key_id,)] = company.database.execute("""select id from tieline."apiKey" where name = 'secret'""")
    given = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": key}
    answer = httpx.post(f"{company.server.url}/api/v2/auth/token", json=given)
    refreshed = httpx.post(
        f"{company.server.url}/api/v2/auth/refresh", json={"refresh_token": "tr_YWNtZQ.secret-of-ours"}
    )
    company.database.execute('alter table tieline.gone rename to "refreshToken"')
    for one in (answer, refreshed):
        assert one.status_code == 500
        assert one.json()["type"].endswith("/internal-error")
        assert "refreshToken" not in one.text
        assert key not in one.text
    text = log_with(company, "A request failed.")
    assert "Traceback" in text
    for secret in (key, PASSWORD, "secret-of-ours"):
        assert secret not in text


def test_the_log_of_lost_connections_holds_no_password(broken):
    company, name = broken
    login = sql.Identifier(name)
    with psycopg.connect(company.database.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("alter role {} nologin").format(login))
        conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (name,))
        text = log_with(company, "The database cannot be reached.")
        conn.execute(sql.SQL("alter role {} login").format(login))
    assert PASSWORD not in text


def test_no_secret_is_in_a_page_that_needs_no_key(broken, key):
    company, _ = broken
    for path in (
        "/docs",
        "/docs/operations",
        "/metrics",
        "/readyz",
        "/api/v2/openapi.json",
        "/docs/errors/unauthorized",
    ):
        text = httpx.get(company.server.url + path, headers={"authorization": f"Bearer {key}"}).text
        assert key not in text
        assert PASSWORD not in text


def test_a_login_is_no_way_to_fill_the_memory(acme):
    for path in ("token", "refresh"):
        answer = httpx.post(f"{acme.server.url}/api/v2/auth/{path}", json={"grant_type": "x" * 70_000})
        assert answer.status_code == 413
