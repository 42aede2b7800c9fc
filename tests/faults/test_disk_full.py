"""No room on the disk of the data folder: a clear answer meanwhile, nothing lost, and well again when there is room."""

import os
import secrets
import shutil
import subprocess
import time

import httpx
import pytest
from psycopg.conninfo import make_conninfo

from conftest import Database, start_server, stop_server
from writes import Writers

DISK = "160m"
FULL = "The disk of the database is full, so nothing can be written now."
LEFT_BYTES = 2_000_000
FULL_SECONDS_MAX = 60
BACK_SECONDS_MAX = 60


@pytest.fixture
def disk(open_folder):
    """A small disk."""
    folder = open_folder / "disk"
    folder.mkdir(mode=0o711)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root mounts a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=711", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk):
    """A file that fills the disk but for a little."""
    status = os.statvfs(disk)
    with (disk / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, status.f_bavail * status.f_frsize - LEFT_BYTES)


def wait_for(is_so, seconds):
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def said_so(url, key):
    """True if a client is told of the full disk. Until the database has found room again, it may also be away."""
    row = {"entityType": "item", "entityId": secrets.token_hex(8), "integration": "crm"}
    body = {**row, "metadata": {"long": secrets.token_hex(20_000)}}
    answer = httpx.post(f"{url}/externalIntegrationMapping", headers={"apikey": key}, json=body, timeout=60)
    return (answer.status_code, answer.status_code == 503 and answer.json()["message"]) == (503, FULL)


def test_a_full_disk_is_503_meanwhile_and_loses_nothing(open_folder, disk):
    server = start_server(open_folder, "--data-dir", str(disk))
    try:
        key = (disk / "admin.key").read_text().strip()
        database = Database(make_conninfo(host=str(disk / "postgres"), user="postgres", dbname="tieline"))
        database.execute(
            """insert into tieline."externalSystem" ("companyId", integration, name, "isDefault", active)
            values ('default', 'crm', 'CRM', true, true)"""
        )
        writers = Writers(server.url, key)
        writers.start()
        time.sleep(0.5)
        fill(disk)
        wait_for(lambda: sum(writers.seen[status] for status in (503, 504)) > 20, FULL_SECONDS_MAX)
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        wait_for(lambda: said_so(server.url, key), FULL_SECONDS_MAX)
        (disk / "ballast").unlink()

        def is_well():
            body = {"id": 1, "title": "after"}
            answer = httpx.post(f"{server.url}/api/v2/elements", headers={"apikey": key}, json=body, timeout=60)
            return answer.status_code in (201, 409)

        wait_for(is_well, BACK_SECONDS_MAX)
        time.sleep(0.3)
        writers.stop()
        assert set(writers.seen) <= {200, 201, 404, 503, 504}
        writers.check(database)
        assert "The disk of the database is full." in server.log.read_text()
    finally:
        assert stop_server(server) == 0
