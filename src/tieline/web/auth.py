"""Find the caller of a request by its API key or token."""

from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from tieline import problems
from tieline.postgres.session import Session
from tieline.store import tokens
from tieline.store.callers import Key
from tieline.store.tokens import Issued
from tieline.web.request import Request
from tieline.web.server import Server
from tieline.wire.scopes import KeyScope, with_included

SECRET_LENGTH_MAX = 8192


class Caller(msgspec.Struct, frozen=True):
    """The company, the key and the scopes of an authenticated request. `expires_at`: the end of the key or token."""

    company_id: str
    key_id: str
    name: str
    scopes: frozenset[str]
    rate_limit: int | None
    expires_at: datetime | None

    def session(self, request: Request, time_zone: str | None = None) -> Session:
        """The session of this request's statements."""
        return Session(self.company_id, self.key_id, request.id, time_zone)


async def authenticate(server: Server, request: Request) -> Caller:
    """The caller of a request, by `Authorization: Bearer` or `apikey`; counts the request against the key's rate.

    Raises:
        Problem: 401, no valid credentials; 429, too many requests; 503, the database cannot be asked.
    """
    secret = presented(request)
    if secret is None:
        raise problems.unauthorized("No key came with the request. Send it as Authorization: Bearer KEY.")
    if _is_token(secret):
        key, scopes, expires_at = await _token_holder(server, request, secret)
    else:
        key = await known_key(server, request, secret)
        if key is None:
            raise problems.unauthorized("The key is not known, has expired or was revoked.")
        scopes, expires_at = with_included(key.scopes), key.expires_at
    request.company_id, request.actor = key.company_id, key.id
    request.flight.begin(key.company_id)
    request.rate_headers = server.rates.count(key.company_id, key.id, key.rate_limit)
    return Caller(key.company_id, key.id, key.name, scopes, key.rate_limit, expires_at)


async def known_key(server: Server, request: Request, secret: str) -> Key | None:
    """The key with this secret, if it is valid. A failure counts against the client's address.

    A key that holds passes however often others at its address have failed: who shares a proxy with somebody that
    tries keys must not be locked out.

    Raises:
        Problem: 429, it is no key, and the address has failed too often.
    """
    if len(secret) > SECRET_LENGTH_MAX:
        return None
    digest = sha256(secret.encode(errors="surrogatepass")).digest()
    key = server.callers.recall(digest)
    if key is None:
        request.flight.begin(request.party)
        key = await server.callers.find(digest, request.id, request.party)
    if key is None:
        server.rates.count_failure(request.client)
    return key


async def holder(server: Server, request: Request, refresh_token: str) -> tuple[Key, Issued]:
    """The key that a refresh token was given for, and what was given; an unknown one counts against the address.

    Raises:
        Problem: 401, it is unknown, or the key has ended; 429, the address has failed too often.
    """
    found = await tokens.issued(server.connections, refresh_token, request.id, request.party)
    if found is None:
        server.rates.count_failure(request.client)
        raise tokens.unknown_refresh_token()
    company_id, issued = found
    key = await server.callers.find_by_id(company_id, issued.key_id, request.id)
    if key is None:
        raise problems.token_revoked()
    return key, issued


async def _token_holder(server: Server, request: Request, token: str) -> tuple[Key, frozenset[str], datetime]:
    """The key behind an access token, and the scopes and the end of the token."""
    request.flight.begin(request.party)
    claims = await server.signing_keys.verify(token) if len(token) <= SECRET_LENGTH_MAX else None
    if claims is None:
        server.rates.count_failure(request.client)
        raise problems.unauthorized("The token is not one of this service, or it has expired.")
    key = await server.callers.find_by_id(claims.company, claims.sub, request.id, claims.jti, claims.family)
    if key is None:
        raise problems.token_revoked()
    ends_at = datetime.fromtimestamp(claims.exp, UTC)
    expires_at = ends_at if key.expires_at is None else min(ends_at, key.expires_at)
    return key, with_included(claims.scopes) & with_included(key.scopes), expires_at


def _is_token(secret: str) -> bool:
    """Tell a token, which is a JWT of three parts, from a key, which has no dot in it."""
    return secret.count(".") == 2


def presented(request: Request) -> str | None:
    """The key or token of a request. The Supabase clients send both headers; then the standard one decides."""
    authorization = request.header(b"authorization")
    if authorization is not None and authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return request.header(b"apikey")


def require_scope(caller: Caller, scope: KeyScope) -> None:
    """Let a caller through if it has this scope.

    Raises:
        Problem: 403, the key's scopes do not suffice.
    """
    if scope not in caller.scopes:
        raise problems.access_denied(scope)
