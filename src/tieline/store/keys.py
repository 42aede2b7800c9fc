"""API keys, for the command line. A key is shown once; the registry keeps its hash alone."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

import psycopg

from tieline.scopes import KeyScope
from tieline.sql.statement import shipped
from tieline.store.companies import UnknownCompanyError

PREFIX = "tl_"
SECRET_BYTES = 32
PREVIEW_CHARACTERS = 7


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is to be; each scope includes the ones before it."""

    company_id: str
    name: str
    scope: KeyScope = "api.read"
    rate_limit: int | None = None
    expires_at: datetime | None = None


def made() -> str:
    """A key that nobody has seen."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def create(conn: psycopg.Connection, new: NewKey, key: str) -> str | None:
    """Register the key; returns its id, or None when it would have expired already.

    Raises:
        UnknownCompanyError: there is no such company.
    """
    values = (
        new.company_id,
        f"key_{secrets.token_hex(10)}",
        new.name,
        hashlib.sha256(key.encode()).hexdigest(),
        f"{key[:PREVIEW_CHARACTERS]}…",
        new.scope,
        new.rate_limit,
        new.expires_at,
    )
    try:
        found = conn.execute(shipped("keys/create"), values).fetchone()
    except psycopg.errors.ForeignKeyViolation:
        raise UnknownCompanyError(new.company_id) from None
    return None if found is None else str(found[0])


def listed(conn: psycopg.Connection, company_id: str | None) -> list[tuple[object, ...]]:
    """Every key of the company, or of all: id, company, name, preview, scopes, limit and times."""
    return conn.execute(shipped("keys/list"), (company_id,)).fetchall()


def revoke(conn: psycopg.Connection, key_id: str) -> tuple[bool, datetime] | None:
    """Whether it was revoked before, and since when it is; None if there is no such key."""
    return conn.execute(shipped("keys/revoke"), (key_id,)).fetchone()
