"""A PgBouncer for a test, between Tieline and the PostgreSQL of the run."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tieline.postgres import account

START_SECONDS_MAX = 20
# Debian has it in a folder that is not in every user's path.
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
# Fewer connections than the servers of a test have, so that they take turns on them.
CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
unix_socket_dir = {folder}
unix_socket_mode = 0777
listen_addr =
listen_port = 6432
auth_type = any
pool_mode = {mode}
default_pool_size = 3
max_client_conn = 500
logfile = {folder}/pgbouncer.log
"""


@contextmanager
def pooled(dsn: str, folder: Path, mode: str = "transaction") -> Iterator[str]:
    """A connection string that leads to the database of another one through a PgBouncer.

    `folder`: one that all users may pass through, since PgBouncer does not run as root.
    """
    assert PGBOUNCER is not None, "a test that needs it is skipped without it"
    there = conninfo_to_dict(dsn)
    own = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=folder))
    file = own / "pgbouncer.ini"
    host, port, user = there.get("host", ""), there.get("port", 5432), there.get("user", "postgres")
    file.write_text(CONFIGURATION.format(host=host, port=port, user=user, folder=own, mode=mode))
    runs_as = account.database_user()
    if runs_as is not None:
        for path in (own, file):
            os.chown(path, runs_as.uid, runs_as.gid)
    process = subprocess.Popen(
        [PGBOUNCER, "-q", file],
        user=runs_as.uid if runs_as else None,
        group=runs_as.gid if runs_as else None,
        extra_groups=[] if runs_as else None,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(own / ".s.PGSQL.6432", process)
        # Whoever runs the test must be let through.
        own.chmod(0o711)
        yield make_conninfo(host=str(own), port=6432, user=user, dbname=there.get("dbname", "postgres"))
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)
        shutil.rmtree(own, ignore_errors=True)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until:
        assert process.poll() is None, f"pgbouncer has ended with {process.returncode}"
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
            except OSError:
                time.sleep(0.02)
            else:
                return
    raise TimeoutError(path)
