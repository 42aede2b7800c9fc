"""Bearer key → caller."""

from dataclasses import dataclass

from tieline import problems
from tieline.store.callers import Callers
from tieline.store.connections import Session
from tieline.web.request import Request

# Each includes those before it.
SCOPES = ("api.read", "api.write", "api.admin")
KEY_LENGTH_MAX = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from: the company that it may see, the key that it came with, and what that key may do."""

    company_id: str
    key_id: str
    name: str
    scopes: frozenset[str]

    def session(self, request: Request, time_zone: str | None = None) -> Session:
        """Whom this request's statements run for."""
        return Session(self.company_id, self.key_id, request.id, time_zone)


async def authenticate(callers: Callers, request: Request) -> Caller:
    """The caller of a request, by `Authorization: Bearer` or `apikey`.

    Raises:
        Problem: 401, no key or none that holds; 503, the database cannot be asked.
    """
    secret = presented(request)
    if secret is None:
        raise problems.unauthorized("No key came with the request. Send it as Authorization: Bearer KEY.")
    key = await callers.find(secret, request.id) if len(secret) <= KEY_LENGTH_MAX else None
    if key is None:
        raise problems.unauthorized("The key is not known, has expired or was revoked.")
    request.company_id, request.actor = key.company_id, key.id
    return Caller(key.company_id, key.id, key.name, with_included(key.scopes))


def presented(request: Request) -> str | None:
    """The secret that came with the request. The Supabase clients send both headers, so the standard one decides."""
    authorization = request.header(b"authorization")
    if authorization is not None and authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return request.header(b"apikey")


def with_included(scopes: frozenset[str]) -> frozenset[str]:
    """The scopes with those that they include.

    >>> sorted(with_included(frozenset({"api.write"})))
    ['api.read', 'api.write']
    """
    highest = max((SCOPES.index(scope) for scope in scopes), default=-1)
    return frozenset(SCOPES[: highest + 1])


def require_scope(caller: Caller, scope: str) -> None:
    """Let through who may do this.

    Raises:
        Problem: 403, the key's scopes do not suffice.
    """
    if scope not in caller.scopes:
        raise problems.access_denied(scope)
