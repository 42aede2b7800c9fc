"""OAuth2 (RFC 6749, 7009, 8414): access tokens in exchange for API keys and refresh tokens, and how they end."""

from dataclasses import replace

import msgspec

from tieline import problems
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.store import tokens
from tieline.store.callers import Key
from tieline.web import auth, respond
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server
from tieline.web.token_requests import TokenRequest, client, in_oauth, missing, read, refused, unknown_client
from tieline.wire import scopes

# RFC 6749, 5.1: an answer with a token must not be stored.
HEADERS = (("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache"))
GRANTS = ("client_credentials", "refresh_token")
CLIENT_AUTHENTICATION = ("client_secret_basic", "client_secret_post")
# What a key begins with, and no token.
KEY_PREFIX = "tl_"


class TokenAnswer(msgspec.Struct):
    """RFC 6749, 5.1."""

    access_token: str
    expires_in: int
    scope: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 the word of the standard


class Metadata(msgspec.Struct):
    """RFC 8414, 2. There is no endpoint that asks a person, so there are no response types."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    service_documentation: str
    scopes_supported: tuple[str, ...] = scopes.SCOPES
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = GRANTS
    token_endpoint_auth_methods_supported: tuple[str, ...] = CLIENT_AUTHENTICATION
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = CLIENT_AUTHENTICATION


@in_oauth
async def issue(server: Server, request: Request) -> Answer:
    """A token for a key (the client id is the key's id, the secret the key itself), or for a refresh token."""
    asked = await read(server, request)
    if asked.grant_type is None:
        raise missing("grant_type")
    if asked.grant_type not in GRANTS:
        said = problems.bad_request(f"grant_type must be {' or '.join(GRANTS)}.")
        raise refused("unsupported_grant_type", said)
    key = await client(server, request, asked)
    if asked.grant_type == "refresh_token":
        try:
            return await _renew(server, request, asked, key)
        except Problem as problem:
            # RFC 6749, 5.2: a refresh token that is not valid is 400 here; 401 is for clients.
            if problem.extra.get("error") != "invalid_grant":
                raise
            raise replace(problem, slug="bad-request", status=400, headers=()) from None
    if key is None:
        raise missing("client_id" if asked.client_id is None else "client_secret")
    _count(server, request, key)
    granted = _granted(scopes.in_order(scopes.with_included(key.scopes)), asked.scope)
    session = Session(key.company_id, key.id, request.id)
    following, family_id = await tokens.start_family(server.connections, session, key.id, granted, server.settings)
    return await _answer(server, key, granted, following, family_id)


@in_oauth
async def refresh(server: Server, request: Request) -> Answer:
    """A new token for a refresh token, which can be used once."""
    return await _renew(server, request, await read(server, request), None)


@in_oauth
async def revoke(server: Server, request: Request) -> Answer:
    """End an access token, or a refresh token with all tokens of its login. An unknown one has ended already."""
    asked = await read(server, request)
    key = await client(server, request, asked)
    if key is None:
        raise unknown_client("Revoking needs the client's id and secret, as HTTP Basic or in the body.", is_basic=False)
    _count(server, request, key)
    if asked.token is None:
        raise missing("token")
    if asked.token.startswith(KEY_PREFIX):
        said = problems.bad_request("This is a key, not a token. tieline key revoke ends it, and all of its tokens.")
        raise refused("unsupported_token_type", said)
    revoked_id = await _revocable(server, request, key, asked.token)
    if revoked_id is not None:
        session = Session(key.company_id, key.id, request.id)
        await tokens.revoke(server.connections, session, key.id, revoked_id, server.settings)
        server.callers.forget_tokens(key)
    return Answer(200, HEADERS, b"{}")


async def metadata(server: Server, request: Request) -> Answer:
    """What a client library has to know, under the address by which the client knows this service."""
    base = server.settings.public_url.rstrip("/") or respond.address(request)
    auth_url = f"{base}/api/v2/auth"
    body = Metadata(base, f"{auth_url}/token", f"{auth_url}/revoke", f"{base}/docs/element-api")
    # The issuer may depend on the request.
    return Answer(200, (("content-type", "application/json"), ("cache-control", "no-store")), msgspec.json.encode(body))


async def _renew(server: Server, request: Request, asked: TokenRequest, key: Key | None) -> Answer:
    """A token for a refresh token. `key`: the client, if it has authenticated itself; the token alone is enough.

    Raises:
        Problem: 401 with the error invalid_grant, the token is not valid, or was given to another client.
    """
    if asked.refresh_token is None:
        raise missing("refresh_token")
    try:
        owner, issued = await auth.holder(server, request, asked.refresh_token)
        is_other = key is not None and (key.company_id, key.id) != (owner.company_id, owner.id)
        if is_other or asked.client_id not in {None, owner.id}:
            raise problems.unauthorized("The refresh token was given to another client.")
        _count(server, request, owner)
        granted = _granted(issued.scopes, asked.scope)
        spent = await tokens.refresh(server.connections, asked.refresh_token, request.id, server.settings)
    except Problem as problem:
        raise (refused("invalid_grant", problem) if problem.status == 401 else problem) from None
    return await _answer(server, owner, granted, spent.refresh_token, spent.family_id)


async def _revocable(server: Server, request: Request, key: Key, token: str) -> str | None:
    """The id of an access token, or of the family of a refresh token. None if it is none, or another company's.

    Raises:
        Problem: 400, the token was given to another client of the company.
    """
    if token.count(".") == 2:
        claims = await server.signing_keys.verify(token)
        owner = None if claims is None else (claims.company, claims.sub, claims.jti)
    else:
        found = await tokens.issued(server.connections, token, request.id, key.company_id)
        owner = None if found is None else (found[0], found[1].key_id, found[1].family_id)
    if owner is None or owner[0] != key.company_id:
        return None
    if owner[1] != key.id:
        raise refused("invalid_grant", problems.bad_request("The token was given to another client."))
    return owner[2]


def _count(server: Server, request: Request, key: Key) -> None:
    """Count a login as a request of its key, before a refresh token is made or spent."""
    request.company_id, request.actor = key.company_id, key.id
    request.rate_headers = server.rates.count(key.company_id, key.id, key.rate_limit)


async def _answer(server: Server, key: Key, granted: list[str], refresh_token: str, family_id: str) -> Answer:
    access_token = await server.signing_keys.sign(key.id, key.company_id, granted, family_id)
    seconds = server.settings.access_token_seconds
    body = TokenAnswer(access_token, seconds, " ".join(granted), refresh_token)
    return Answer(200, HEADERS, msgspec.json.encode(body))


def _granted(held: list[str], asked: str | None) -> list[str]:
    """The requested scopes, or all that the key or the refresh token has.

    Raises:
        Problem: 400, one of them is not among these.
    """
    wanted = set((asked or "").split())
    if not wanted:
        return held
    included = scopes.with_included(frozenset(held))
    if not wanted <= included:
        among = ", ".join(scopes.in_order(included))
        raise refused(
            "invalid_scope", problems.bad_request(f"The scope {min(wanted - included)} is not among: {among}.")
        )
    return scopes.in_order(wanted)
