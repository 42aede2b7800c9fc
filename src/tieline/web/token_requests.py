"""Requests to the endpoints of OAuth2: their fields, their client, and errors in the words of RFC 6749."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps
from typing import Literal

import msgspec

from tieline import problems
from tieline.problems import Problem
from tieline.store.callers import Key
from tieline.web import auth, decode
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server
from tieline.wire import urls

FORM = "application/x-www-form-urlencoded"
BODIES = f"{FORM} or application/json"
FIELDS_MAX = 20

OpenHandler = Callable[[Server, Request], Awaitable[Answer]]
# RFC 6749, 5.2, and RFC 7009, 2.2.1. The last one is of RFC 6749, 4.1.2.1.
Error = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unsupported_grant_type",
    "invalid_scope",
    "unsupported_token_type",
    "temporarily_unavailable",
]


class TokenRequest(msgspec.Struct):
    """The fields of all endpoints; further ones are ignored, as RFC 6749 asks."""

    grant_type: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    scope: str | None = None
    token: str | None = None


def refused(error: Error, problem: Problem) -> Problem:
    """The same problem with the standard's code for it, which OAuth2 libraries read."""
    return replace(problem, extra={**problem.extra, "error": error, "error_description": problem.message})


def missing(name: str) -> Problem:
    """A field of the request is missing."""
    return refused("invalid_request", problems.missing_parameter(name, f"{name} is missing.", "body"))


def in_oauth(handler: OpenHandler) -> OpenHandler:
    """The handler, whose problems all have the standard's members `error` and `error_description`."""

    @wraps(handler)
    async def answer(server: Server, request: Request) -> Answer:
        try:
            return await handler(server, request)
        except Problem as problem:
            if "error" in problem.extra:
                raise
            passes = problem.status in {408, 429} or problem.status >= 500
            raise refused("temporarily_unavailable" if passes else "invalid_request", problem) from None

    return answer


async def read(server: Server, request: Request) -> TokenRequest:
    """The fields of a form or a JSON object. One without a value counts as left out.

    Raises:
        Problem: 400, 413 or 415, it cannot be read.
    """
    settings = server.settings
    media_type = (request.header(b"content-type") or "application/json").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if media_type != FORM and not is_json:
        raise problems.unsupported_media_type(media_type, BODIES)
    seconds_max = settings.open_body_timeout_ms / 1000
    content = await request.body(settings.open_body_bytes_max, "open_body_bytes_max", seconds_max)
    fields = msgspec.structs.asdict(decode.json(content, TokenRequest)) if is_json else _form(content)
    return msgspec.convert({name: value or None for name, value in fields.items()}, TokenRequest)


def _form(content: bytes) -> dict[str, str]:
    if content.count(b"&") >= FIELDS_MAX:
        raise problems.bad_request(f"The form has more than {FIELDS_MAX} fields.")
    fields: dict[str, str] = {}
    try:
        for name, value in urls.pairs(content):
            if name in fields:
                raise problems.bad_request(f"{name} is given twice.")
            fields[name] = value
    except UnicodeDecodeError:
        raise problems.not_utf8("form") from None
    return fields


async def client(server: Server, request: Request, asked: TokenRequest) -> Key | None:
    """The key that authenticates the client, by HTTP Basic or by fields. None if no secret came.

    Raises:
        Problem: 401, the id or the secret is not right; 400, half of them is missing, or they came twice and differ.
    """
    authorization = request.header(b"authorization") or ""
    is_basic = authorization[:6].lower() == "basic "
    given = (asked.client_id, asked.client_secret)
    if is_basic:
        basic = _basic(authorization[6:])
        if any(field not in {None, sent} for field, sent in zip(given, basic, strict=True)):
            message = "The client's id or secret came both as HTTP Basic and in the body, and they differ. Send one."
            raise problems.bad_request(message)
        given = basic
    client_id, secret = given
    if secret is None:
        return None
    if client_id is None:
        raise missing("client_id")
    key = await auth.known_key(server, request, secret)
    if key is None or key.id != client_id:
        raise unknown_client("The client id or its secret is not known.", is_basic=is_basic)
    return key


def unknown_client(why: str, *, is_basic: bool) -> Problem:
    """The client is not authenticated. One that came with HTTP Basic is asked for that again, as RFC 6749 wants."""
    problem = refused("invalid_client", problems.unauthorized(why))
    return replace(problem, headers=[("www-authenticate", 'Basic realm="Tieline"')]) if is_basic else problem


def _basic(credentials: str) -> tuple[str, str]:
    """Client id and secret from HTTP Basic credentials (RFC 6749, 2.3.1)."""
    try:
        client_id, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
        return urls.decoded(client_id), urls.decoded(secret)
    except (binascii.Error, ValueError):
        raise unknown_client("The HTTP Basic credentials cannot be read.", is_basic=True) from None
