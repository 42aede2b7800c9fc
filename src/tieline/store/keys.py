"""API keys, over the owner's connection, which sees those of all companies. The registry keeps only their hashes."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

import msgspec
import psycopg
from psycopg import errors

from tieline.sql.statement import shipped
from tieline.store.companies import UnknownCompanyError
from tieline.wire.scopes import KeyScope

PREFIX = "tl_"
SECRET_BYTES = 32
PREVIEW_CHARACTERS = 7


@dataclass(frozen=True, slots=True)
class NewKey:
    """An API key to create. Each scope includes the ones before it; `rate_limit`: requests a minute."""

    company_id: str
    name: str
    scope: KeyScope = "api.read"
    rate_limit: int | None = None
    expires_at: datetime | None = None


class IssuedKey(msgspec.Struct, frozen=True, rename="camel"):
    """A key that the registry knows. `preview`: its first characters; `rate_limit`: requests a minute."""

    id: str
    company_id: str
    name: str
    preview: str
    scopes: list[str]
    rate_limit: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


def made() -> str:
    """A new random key."""
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
    except errors.ForeignKeyViolation as error:
        raise UnknownCompanyError(new.company_id) from error
    return None if found is None else str(found[0])


def listed(conn: psycopg.Connection, company_id: str | None) -> list[IssuedKey]:
    """Every key of the company, oldest first, or of all companies."""
    if company_id is None:
        return [IssuedKey(*row) for row in conn.execute(shipped("keys/list_all"))]
    return [IssuedKey(*row) for row in conn.execute(shipped("keys/list"), (company_id,))]


def find(conn: psycopg.Connection, key_id: str) -> IssuedKey | None:
    """The key with this id, of any company."""
    row = conn.execute(shipped("keys/find"), (key_id,)).fetchone()
    return None if row is None else IssuedKey(*row)


def revoke(conn: psycopg.Connection, key_id: str) -> tuple[bool, datetime] | None:
    """Revoke the API key. Gives True if it was revoked before, and the time of that; None if there is no such key."""
    key = find(conn, key_id)
    if key is None:
        return None
    revoked = conn.execute(shipped("keys/revoke"), (key.company_id, key_id)).fetchone()
    if revoked is not None:
        return False, revoked[0]
    # Before, or by somebody else a moment ago.
    key = find(conn, key_id)
    return None if key is None or key.revoked_at is None else (True, key.revoked_at)
