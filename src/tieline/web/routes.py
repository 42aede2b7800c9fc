"""Every URL of the service, in one table."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.routing import compile_path

from tieline import problems
from tieline.web import docs, element_face, health, mapping_face, transfers
from tieline.web import tokens as token_endpoints
from tieline.web.auth import Caller
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server

Handler = Callable[[Server, Request, Caller], Awaitable[Answer]]
OpenHandler = Callable[[Server, Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Open:
    """A handler that needs no key."""

    handler: OpenHandler


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path with its {parameters} and the handlers of its methods."""

    path: str
    methods: Mapping[str, Handler | Open]


ELEMENT = "/api/v2/elements/{id}"

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("/healthz", {"GET": Open(health.alive)}),
    Endpoint("/readyz", {"GET": Open(health.ready)}),
    Endpoint("/metrics", {"GET": Open(health.numbers)}),
    Endpoint("/docs", {"GET": Open(docs.index)}),
    Endpoint("/docs/{name}", {"GET": Open(docs.guide)}),
    Endpoint("/docs/errors/{slug}", {"GET": Open(docs.problem)}),
    Endpoint("/api/v2/openapi.json", {"GET": Open(docs.element_description)}),
    Endpoint("/import/{what}", {"POST": transfers.import_rows}),
    Endpoint("/export/{what}", {"GET": transfers.export_rows}),
    Endpoint("/api/v2/auth/token", {"POST": Open(token_endpoints.issue)}),
    Endpoint("/api/v2/auth/refresh", {"POST": Open(token_endpoints.refresh)}),
    Endpoint("/api/v2/elements", {"GET": element_face.list_elements, "POST": element_face.add_element}),
    Endpoint(
        ELEMENT,
        {
            "GET": element_face.get_element,
            "PATCH": element_face.change_element,
            "DELETE": element_face.remove_element,
        },
    ),
    Endpoint(f"{ELEMENT}/external-elements", {"GET": element_face.list_bindings}),
    Endpoint(f"{ELEMENT}/external-element/link", {"POST": element_face.link}),
    Endpoint(f"{ELEMENT}/external-element/unlink", {"POST": element_face.unlink}),
)
# Where the Supabase clients look.
MAPPING_FACE_PREFIX = "/rest/v1"

PATTERNS: tuple[tuple[re.Pattern[str], Endpoint], ...] = tuple(
    (compile_path(endpoint.path)[0], endpoint) for endpoint in ENDPOINTS
)
# What no resource of the mapping face is named.
RESERVED = ("/api/", "/healthz", "/readyz", "/metrics", "/docs", "/import/", "/export/")


def find(request: Request) -> Handler | Open:
    """The handler of a request; notes its route and the path's parameters on the request.

    Raises:
        Problem: 404 or 405.
    """
    if not request.path.startswith(RESERVED):
        return _mapping_face(request)
    for pattern, endpoint in PATTERNS:
        # Whole: `$` alone would let a line break at the end through.
        match = pattern.fullmatch(request.path)
        if match is None:
            continue
        request.route = endpoint.path
        request.parameters = match.groupdict()
        handler = endpoint.methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            allowed = [*endpoint.methods, *(["HEAD"] if "GET" in endpoint.methods else [])]
            raise problems.method_not_allowed(request.method, ", ".join(allowed))
        return handler
    raise problems.endpoint_not_found(request.path)


def _mapping_face(request: Request) -> Handler:
    """Resources stand at /<name> and at /rest/v1/<name>; the log's route does not hold a client's own words."""
    path = request.path
    if path == MAPPING_FACE_PREFIX or path.startswith(f"{MAPPING_FACE_PREFIX}/"):
        path = path.removeprefix(MAPPING_FACE_PREFIX) or "/"
    request.route = "/{resource}"
    request.parameters = {"resource": path.removeprefix("/")}
    return _on_resource


def _on_resource(server: Server, request: Request, caller: Caller) -> Awaitable[Answer]:
    return mapping_face.answer(server, request, caller, request.parameters["resource"])
