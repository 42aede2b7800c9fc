"""Every address of the service, in one table."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec
from starlette.routing import compile_path

from tieline import problems
from tieline.dialect import statement
from tieline.web import docs, element_face, health, mapping_face, transfers
from tieline.web import tokens as token_endpoints
from tieline.web.auth import Caller
from tieline.web.face import Face
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server

Handler = Callable[[Server, Request, Caller], Awaitable[Answer]]
OpenHandler = Callable[[Server, Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Open:
    """A handler that needs no key. `is_counted`: past the limit of requests in flight, it is refused."""

    handler: OpenHandler
    is_counted: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path with its {parameters}, and the handlers of its methods."""

    path: str
    face: Face
    methods: Mapping[str, Handler | Open]


class Match(msgspec.Struct, frozen=True):
    """The endpoint of a request, the handler of its method, and the values of the path's parameters."""

    endpoint: Endpoint
    handler: Handler | Open
    parameters: dict[str, str]


ELEMENT = "/api/v2/elements/{id}"

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("/healthz", Face.SERVICE, {"GET": Open(health.alive, is_counted=False)}),
    Endpoint("/readyz", Face.SERVICE, {"GET": Open(health.ready, is_counted=False)}),
    Endpoint("/metrics", Face.SERVICE, {"GET": Open(health.numbers)}),
    Endpoint("/docs", Face.SERVICE, {"GET": Open(docs.index)}),
    Endpoint("/docs/search", Face.SERVICE, {"GET": Open(docs.search)}),
    Endpoint("/docs/{name}", Face.SERVICE, {"GET": Open(docs.guide)}),
    Endpoint("/docs/errors/{slug}", Face.SERVICE, {"GET": Open(docs.problem)}),
    Endpoint("/import/{what}", Face.SERVICE, {"POST": transfers.import_rows}),
    Endpoint("/export/{what}", Face.SERVICE, {"GET": transfers.export_rows}),
    Endpoint("/api/v2/openapi.json", Face.ELEMENT, {"GET": Open(docs.element_description)}),
    Endpoint("/api/v2/auth/token", Face.ELEMENT, {"POST": Open(token_endpoints.issue)}),
    Endpoint("/api/v2/auth/refresh", Face.ELEMENT, {"POST": Open(token_endpoints.refresh)}),
    Endpoint("/api/v2/auth/revoke", Face.ELEMENT, {"POST": Open(token_endpoints.revoke)}),
    Endpoint("/.well-known/oauth-authorization-server", Face.SERVICE, {"GET": Open(token_endpoints.metadata)}),
    Endpoint("/api/v2/elements", Face.ELEMENT, {"GET": element_face.list_elements, "POST": element_face.add_element}),
    Endpoint(
        ELEMENT,
        Face.ELEMENT,
        {
            "GET": element_face.get_element,
            "PATCH": element_face.change_element,
            "DELETE": element_face.remove_element,
        },
    ),
    Endpoint(f"{ELEMENT}/external-elements", Face.ELEMENT, {"GET": element_face.list_bindings}),
    Endpoint(f"{ELEMENT}/external-element/link", Face.ELEMENT, {"POST": element_face.link}),
    Endpoint(f"{ELEMENT}/external-element/unlink", Face.ELEMENT, {"POST": element_face.unlink}),
)
# All that is in the mapping face. Its route in the log and the metrics does not hold a client's own words.
RESOURCE = Endpoint("/{resource}", Face.MAPPING, {})
# The first segments of paths that are not resources of the mapping face, whatever is or is not served below them.
ROOMS = frozenset(endpoint.path.split("/")[1] for endpoint in ENDPOINTS) | {"changes", "console", "webhooks"}

# Those that are answered although there are too many connections.
HEALTH = frozenset({b"/healthz", b"/readyz"})

Patterns = tuple[tuple[re.Pattern[str], Endpoint], ...]
PATTERNS: Mapping[str, Patterns] = {
    room: tuple((compile_path(one.path)[0], one) for one in ENDPOINTS if one.path.split("/")[1] == room)
    for room in ROOMS
}


def find(method: str, path: str) -> Match:
    """The endpoint at a path and the handler of a method there.

    An unknown name that is in no room is the mapping face's to refuse, as PostgREST does: who has no key is not told
    whether a resource exists.

    Raises:
        Problem: 404, nothing is served there.
    """
    name = path.removeprefix("/")
    if statement.knows(name):
        return _in_mapping_face(name)
    first, _, rest = name.partition("/")
    # The Supabase clients look for resources below /rest/v1.
    if first == "rest" and (rest == "v1" or rest.startswith("v1/")):
        return _in_mapping_face(rest[len("v1/") :])
    patterns = PATTERNS.get(first)
    if patterns is None:
        return _in_mapping_face(name)
    for pattern, endpoint in patterns:
        # fullmatch: the pattern's `$` alone would let a line break at the end through.
        match = pattern.fullmatch(path)
        if match is not None:
            handler = endpoint.methods.get("GET" if method == "HEAD" else method)
            return Match(endpoint, handler or _method_not_allowed(endpoint), match.groupdict())
    raise problems.endpoint_not_found(path)


def _in_mapping_face(name: str) -> Match:
    return Match(RESOURCE, _on_resource, {"resource": name})


def _on_resource(server: Server, request: Request, caller: Caller) -> Awaitable[Answer]:
    return mapping_face.answer(server, request, caller, request.parameters["resource"])


def _method_not_allowed(endpoint: Endpoint) -> Open:
    allowed = [*endpoint.methods, *(["HEAD"] if "GET" in endpoint.methods else [])]
    return Open(partial(_refuse_method, ", ".join(allowed)))


async def _refuse_method(allowed: str, _server: Server, request: Request) -> Answer:
    raise problems.method_not_allowed(request.method, allowed)
