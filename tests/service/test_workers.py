"""Several worker processes: they end with their parent, and it ends if one of them cannot start."""

import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from conftest import free_port, start_server, stop_server

END_SECONDS_MAX = 60


@pytest.fixture
def pair(open_folder, database):
    """A server with two workers, and its processes."""
    server = start_server(open_folder, "--workers", "2", "--database-url", database.dsn, "--data-dir", str(open_folder))
    parent = psutil.Process(server.process.pid)
    until = time.monotonic() + END_SECONDS_MAX
    while len(workers_of(parent)) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    yield server, parent
    if server.process.poll() is None:
        stop_server(server)
    elif server.process.stdout is not None:
        server.process.stdout.close()


def workers_of(parent):
    alive = [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent_and_leave_the_port(pair, ending):
    server, parent = pair
    workers = workers_of(parent)
    server.process.send_signal(ending)
    assert server.process.wait(END_SECONDS_MAX) == (0 if ending == signal.SIGTERM else -signal.SIGKILL)
    assert psutil.wait_procs(workers, timeout=END_SECONDS_MAX)[1] == []
    address = urlsplit(server.url)
    with socket.socket() as next_one:
        next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        next_one.bind((address.hostname, address.port))
        next_one.listen()


def test_a_worker_that_ends_is_started_anew(pair):
    server, parent = pair
    killed = workers_of(parent)[0]
    killed.kill()
    until = time.monotonic() + END_SECONDS_MAX
    while len([one for one in workers_of(parent) if one.pid != killed.pid]) < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_worker_that_cannot_start_ends_the_server_with_a_sentence(tmp_path, database):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('spawn_main' in word for word in sys.orig_argv):\n    os._exit(9)\n"
    )
    command = [sys.executable, "-m", "tieline", "serve", "--workers", "2", "--port", str(free_port())]
    command += ["--database-url", database.dsn, "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "A worker process cannot start" in ended.stderr
    assert "is ready" not in ended.stdout
