"""The OpenAPI 3.1 description of the element face."""

from collections.abc import Mapping, Sequence

from tieline import __version__
from tieline.web import element_face
from tieline.web.element_schemas import ELEMENT_ID, NOT_BLANK, Json, reference, schemas

BINDINGS = "external systems"
PARAMETERS: Json = {
    "id": {"name": "id", "in": "path", "required": True, "schema": ELEMENT_ID, "description": "An element."},
    "requestId": {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "Your own id of the request, for the log and the history.",
    },
}


def _answer(description: str, schema: Json | None = None) -> Json:
    answer: Json = {"description": description}
    if schema is not None:
        answer["content"] = {"application/json": {"schema": schema}}
    return answer


def _problems(*statuses: int) -> dict[str, Json]:
    return {str(status): reference("responses", f"Problem{status}") for status in statuses}


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
    tag: str = "elements",
) -> Json:
    statuses = sorted({*ALWAYS, *further, *(WITH_BODY if body else ())})
    operation: Json = {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        # Generators for Python need an optional parameter where there are bodies of several types.
        "parameters": [*parameters, reference("parameters", "requestId")],
        "responses": {**answers, **_problems(*statuses)},
    }
    if body is not None:
        content = {"application/json": {"schema": reference("schemas", body)}}
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
        _query("cursor", {"type": "string", "minLength": 1}, "The nextCursor of the page before."),
        _query("size", page_size, "How many elements a page has."),
        _query("externalId", {"type": "string"}, "Only the elements with this external id."),
        _query(
            "systemUrl",
            {"type": "string", "minLength": 1, "pattern": NOT_BLANK},
            "The external system of externalId; only together with it.",
        ),
    ]
    page, element = reference("schemas", "ElementPage"), reference("schemas", "Element")
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
    element = {"200": _answer("The element.", reference("schemas", "Element"))}
    gone = {"204": _answer("The element is deleted; its mappings are in the history.")}
    return {
        "parameters": [reference("parameters", "id")],
        "get": _operation("getElement", "An element", element, 404),
        "patch": _operation("changeElement", "Change an element", element, 404, body="ElementChange"),
        "delete": _operation("removeElement", "Delete an element", gone, 404),
    }


def _bindings() -> dict[str, Json]:
    element = [reference("parameters", "id")]
    binding = reference("schemas", "Binding")
    listed = _answer("The bindings, oldest first.", {"type": "array", "items": binding})
    base = "/api/v2/elements/{id}"
    return {
        f"{base}/external-elements": {
            "parameters": element,
            "get": _operation("listBindings", "The external systems of an element", {"200": listed}, 404, tag=BINDINGS),
        },
        f"{base}/external-element/link": {
            "parameters": element,
            "post": _operation(
                "link",
                "Link an element to a record of an external system, or change the link",
                {"200": _answer("The binding.", binding)},
                *(404, 409),
                body="Link",
                tag=BINDINGS,
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
                tag=BINDINGS,
            ),
        },
    }


def _tokens() -> dict[str, Json]:
    def endpoint(name: str, summary: str, body: str, answer: Json) -> Json:
        operation = _operation(name, summary, {"200": answer}, body=body, tag="tokens")
        content = operation["requestBody"]["content"]
        content["application/x-www-form-urlencoded"] = content["application/json"]
        return {"post": {**operation, "security": []}}

    token = _answer("The token.", reference("schemas", "Token"))
    revoked = _answer("The token has ended, or there is no such token.", reference("schemas", "Revoked"))
    summary = "A token for an API key (client credentials), or for a refresh token"
    return {
        "/api/v2/auth/token": endpoint("issueToken", summary, "TokenRequest", token),
        "/api/v2/auth/refresh": endpoint("refreshToken", "A token for a refresh token", "RefreshRequest", token),
        "/api/v2/auth/revoke": endpoint("revokeToken", "End a token", "RevokeRequest", revoked),
    }


def describe() -> Json:
    """The whole document, as JSON values."""
    statuses = {*ALWAYS, *WITH_BODY, 404, 409}
    problem = {"application/problem+json": {"schema": reference("schemas", "Problem")}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tieline: the element face",
            "version": __version__,
            "description": "Elements, and linking, unlinking and listing their external systems.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to the address of this document, so it holds behind every proxy.
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "tokens", "description": "OAuth2: tokens for API keys."},
            {"name": "elements", "description": "Elements."},
            {"name": BINDINGS, "description": "The external systems of an element."},
        ],
        "security": [{"bearer": []}, {"apikey": []}],
        "paths": {
            **_tokens(),
            "/api/v2/elements": _elements(),
            "/api/v2/elements/{id}": _element(),
            **_bindings(),
        },
        "components": {
            "schemas": schemas(),
            "parameters": PARAMETERS,
            "responses": {
                f"Problem{status}": {"description": "A problem.", "content": problem} for status in sorted(statuses)
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or an access token."},
                "apikey": {"type": "apiKey", "in": "header", "name": "apikey", "description": "An API key."},
            },
        },
    }
