"""The company and the API key that an empty registry starts with."""

import os
import re
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tieline.postgres import account as database_user
from tieline.postgres.account import EmbeddedError
from tieline.postgres.database import Connection
from tieline.settings import Settings
from tieline.store import companies, keys
from tieline.store.keys import NewKey

COMPANY = "default"
NAME = "first key"
FILE = "admin.key"
KEY = re.compile(r"tl_[A-Za-z0-9_-]{43}")


def ensure(conn: Connection, settings: Settings) -> Path | None:
    """Make the first company and API key of an empty registry; returns the key's file, or None if it was not empty.

    The file is written before the commit: after a crash in between, the next start registers the key of the file.
    """
    with conn.transaction():
        if not companies.add_first(conn, COMPANY, COMPANY):
            return None
        _make_folder(settings)
        path = settings.data_path / FILE
        key = left(path) or _written(path)
        keys.create(conn, NewKey(COMPANY, NAME, "api.admin"), key)
        return path


@dataclass(slots=True)
class Renewal:
    """A new key for a restored registry; `company_id` is None until it is registered."""

    path: Path
    key: str
    company_id: str | None = None

    def register(self, conn: Connection) -> None:
        """Register the key for the first company, in the caller's transaction; nothing if there is no company."""
        ids = [company.id for company in companies.listed(conn)]
        if ids:
            self.company_id = COMPANY if COMPANY in ids else ids[0]
            keys.create(conn, NewKey(self.company_id, NAME, "api.admin"), self.key)


@contextmanager
def renewed(settings: Settings) -> Generator[Renewal]:
    """A new key, whose file replaces the one of the registry that was there. That happens after the commit.

    Before it the key stands in a file beside, so that it cannot get lost for want of space.
    """
    _make_folder(settings)
    path = settings.data_path / FILE
    key = keys.made()
    beside = _beside(path, key)
    try:
        renewal = Renewal(path, key)
        yield renewal
        if renewal.company_id is not None:
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _make_folder(settings: Settings) -> None:
    # Without an embedded database, nobody else needs to reach the folder.
    path, chosen = settings.data_path, database_user.chosen(settings)
    database_user.make_folder(path, None if settings.database_url else database_user.user_of(path, chosen))


def left(path: Path) -> str | None:
    """The API key in a file that an earlier start left: it was interrupted, or its database was removed."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise EmbeddedError(f"{path} exists and other users may read it. Move it away and start again.")
    key = path.read_text(encoding="ascii", errors="replace").strip()
    if not KEY.fullmatch(key):
        raise EmbeddedError(f"{path} exists and contains no key. Move it away and start again.")
    return key


def _written(path: Path) -> str:
    """Make a key and its file, which is never half written and never readable by others."""
    key = keys.made()
    _beside(path, key).rename(path)
    return key


def _beside(path: Path, key: str) -> Path:
    """A file with the key beside its place."""
    beside = path.with_name(f"{FILE}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{key}\n")
        file.flush()
        os.fsync(file.fileno())
    return beside
