"""A backend that outlives its postmaster keeps the shared memory, so that no server can start on the cluster."""

import os
import shutil
import signal
import time

import psutil
import psycopg
import pytest

from tieline.postgres import embedded


@pytest.fixture
def place(open_folder):
    folder = open_folder / "orphans"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_backend_that_does_not_notice_the_end_of_its_postmaster_is_ended(place):
    with embedded.running(place) as dsn:
        conn = psycopg.connect(dsn)
        backend = psutil.Process(conn.info.backend_pid)
        # Like a backend that waits for a lock that is never released.
        backend.suspend()
        os.kill(int((place / "postgres" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        time.sleep(0.5)
        assert backend.is_running()
        embedded.ensure_running(place)
        assert not backend.is_running() or backend.status() == psutil.STATUS_ZOMBIE
        with psycopg.connect(dsn) as again:
            assert again.execute("select 1").fetchone() == (1,)
        conn.close()
