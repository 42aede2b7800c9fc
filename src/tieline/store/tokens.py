"""Access tokens, which are signed and not stored, and refresh tokens, which are stored as hashes."""

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from tieline import problems
from tieline.postgres import run as constraints
from tieline.postgres.connections import Connections
from tieline.postgres.lane import AUTH
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.settings import Settings
from tieline.sql.statement import Sql, json_text, shipped

ALGORITHM = "HS256"
ISSUER = "tieline"
REFRESH_PREFIX = "tr_"
# The spent tokens of a family that are kept. When one of them comes back, the family ends.
SPENT_MAX = 20
# A token of an unknown key asks the database for the keys again, at most this often.
UNKNOWN_KEY_SECONDS = 1


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The header of an access token. The library that verifies tokens is not asked about any other."""

    alg: Literal["HS256"]
    kid: str
    typ: str = "JWT"


class Claims(msgspec.Struct, frozen=True):
    """The claims of an access token: the key that it stands for, the company, and the scopes."""

    sub: str
    company: str
    scope: str
    exp: int
    jti: str = ""
    # Its login: the family of the refresh tokens that were given with it.
    family: str = ""

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes as a set."""
        return frozenset(self.scope.split())


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The key and the scopes of a refresh token that was just spent, and the token that follows it."""

    key_id: str
    company_id: str
    scopes: Sequence[str]
    family_id: str
    refresh_token: str


class Issued(msgspec.Struct, frozen=True, rename="camel"):
    """A stored refresh token: its key, its login, and its scopes."""

    key_id: str
    family_id: str
    scopes: list[str]


class SigningKeys:
    """The keys that sign and verify access tokens, as this process last read them."""

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._connections = connections
        self._lifetime_seconds = settings.access_token_seconds
        self._believed_seconds = settings.signing_keys_ms / 1000
        self._keys = KeySet([])
        self._signing: OctKey | None = None
        self._known: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._unknown_at = float("-inf")

    async def sign(self, key_id: str, company_id: str, scopes: Sequence[str], family_id: str) -> str:
        """An access token of a login."""
        await self._read_if_old()
        assert self._signing is not None, "the migrations make the first key, and rotating leaves one"
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": key_id,
            "company": company_id,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + self._lifetime_seconds,
            "jti": secrets.token_hex(8),
            "family": family_id,
        }
        return jwt.encode({"alg": ALGORITHM, "kid": self._signing.kid}, claims, self._signing)

    async def verify(self, token: str) -> Claims | None:
        """The claims of a token, if one of our keys signed it and it has not expired."""
        await self._read_if_old()
        head = _head(token)
        if head is None:
            return None
        if head.kid not in self._known and time.monotonic() - self._unknown_at >= UNKNOWN_KEY_SECONDS:
            # The key may be new: another process may have signed with it first.
            self._unknown_at = time.monotonic()
            await self._read()
        try:
            claims = msgspec.convert(jwt.decode(token, self._keys, algorithms=[ALGORITHM]).claims, Claims)
        except (JoseError, ValueError, msgspec.ValidationError):
            return None
        return claims if time.time() < claims.exp else None

    async def _read_if_old(self) -> None:
        if time.monotonic() - self._read_at >= self._believed_seconds:
            await self._read()

    async def _read(self) -> None:
        verifies_seconds = self._lifetime_seconds + self._believed_seconds
        statement = Sql(shipped("tokens/signing_keys"), (str(verifies_seconds),))
        rows = await self._connections.run(statement, Session("", "", ""), lane=AUTH)
        keys = [
            (
                OctKey.import_key(bytes.fromhex((secret or b"").decode()), {"kid": (kid or b"").decode()}),
                retired == b"t",
            )
            for kid, secret, retired in rows
        ]
        self._keys = KeySet([key for key, _ in keys])
        self._signing = next((key for key, is_retired in keys if not is_retired), None)
        self._known = frozenset(key.kid or "" for key, _ in keys)
        self._read_at = time.monotonic()


async def start_family(
    connections: Connections, session: Session, key_id: str, scopes: Sequence[str], settings: Settings
) -> tuple[str, str]:
    """The first refresh token of a login, and its family's id. A key's oldest families end if it has too many."""
    token = _new_refresh_token(session.company_id)
    lifetime, families_max = str(settings.refresh_token_seconds), str(settings.refresh_families_max)
    values = (key_id, _hash(token), json_text(scopes), lifetime, families_max)
    rows = await constraints.run(connections, session, "tokens/add", *values)
    return token, (rows[0][0] or b"").decode()


async def issued(connections: Connections, token: str, request_id: str, party: str) -> tuple[str, Issued] | None:
    """The company of a refresh token, and what was stored of it; None if the token is not known.

    `party`: whose share of the lane it takes. A token may name any company.
    """
    company_id = _company_of(token)
    if company_id is None:
        return None
    statement = Sql(shipped("tokens/holder"), (company_id, _hash(token)))
    rows = await connections.run(statement, Session(company_id, "", request_id), lane=AUTH, party=party)
    return (company_id, msgspec.json.decode(rows[0][0] or b"", type=Issued)) if rows else None


async def refresh(connections: Connections, token: str, request_id: str, settings: Settings) -> Refreshed:
    """Spend a refresh token.

    Raises:
        Problem: 401, it is unknown, expired or spent (then its whole family ends), or its key was revoked.
    """
    company_id = _company_of(token)
    if company_id is None:
        raise unknown_refresh_token()
    following = _new_refresh_token(company_id)
    session = Session(company_id, "", request_id)
    lifetime, spent_max = str(settings.refresh_token_seconds), str(SPENT_MAX)
    values = (_hash(token), _hash(following), lifetime, spent_max, str(settings.access_token_seconds))
    rows = await constraints.run(connections, session, "tokens/refresh", *values)
    spent, is_ended = rows[0]
    if spent is None:
        if is_ended == b"t":
            raise problems.token_revoked()
        raise unknown_refresh_token()
    made = msgspec.json.decode(spent, type=Issued)
    return Refreshed(made.key_id, company_id, made.scopes, made.family_id, following)


async def revoke(connections: Connections, session: Session, key_id: str, revoked_id: str, settings: Settings) -> None:
    """Revoke one access token of a key, by its id, or all tokens of a login, by the id of their family."""
    await constraints.run(connections, session, "tokens/revoke", key_id, revoked_id, str(settings.access_token_seconds))


def _new_refresh_token(company_id: str) -> str:
    """A random token that names its company, so that its look-up is scoped like every other."""
    company = base64.urlsafe_b64encode(company_id.encode()).decode().rstrip("=")
    return f"{REFRESH_PREFIX}{company}.{secrets.token_urlsafe(32)}"


def unknown_refresh_token() -> Problem:
    """A refresh token gives nothing, for a reason that is not told."""
    return problems.unauthorized("The refresh token is not known, has expired or was used before.")


def _company_of(token: str) -> str | None:
    company = token.removeprefix(REFRESH_PREFIX).partition(".")[0]
    try:
        return base64.b64decode(company + "=" * (-len(company) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _head(token: str) -> Head | None:
    """The header of a token, if it is one that we write.

    >>> _head("eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.x.y"), _head("W10.x.y"), _head("%.x.y")
    (Head(alg='HS256', kid='a', typ='JWT'), None, None)
    """
    head = token.partition(".")[0]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)), type=Head)
    except (binascii.Error, ValueError, RecursionError):
        return None
