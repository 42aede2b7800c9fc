"""The schemas of the element face's description: what goes in and out, with its limits."""

from collections.abc import Mapping, Sequence
from typing import Any

from tieline import problems
from tieline.web import decode
from tieline.web.tokens import GRANTS
from tieline.wire.blanks import WHITE_SPACE
from tieline.wire.integers import BIGINT_MAX

Json = dict[str, Any]

NULLABLE_TEXT: Json = {"type": ["string", "null"]}
# No NUL character, and at least one that is not white space.
_SPACES = "".join(f"\\u{ord(space):04x}" for space in WHITE_SPACE)
NOT_BLANK = rf"^[^\u0000]*[^\u0000{_SPACES}][^\u0000]*$"
SYSTEM_URL: Json = {
    "type": "string",
    "format": "uri",
    "minLength": 1,
    "pattern": NOT_BLANK,
    "description": "The address of one of the company's active external systems.",
}
EXTERNAL_ID: Json = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": decode.EXTERNAL_ID_LENGTH_MAX,
    "pattern": NOT_BLANK,
    "description": "The id of the record in the external system, kept exactly as given; null clears it.",
    "examples": ["A-007/1"],
}
LINK: Json = {
    "type": ["string", "null"],
    "format": "uri",
    "minLength": 1,
    "maxLength": decode.LINK_LENGTH_MAX,
    "description": "The absolute http or https address of the record in the external system; null clears it.",
    "examples": ["https://cms.example/articles/7"],
}
TITLE: Json = {"type": "string", "minLength": 1, "maxLength": decode.TITLE_LENGTH_MAX, "pattern": NOT_BLANK}
ELEMENT_ID: Json = {"type": "integer", "format": "int64", "minimum": 1, "maximum": BIGINT_MAX}
MOMENT: Json = {"type": "string", "format": "date-time"}


def _object(properties: Mapping[str, Json], required: Sequence[str] = (), *, is_closed: bool = True) -> Json:
    schema: Json = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    if is_closed:
        schema["additionalProperties"] = False
    return schema


def reference(kind: str, name: str) -> Json:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def _element_schemas() -> dict[str, Json]:
    return {
        "Element": _object(
            {
                "id": ELEMENT_ID,
                "title": {"type": "string"},
                "creationTime": MOMENT,
                "modificationDate": MOMENT,
                "externalElement": {"anyOf": [reference("schemas", "Projection"), {"type": "null"}]},
            },
            ["id", "title", "creationTime", "modificationDate", "externalElement"],
        ),
        "NewElement": _object({"title": TITLE, "id": ELEMENT_ID}, ["title"]),
        "ElementChange": _object({"title": TITLE}),
        "ElementPage": _object(
            {
                "content": {"type": "array", "items": reference("schemas", "Element")},
                "size": {"type": "integer"},
                "hasMore": {"type": "boolean"},
                "nextCursor": {"type": "string", "description": "Only if there are more elements."},
            },
            ["content", "size", "hasMore"],
        ),
    }


def _binding_schemas() -> dict[str, Json]:
    shown = {"externalId": NULLABLE_TEXT, "link": NULLABLE_TEXT}
    given = {"externalId": EXTERNAL_ID, "link": LINK}
    return {
        "Projection": {
            **_object({**shown, "systemUrl": NULLABLE_TEXT}, ["externalId", "link", "systemUrl"]),
            "description": "The binding that stands for the element: the default system's, else the oldest current "
            "one, else the oldest.",
        },
        "Binding": {
            **_object(
                {"externalElement": _object(shown, ["externalId", "link"]), "systemUrl": NULLABLE_TEXT},
                ["externalElement", "systemUrl"],
            ),
            "description": "systemUrl is null when the binding is historical: its system is not among the company's "
            "active external systems (any more).",
        },
        # Each shape has a name and lists its properties itself: generators make a class of each.
        "ExternalElement": {**_object(given), "minProperties": 1},
        "NestedLink": _object(
            {"externalElement": reference("schemas", "ExternalElement"), "systemUrl": SYSTEM_URL}, ["externalElement"]
        ),
        "LinkByExternalId": _object({**given, "systemUrl": SYSTEM_URL}, ["externalId"]),
        "LinkByAddress": _object({**given, "systemUrl": SYSTEM_URL}, ["link"]),
        "Link": {
            "description": "The record in the external system, nested or flat; at least one of externalId and link. "
            "A field that is left out stays as it is, null clears it.",
            "anyOf": [reference("schemas", name) for name in ("NestedLink", "LinkByExternalId", "LinkByAddress")],
        },
        "Unlink": _object({"systemUrl": {**SYSTEM_URL, "type": ["string", "null"]}}),
    }


def _token_schemas() -> dict[str, Json]:
    text: Json = {"type": "string"}
    # A client may authenticate by HTTP Basic instead of these.
    client: Json = {
        "client_id": {**text, "description": "The id of an API key."},
        "client_secret": {**text, "description": "The key itself."},
    }
    scope: Json = {**text, "description": "Scopes, separated by blanks. Left out: all scopes of the key or the token."}
    refresh_token: Json = {**text, "description": "The last one of the login."}
    return {
        "TokenRequest": _object(
            {
                "grant_type": {"type": "string", "enum": list(GRANTS)},
                **client,
                "refresh_token": refresh_token,
                "scope": scope,
            },
            ["grant_type"],
            is_closed=False,
        ),
        "RefreshRequest": _object({"refresh_token": refresh_token, "scope": scope}, ["refresh_token"], is_closed=False),
        "RevokeRequest": _object(
            {
                "token": {**text, "description": "An access token, or a refresh token, which ends its whole login."},
                "token_type_hint": {**text, "examples": ["refresh_token"]},
                **client,
            },
            ["token"],
            is_closed=False,
        ),
        "Revoked": _object({}, is_closed=False),
        "Token": _object(
            {
                "access_token": text,
                "token_type": {"type": "string", "enum": ["Bearer"]},
                "expires_in": {"type": "integer", "description": "Seconds."},
                "scope": text,
                "refresh_token": {**text, "description": "It can be used once."},
            },
            ["access_token", "token_type", "expires_in", "scope", "refresh_token"],
        ),
    }


def _problem() -> Json:
    text: Json = {"type": "string"}
    error = _object(
        {
            "scope": {"type": "string", "enum": ["body", "query", "path", "header", "global"]},
            "path": NULLABLE_TEXT,
            "code": text,
            "message": text,
        },
        ["scope", "path", "code", "message"],
    )
    return {
        **_object(
            {
                "type": {**text, "format": "uri-reference"},
                "title": {"type": "string", "enum": sorted(problems.TITLES.values())},
                "status": {"type": "integer"},
                "detail": text,
                "instance": text,
                "traceId": text,
                "errors": {"type": "array", "items": error},
                "conflictingElementId": ELEMENT_ID,
                "retryAfter": {"type": "integer"},
                "error": {**text, "description": "OAuth2's code, from the endpoints for tokens."},
                "error_description": text,
            },
            ["type", "title", "status", "detail", "instance", "traceId"],
            is_closed=False,
        ),
        "description": "RFC 9457. Each type has a page at its address.",
    }


def schemas() -> dict[str, Json]:
    """All schemas by their names."""
    return {**_element_schemas(), **_binding_schemas(), **_token_schemas(), "Problem": _problem()}
