"""The OpenAPI 3.1 description of the element face."""

from collections.abc import Mapping, Sequence
from typing import Any

from tieline import __version__, problems
from tieline.web import decode, element_face
from tieline.wire.integers import BIGINT_MAX

Json = dict[str, Any]

NULLABLE_TEXT: Json = {"type": ["string", "null"]}
SYSTEM_URL: Json = {"type": "string", "description": "The address of one of the company's active external systems."}
# No NUL character, and at least one that Python does not count as blank.
NOT_BLANK = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"
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


def _reference(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _element_schemas() -> dict[str, Json]:
    return {
        "Element": _object(
            {
                "id": ELEMENT_ID,
                "title": {"type": "string"},
                "creationTime": MOMENT,
                "modificationDate": MOMENT,
                "externalElement": {"anyOf": [_reference("schemas", "Projection"), {"type": "null"}]},
            },
            ["id", "title", "creationTime", "modificationDate", "externalElement"],
        ),
        "NewElement": _object({"title": TITLE, "id": ELEMENT_ID}, ["title"]),
        "ElementChange": _object({"title": TITLE}),
        "ElementPage": _object(
            {
                "content": {"type": "array", "items": _reference("schemas", "Element")},
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
    nested = {**_object(given), "minProperties": 1}
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
        "Link": {
            "description": "The record in the external system, nested or flat; at least one of externalId and link. "
            "A field that is left out stays as it is, null clears it.",
            "oneOf": [
                _object({"externalElement": nested, "systemUrl": SYSTEM_URL}, ["externalElement"]),
                {
                    **_object({**given, "systemUrl": SYSTEM_URL}),
                    "anyOf": [{"required": ["externalId"]}, {"required": ["link"]}],
                },
            ],
        },
        "Unlink": _object({"systemUrl": {**SYSTEM_URL, "type": ["string", "null"]}}),
    }


def _token_schemas() -> dict[str, Json]:
    text: Json = {"type": "string"}
    return {
        "TokenRequest": _object(
            {
                "grant_type": {"const": "client_credentials"},
                "client_id": {**text, "description": "The id of an API key."},
                "client_secret": {**text, "description": "The key itself."},
                "scope": {**text, "description": "Scopes, separated by blanks. Left out: all scopes of the key."},
            },
            ["grant_type", "client_id", "client_secret"],
            is_closed=False,
        ),
        "RefreshRequest": _object({"refresh_token": text}, ["refresh_token"], is_closed=False),
        "Token": _object(
            {
                "access_token": text,
                "token_type": {"const": "Bearer"},
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
            "scope": {"enum": ["body", "query", "path", "header", "global"]},
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
                "title": {"enum": sorted(problems.TITLES.values())},
                "status": {"type": "integer"},
                "detail": text,
                "instance": text,
                "traceId": text,
                "errors": {"type": "array", "items": error},
                "conflictingElementId": ELEMENT_ID,
                "retryAfter": {"type": "integer"},
            },
            ["type", "title", "status", "detail", "instance", "traceId"],
            is_closed=False,
        ),
        "description": "RFC 9457. Each type has a page at its address.",
    }


def _answer(description: str, schema: Json | None = None) -> Json:
    answer: Json = {"description": description}
    if schema is not None:
        answer["content"] = {"application/json": {"schema": schema}}
    return answer


def _problems(*statuses: int) -> dict[str, Json]:
    return {str(status): _reference("responses", f"Problem{status}") for status in statuses}


# The statuses that every request may be answered with.
ALWAYS = (400, 401, 403, 406, 429, 500, 503, 504)
WITH_BODY = (408, 413, 415)


def _operation(
    name: str,
    summary: str,
    answers: Mapping[str, Json],
    *further: int,
    body: str | None = None,
    needs_body: bool = True,
    parameters: Sequence[Json] = (),
) -> Json:
    statuses = sorted({*ALWAYS, *further, *(WITH_BODY if body else ())})
    operation: Json = {
        "operationId": name,
        "summary": summary,
        "responses": {**answers, **_problems(*statuses)},
    }
    if parameters:
        operation["parameters"] = list(parameters)
    if body is not None:
        content = {"application/json": {"schema": _reference("schemas", body)}}
        operation["requestBody"] = {"required": needs_body, "content": content}
    return operation


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _elements() -> Json:
    page_size: Json = {
        "type": "integer",
        "minimum": 1,
        "maximum": element_face.PAGE_SIZE_MAX,
        "default": element_face.PAGE_SIZE,
    }
    parameters = [
        _query("cursor", {"type": "string"}, "The nextCursor of the page before."),
        _query("size", page_size, "How many elements a page has."),
        _query("externalId", {"type": "string"}, "Only the elements with this external id."),
        _query("systemUrl", {"type": "string"}, "The external system of externalId; only together with it."),
    ]
    page, element = _reference("schemas", "ElementPage"), _reference("schemas", "Element")
    return {
        "get": _operation(
            "listElements", "The company's elements, by id", {"200": _answer("A page.", page)}, parameters=parameters
        ),
        "post": _operation(
            "addElement",
            "Register an element",
            {"201": _answer("The element; without an id in the request, one is made.", element)},
            409,
            body="NewElement",
        ),
    }


def _element() -> Json:
    element = {"200": _answer("The element.", _reference("schemas", "Element"))}
    gone = {"204": _answer("The element is deleted; its mappings are in the history.")}
    return {
        "parameters": [_reference("parameters", "id")],
        "get": _operation("getElement", "An element", element, 404),
        "patch": _operation("changeElement", "Change an element", element, 404, body="ElementChange"),
        "delete": _operation("removeElement", "Delete an element", gone, 404),
    }


def _bindings() -> dict[str, Json]:
    element = [_reference("parameters", "id")]
    binding = _reference("schemas", "Binding")
    listed = _answer("The bindings, oldest first.", {"type": "array", "items": binding})
    base = "/api/v2/elements/{id}"
    return {
        f"{base}/external-elements": {
            "parameters": element,
            "get": _operation("listBindings", "The external systems of an element", {"200": listed}, 404),
        },
        f"{base}/external-element/link": {
            "parameters": element,
            "post": _operation(
                "link",
                "Link an element to a record of an external system, or change the link",
                {"200": _answer("The binding.", binding)},
                *(404, 409),
                body="Link",
            ),
        },
        f"{base}/external-element/unlink": {
            "parameters": element,
            "post": _operation(
                "unlink",
                "Unlink an element from an external system",
                {"200": _answer("The binding as it was.", binding)},
                404,
                body="Unlink",
                needs_body=False,
            ),
        },
    }


def _tokens() -> dict[str, Json]:
    def endpoint(name: str, summary: str, body: str) -> Json:
        token = {"200": _answer("The token.", _reference("schemas", "Token"))}
        operation = _operation(name, summary, token, body=body)
        content = operation["requestBody"]["content"]
        content["application/x-www-form-urlencoded"] = content["application/json"]
        return {"post": {**operation, "security": []}}

    return {
        "/api/v2/auth/token": endpoint("issueToken", "A token for an API key (client credentials)", "TokenRequest"),
        "/api/v2/auth/refresh": endpoint("refreshToken", "A token for a refresh token", "RefreshRequest"),
    }


def describe() -> Json:
    """The whole document, as JSON values."""
    statuses = {*ALWAYS, *WITH_BODY, 404, 409}
    problem = {"application/problem+json": {"schema": _reference("schemas", "Problem")}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tieline: the element face",
            "version": __version__,
            "description": "Elements, and linking, unlinking and listing their external systems.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}, {"apikey": []}],
        "paths": {
            **_tokens(),
            "/api/v2/elements": _elements(),
            "/api/v2/elements/{id}": _element(),
            **_bindings(),
        },
        "components": {
            "schemas": {
                **_element_schemas(),
                **_binding_schemas(),
                **_token_schemas(),
                "Problem": _problem(),
            },
            "parameters": {
                "id": {"name": "id", "in": "path", "required": True, "schema": ELEMENT_ID, "description": "An element."}
            },
            "responses": {
                f"Problem{status}": {"description": "A problem.", "content": problem} for status in sorted(statuses)
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or an access token."},
                "apikey": {"type": "apiKey", "in": "header", "name": "apikey", "description": "An API key."},
            },
        },
    }
