"""The company and the API key that an empty registry starts with."""

import os
import re
import secrets
import stat
from pathlib import Path

from tieline.postgres import account as database_user
from tieline.postgres.account import EmbeddedError
from tieline.postgres.database import Connection
from tieline.store import companies, keys
from tieline.store.keys import NewKey

COMPANY = "default"
NAME = "first key"
FILE = "admin.key"
KEY = re.compile(r"tl_[A-Za-z0-9_-]{43}")


def ensure(conn: Connection, data_path: Path, *, has_embedded: bool) -> Path | None:
    """Make the first company and API key of an empty registry; returns the key's file, or None if it was not empty.

    The file is written before the commit: after a crash in between, the next start registers the key of the file.
    """
    with conn.transaction():
        if not companies.add_first(conn, COMPANY, COMPANY):
            return None
        database_user.make_folder(data_path, database_user.database_user() if has_embedded else None)
        path = data_path / FILE
        key = _left(path) or _written(path)
        keys.create(conn, NewKey(COMPANY, NAME, "api.admin"), key)
        return path


def _left(path: Path) -> str | None:
    """The API key in a file that an earlier start left: it was interrupted, or its database was removed."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise EmbeddedError(f"{path} exists and other users may read it. Move it away and start again.")
    key = path.read_text(encoding="utf-8").strip()
    if not KEY.fullmatch(key):
        raise EmbeddedError(f"{path} exists and contains no key. Move it away and start again.")
    return key


def _written(path: Path) -> str:
    """Make a key and its file, which is never half written and never readable by others."""
    key = keys.made()
    beside = path.with_name(f"{FILE}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{key}\n")
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    return key
