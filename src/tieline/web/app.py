"""The wiring: settings → connections → server → the ASGI application that uvicorn serves."""

import asyncio
import gc
import re
import sys
from collections.abc import Awaitable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from secrets import token_hex
from time import perf_counter
from typing import cast

import structlog
from starlette.types import ASGIApp
from uvicorn._types import ASGI3Application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tieline import problems
from tieline.dialect.statement import BodyLimits, Limits
from tieline.places import Places
from tieline.postgres import embedded
from tieline.postgres.connections import Connections
from tieline.postgres.lane import lanes_of
from tieline.postgres.transactions import Transactions
from tieline.problems import Problem
from tieline.settings import Settings
from tieline.store.callers import Callers
from tieline.store.tokens import SigningKeys
from tieline.web import accept, docs, logs, origins, respond, routes
from tieline.web.asgi import Receive, Scope, Send
from tieline.web.aside import Aside
from tieline.web.auth import authenticate
from tieline.web.bodies import Bodies
from tieline.web.face import Face
from tieline.web.in_flight import Flight, InFlight
from tieline.web.metrics import Metrics
from tieline.web.rates import Rates
from tieline.web.readiness import Readiness
from tieline.web.request import ClientGoneError, Pace, Request
from tieline.web.respond import Answer
from tieline.web.server import Server
from tieline.web.turns import Turns

log = structlog.stdlib.get_logger()

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:-]{1,128}")
ID_CHARACTERS = 24
IDS_AT_A_TIME = 100
# The garbage collector looks for cycles after so many new objects. Requests make hardly any cycles.
GC_OBJECTS = 20_000
# The time for cancelled requests to end; a batch of an import takes seconds.
CANCELLED_SECONDS_MAX = 10
# A thread that decides a batch keeps the event loop waiting for at most so long, each time that the loop wakes.
THREAD_TURN_SECONDS = 0.001
# Headers that are taken apart at their commas and semicolons.
LISTS = frozenset({b"accept", b"accept-encoding", b"content-type", b"prefer", b"range"})
# Only requests with one of these headers pass through the layers of `_layers`.
LAYERED_HEADERS = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})


class App:
    """The ASGI application; it owns the process's connections from lifespan startup to shutdown."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        """`dsn`: the migrated database, embedded or not."""
        revive = None if settings.database_url else partial(embedded.ensure_running, settings.data_path)
        connections = Connections(lanes_of(settings, dsn), settings, revive)
        self._in_flight = InFlight(settings)
        self._server = Server(
            settings,
            _limits(settings),
            connections,
            Transactions(dsn, settings),
            Callers(connections, settings),
            SigningKeys(connections, settings),
            Rates(settings),
            Metrics(connections, lambda: self._in_flight.working.taken),
            Bodies(settings),
            Aside(settings),
            Turns(
                settings.transfers_max,
                settings.transfers_of_all_max,
                waiters_max=settings.uploads_max,
                wait_seconds_max=settings.transfer_wait_ms / 1000,
            ),
            Places(settings.uploads_max, settings.company_share_percent),
            ThreadPoolExecutor(settings.transfers_of_all_max, thread_name_prefix="transfer"),
            Readiness(connections),
            dsn,
        )
        self._request_ids = random_ids()
        self._pace = Pace(
            settings.body_timeout_ms / 1000, settings.body_bytes_per_second_min, settings.body_stretch_ms / 1000
        )
        self._origins = origins.allowed(settings)
        self._layers = _layers(self._serve, settings, self._origins)
        self._are_all_layered = bool(self._origins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a request; or, once, live through the process's startup and shutdown."""
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        is_layered = self._are_all_layered
        for name, _ in scope["headers"]:
            is_layered = is_layered or name in LAYERED_HEADERS
        # The layer would refuse a page's origin in words that name no setting.
        if not is_layered or origins.refused(scope["method"], scope["headers"], self._origins):
            return self._serve(scope, receive, send)
        # Without this the answer would bypass the layers and lack their headers.
        scope["extensions"] = {}
        return self._layers(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._server.connections.open()
        self._server.transactions.open()
        self._server.callers.open()
        _spare_collector()
        sys.setswitchinterval(THREAD_TURN_SECONDS)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._end_requests()
        await self._server.callers.close()
        self._server.aside.close()
        self._server.transactions.close()
        await self._server.connections.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _end_requests(self) -> None:
        """Wait until requests that were cancelled are answered: an import says what has landed after its batch."""
        ends_at = perf_counter() + CANCELLED_SECONDS_MAX
        while self._in_flight.working.taken and perf_counter() < ends_at:  # noqa: ASYNC110 once in the life of a process
            await asyncio.sleep(0.02)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        flight = Flight(self._in_flight, receive)
        request = Request(scope, flight, self._server.bodies, self._pace)
        request.id = sane_request_id(request) or next(self._request_ids)
        try:
            answer = await self._answer(request, started)
        except Problem as problem:
            answer = respond.refusal(problem, request)
        except ClientGoneError:
            return
        except asyncio.CancelledError:
            # uvicorn cancels what is under way when the time after SIGTERM is over.
            answer = respond.refusal(problems.cut_short(), request)
        except Exception:
            log.exception("A request failed.", request_id=request.id, method=request.method, route=request.route)
            answer = respond.refusal(problems.internal_error(), request)
        finally:
            flight.end()
            request.give_back()
        if len(answer.body) >= self._server.settings.gzip_bytes_min:
            answer = await respond.compressed(answer, request)
        await respond.send(answer, request, started, send)
        seconds = perf_counter() - started
        self._server.metrics.count(request, answer.status, seconds)
        logs.request_answered(request, answer.status, seconds)

    async def _answer(self, request: Request, started: float) -> Answer:
        require_sane_head(request, self._server.settings)
        refused = origins.refused(request.method, request.headers, self._origins)
        if refused is not None:
            raise problems.origin_not_allowed(refused)
        if docs.is_asked_by_a_browser(request):
            return docs.welcome()
        match = routes.find(request.method, request.path)
        endpoint, handler = match.endpoint, match.handler
        request.face, request.route, request.parameters = endpoint.face, endpoint.path, match.parameters
        if isinstance(handler, routes.Open):
            if handler.is_counted:
                request.flight.begin(request.party)
            return await handler.handler(self._server, request)
        caller = await authenticate(self._server, request)
        request.timings["auth"] = perf_counter() - started
        if endpoint.face is Face.ELEMENT:
            accept.require_json(request)
        return await handler(self._server, request, caller)


def _layers(app: ASGIApp, settings: Settings, allowed: frozenset[str]) -> ASGIApp:
    """CORS, if the settings allow other origins, and the client's address behind a trusted proxy.

    Each layer costs a twentieth of a look-up, so only requests that need one pass through them.
    """
    if allowed:
        app = origins.layer(app, allowed)
    trusted = [str(network) for network in settings.proxies]
    return cast(ASGIApp, ProxyHeadersMiddleware(cast(ASGI3Application, app), trusted))


def _limits(settings: Settings) -> Limits:
    """The limits of what a request of the mapping face may ask for and hold."""
    body = BodyLimits(
        settings.body_bytes_max,
        settings.body_rows_max,
        settings.body_row_bytes_max,
        settings.body_names_max,
        settings.json_depth_max,
    )
    return Limits(
        settings.filter_depth_max,
        settings.page_rows_max,
        settings.batch_rows_max,
        settings.embeds_max,
        settings.embed_depth_max,
        settings.select_items_max,
        settings.answer_bytes_max,
        settings.pattern_states_max,
        settings.shape_bytes_max,
        settings.shapes_bytes_max,
        settings.counted_rows_max,
        settings.column_times_max,
        settings.text_bytes_max,
        body,
    )


def _spare_collector() -> None:
    """Take what exists now out of garbage collection: it lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)


def require_sane_head(request: Request, settings: Settings) -> None:
    """Refuse an address or headers that are longer than the settings allow.

    Raises:
        Problem: 414 or 431.
    """
    if request.is_cut or len(request.query) + len(request.path) > settings.url_bytes_max:
        raise problems.address_too_long(settings.url_bytes_max)
    are_too_many = len(request.headers) > settings.headers_max
    size = sum(map(len, chain.from_iterable(request.headers)))
    if are_too_many or size > settings.header_bytes_max:
        raise problems.headers_too_long(settings.header_bytes_max, settings.headers_max)
    if size > settings.header_items_max:
        for name, value in request.headers:
            if name in LISTS and value.count(b",") + value.count(b";") > settings.header_items_max:
                raise problems.list_too_long(name.decode("latin-1"), settings.header_items_max)


def random_ids() -> Generator[str]:
    """Ids that tell nothing, such as how many requests others have sent. Random bits are fetched for many at a time."""
    while True:
        block = token_hex(ID_CHARACTERS // 2 * IDS_AT_A_TIME)
        for start in range(0, len(block), ID_CHARACTERS):
            yield block[start : start + ID_CHARACTERS]


def sane_request_id(request: Request) -> str | None:
    """The client's own id for the request, if it is short and without odd characters."""
    given = request.header(b"x-request-id")
    return given if given is not None and SANE_REQUEST_ID.fullmatch(given) else None
