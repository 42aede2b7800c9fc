"""OAuth2 client credentials (RFC 6749, 4.4): access tokens in exchange for API keys, and for refresh tokens."""

import base64
import binascii
from dataclasses import replace

import msgspec

from tieline import problems
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.store import tokens
from tieline.store.callers import Key
from tieline.web import auth, decode
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server
from tieline.wire import scopes, urls

# RFC 6749, 5.1: an answer with a token must not be stored.
HEADERS = (("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache"))
FORM = "application/x-www-form-urlencoded"
FIELDS_MAX = 20
# The sender is not authenticated yet, and the fields of a token request are short.
BODY_BYTES_MAX = 65_536


class TokenRequest(msgspec.Struct):
    """The fields of both endpoints; further ones are ignored, as RFC 6749 asks."""

    grant_type: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    scope: str | None = None


class TokenAnswer(msgspec.Struct):
    """RFC 6749, 5.1."""

    access_token: str
    expires_in: int
    scope: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 the word of the standard


async def issue(server: Server, request: Request) -> Answer:
    """A token for a key: the client id is the key's id, the secret the key itself."""
    asked = await _fields(server, request)
    client_id, client_secret = _basic(request) or (asked.client_id, asked.client_secret)
    if asked.grant_type is None or client_id is None or client_secret is None:
        missing = "grant_type" if asked.grant_type is None else "client_id" if client_id is None else "client_secret"
        raise _refused("invalid_request", problems.missing_parameter(missing, f"{missing} is missing.", "body"))
    if asked.grant_type != "client_credentials":
        said = problems.bad_request("grant_type must be client_credentials.")
        raise _refused("unsupported_grant_type", said)
    key = await auth.known_key(server, request, client_secret)
    if key is None or key.id != client_id:
        raise _refused("invalid_client", problems.unauthorized("The client id or its secret is not known."))
    _count(server, request, key)
    granted = _granted(key, asked.scope)
    session = Session(key.company_id, key.id, request.id)
    following = await tokens.start_family(server.connections, session, key.id, granted, server.settings)
    return await _answer(server, key.company_id, key.id, granted, following)


async def refresh(server: Server, request: Request) -> Answer:
    """A new token for a refresh token, which can be used once."""
    asked = await _fields(server, request)
    if asked.refresh_token is None:
        said = problems.missing_parameter("refresh_token", "refresh_token is missing.", "body")
        raise _refused("invalid_request", said)
    try:
        _count(server, request, await auth.holder(server, request, asked.refresh_token))
        spent = await tokens.refresh(server.connections, asked.refresh_token, request.id, server.settings)
    except Problem as problem:
        raise (_refused("invalid_grant", problem) if problem.status == 401 else problem) from None
    return await _answer(server, spent.company_id, spent.key_id, list(spent.scopes), spent.refresh_token)


def _count(server: Server, request: Request, key: Key) -> None:
    """Count a login as a request of its key, before a refresh token is made or spent."""
    request.company_id, request.actor = key.company_id, key.id
    request.rate_headers = server.rates.count(key.company_id, key.id, key.rate_limit)


async def _answer(server: Server, company_id: str, key_id: str, granted: list[str], refresh_token: str) -> Answer:
    access_token = await server.signing_keys.sign(key_id, company_id, granted)
    seconds = server.settings.access_token_seconds
    body = TokenAnswer(access_token, seconds, " ".join(granted), refresh_token)
    return Answer(200, HEADERS, msgspec.json.encode(body))


async def _fields(server: Server, request: Request) -> TokenRequest:
    bytes_max = min(BODY_BYTES_MAX, server.settings.body_bytes_max)
    media_type = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != FORM:
        return await decode.body(request, bytes_max, TokenRequest)
    content = await request.body(bytes_max)
    if content.count(b"&") >= FIELDS_MAX:
        raise problems.bad_request("The form cannot be read.")
    try:
        fields = dict(urls.pairs(content))
    except UnicodeDecodeError:
        raise problems.bad_request("The form cannot be read.") from None
    return msgspec.convert(fields, TokenRequest)


def _basic(request: Request) -> tuple[str, str] | None:
    """Client id and secret from HTTP Basic credentials, which RFC 6749, 2.3.1 allows instead of fields."""
    authorization = request.header(b"authorization") or ""
    if authorization[:6].lower() != "basic ":
        return None
    try:
        client_id, _, secret = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        return urls.decoded(client_id), urls.decoded(secret)
    except (binascii.Error, ValueError):
        return None


def _granted(key: Key, asked: str | None) -> list[str]:
    """The requested scopes, or all scopes of the key.

    Raises:
        Problem: 400, the key does not have one of them.
    """
    held = scopes.with_included(key.scopes)
    if not asked:
        return scopes.in_order(held)
    wanted = set(asked.split())
    if not wanted <= held:
        said = problems.bad_request(f"The key does not have the scope {min(wanted - held)}.")
        raise _refused("invalid_scope", said)
    return scopes.in_order(wanted)


def _refused(error: str, problem: Problem) -> Problem:
    """The same problem with RFC 6749's code for it, which OAuth2 libraries read."""
    return replace(problem, extra={**problem.extra, "error": error, "error_description": problem.message})
