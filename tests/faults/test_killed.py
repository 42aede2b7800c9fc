"""kill -9 under a load of writes: all acknowledged writes are there, and nothing is half done."""

import os
import shutil
import signal
import time

import httpx
import psutil
import pytest
from psycopg.conninfo import make_conninfo

from conftest import Database, start_server, stop_server
from writes import Writers

BACK_SECONDS_MAX = 60


def postmaster(folder):
    return int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def database_of(folder):
    """The embedded database, as its owner; its socket is in its folder."""
    return Database(make_conninfo(host=str(folder / "postgres"), user="postgres", dbname="tieline"))


def wait_until_well(url, key):
    until = time.monotonic() + BACK_SECONDS_MAX
    while True:
        answers = [
            httpx.get(url + path, headers={"apikey": key}, timeout=60) for path in ("/readyz", "/api/v2/elements")
        ]
        if all(answer.status_code == 200 for answer in answers):
            return
        assert time.monotonic() < until, "it did not come back"
        time.sleep(0.05)


def has_system(database):
    database.execute(
        """insert into tieline."externalSystem" ("companyId", integration, name, "isDefault", active)
        values ('default', 'crm', 'CRM', true, true)"""
    )


@pytest.fixture
def place(open_folder):
    folder = open_folder / "killed"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("killed", [("serve",), ("postmaster",), ("serve", "postmaster")], ids=" and ".join)
def test_acknowledged_writes_are_there_after_a_kill_and_nothing_is_half_done(open_folder, place, killed):
    server = start_server(open_folder, "--data-dir", str(place))
    key = (place / "admin.key").read_text().strip()
    has_system(database_of(place))
    writers = Writers(server.url, key)
    writers.start()
    writers.wait_for(21)
    pid = postmaster(place)
    if "serve" in killed:
        server.process.send_signal(signal.SIGKILL)
    if "postmaster" in killed:
        os.kill(pid, signal.SIGKILL)
    if "serve" in killed:
        server.process.wait()
        server.process.stdout.close()
        writers.stop()
        if "postmaster" in killed:
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
        server = start_server(open_folder, "--data-dir", str(place))
    try:
        wait_until_well(server.url, key)
        time.sleep(0.3)
        writers.stop()
        writers.check(database_of(place))
        if killed == ("postmaster",):
            assert writers.seen[503] > 0
    finally:
        assert stop_server(server) == 0


def test_a_database_that_is_away_for_seconds_is_503_with_when_to_try_again(open_folder, place):
    """The server is frozen: connections stay open, and nobody answers."""
    server = start_server(
        open_folder, "--data-dir", str(place), TIELINE_STATEMENT_TIMEOUT_MS="1000", TIELINE_LOOKUP_TIMEOUT_MS="1000"
    )
    try:
        key = (place / "admin.key").read_text().strip()
        has_system(database_of(place))
        leader = psutil.Process(postmaster(place))
        writers = Writers(server.url, key)
        writers.start(8)
        time.sleep(0.5)
        frozen = [leader, *leader.children()]
        try:
            for process in frozen:
                process.suspend()
            until = time.monotonic() + 10
            while time.monotonic() < until:
                assert httpx.get(f"{server.url}/healthz", timeout=3).status_code == 200
                time.sleep(0.2)
        finally:
            for process in reversed(frozen):
                process.resume()
        wait_until_well(server.url, key)
        time.sleep(0.3)
        writers.stop()
        assert writers.seen[503] > 0
        writers.check(database_of(place))
    finally:
        assert stop_server(server) == 0
