"""The only wiring: settings → connections → service → the ASGI application that uvicorn serves."""

import gc
import os
import re
import resource
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Awaitable
from functools import partial
from itertools import chain, count, repeat
from secrets import token_hex
from time import perf_counter
from types import FrameType
from typing import cast

import structlog
import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp
from uvicorn._types import ASGI3Application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.supervisors import Multiprocess

from tieline import logs, problems, routes, settings
from tieline.problems import Problem
from tieline.query.parse import Limits
from tieline.settings import Settings
from tieline.store import embedded
from tieline.store.callers import Callers
from tieline.store.connections import Connections
from tieline.store.tokens import SigningKeys
from tieline.web import accept, respond
from tieline.web.auth import authenticate
from tieline.web.metrics import Metrics
from tieline.web.protocol import BoundedProtocol, set_limits
from tieline.web.rates import Rates
from tieline.web.request import ClientGoneError, Receive, Request, Scope, Send
from tieline.web.respond import Answer
from tieline.web.service import Service
from tieline.web.turns import Turns

log = structlog.stdlib.get_logger()

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:-]{1,128}")
READY_POLL_SECONDS = 0.02
CORS_MAX_AGE_SECONDS = 86_400
EXPOSED_HEADERS = (
    "Content-Range",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Server-Timing",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
)
READY_TIMEOUT_SECONDS = 5
# For what is no client's: the database, logs, libraries.
SPARE_FILES = 200
# So many new objects are looked through for cycles at a time; requests make hardly any.
GC_OBJECTS = 20_000
# Requests with one of these need a layer of `_layers`; the others do not pass through them.
LAYERED_HEADERS = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})
# How worker processes learn where the database is.
DSN_VARIABLE = "TIELINE_WORKER_DSN"


class App:
    """The ASGI application; it owns the process's connections from lifespan startup to shutdown."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        """`dsn`: the migrated database, embedded or not."""
        revive = None if settings.database_url else partial(embedded.ensure_running, settings.data_path)
        connections = Connections(dsn, settings, revive)
        self._in_flight = 0
        self._service = Service(
            settings,
            Limits(settings.filter_depth_max, settings.page_rows_max, settings.batch_rows_max),
            connections,
            Callers(connections, settings),
            SigningKeys(connections, settings),
            Rates(settings),
            Metrics(connections, lambda: self._in_flight),
            Turns(settings.transfers_max),
            dsn,
        )
        # Unlike any other process's, and with a number behind it any other request's.
        self._request_ids = map("{}-{:x}".format, repeat(token_hex(6)), count(1))
        self._body_seconds_max = settings.body_timeout_ms / 1000
        self._layers = _layers(self._serve, settings)
        self._are_all_layered = bool(settings.cors_origins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request, or the life of the process."""
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        is_layered = self._are_all_layered
        for name, _ in scope["headers"]:
            is_layered = is_layered or name in LAYERED_HEADERS
        if not is_layered:
            return self._serve(scope, receive, send)
        # An answer that went out past the layers would lack what they add.
        scope["extensions"] = {}
        return self._layers(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._service.connections.open()
        self._service.callers.open()
        _spare_collector()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._service.callers.close()
        await self._service.connections.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request = Request(scope, receive, self._body_seconds_max)
        request.id = sane_request_id(request) or next(self._request_ids)
        self._in_flight += 1
        try:
            answer = await self._answer(request, started)
        except Problem as problem:
            answer = respond.refusal(problem, request)
        except ClientGoneError:
            return
        except Exception:
            log.exception("A request failed.", request_id=request.id, method=request.method, route=request.route)
            answer = respond.refusal(problems.internal_error(), request)
        finally:
            self._in_flight -= 1
        if len(answer.body) >= self._service.settings.gzip_bytes_min:
            answer = await respond.compressed(answer, request)
        await respond.send(answer, request, started, send)
        seconds = perf_counter() - started
        self._service.metrics.count(request, answer.status, seconds)
        logs.request_answered(request, answer.status, seconds)

    async def _answer(self, request: Request, started: float) -> Answer:
        # A queue without end helps nobody: past the limit the answer is no, at once.
        if self._in_flight > self._service.settings.requests_in_flight_max:
            raise problems.too_busy()
        require_sane_head(request, self._service.settings)
        handler = routes.find(request)
        if isinstance(handler, routes.Open):
            return await handler.handler(self._service, request)
        caller = await authenticate(self._service, request)
        request.timings["auth"] = perf_counter() - started
        if request.path.startswith(respond.ELEMENT_FACE):
            accept.require_json(request)
        return await handler(self._service, request, caller)


def _layers(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Pages of other origins if the settings let them call, and the client behind a proxy that we trust.

    Each costs a twentieth of a look-up, so only requests that one of them concerns pass through them.
    """
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if origins:
        app = CORSMiddleware(app, origins, ["*"], ["*"], expose_headers=EXPOSED_HEADERS, max_age=CORS_MAX_AGE_SECONDS)
    # uvicorn's own name for whom it trusts, and its default.
    trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
    return cast(ASGIApp, ProxyHeadersMiddleware(cast(ASGI3Application, app), trusted))


def _spare_collector() -> None:
    """What the process consists of stays: there is no point in looking through it for cycles again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)


def require_sane_head(request: Request, settings: Settings) -> None:
    """The address and the headers within their limits.

    Raises:
        Problem: 414 or 431.
    """
    if len(request.query) + len(request.path) > settings.url_bytes_max:
        raise problems.head_too_large(414, "path and query", settings.url_bytes_max)
    if sum(map(len, chain.from_iterable(request.headers))) > settings.header_bytes_max:
        raise problems.head_too_large(431, "headers", settings.header_bytes_max)


def sane_request_id(request: Request) -> str | None:
    """The client's own id for the request when it is sane."""
    given = request.header(b"x-request-id")
    return given if given is not None and SANE_REQUEST_ID.fullmatch(given) else None


class CannotListenError(Exception):
    """The address to serve on cannot be had."""


def serve(given: Settings, dsn: str) -> None:
    """Serve until SIGTERM or SIGINT; running requests end first.

    Raises:
        CannotListenError: the port is taken, or the host is not this machine's.
    """
    logs.configure(given.log_format)
    listener = _listener(given.host, given.port)
    _allow_open_files(given.connections_max)
    # Worker processes start from nothing but their environment.
    os.environ.update(settings.as_environment(given), **{DSN_VARIABLE: dsn})
    config = uvicorn.Config(
        "tieline.app:from_environment",
        factory=True,
        interface="asgi3",
        workers=given.workers,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # A layer of ours, for requests that come by a proxy.
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, given.shutdown_grace_ms // 1000),
        lifespan="on",
    )
    server = uvicorn.Server(config)
    url = _url(listener)
    threading.Thread(target=_announce, args=(url,), daemon=True).start()
    # uvicorn raises the signal that stopped it once more when all has ended; by then this is a clean exit.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    if given.workers == 1:
        server.run(sockets=[listener])
    else:
        Multiprocess(config, sockets=[listener]).run()


def _allow_open_files(connections_max: int) -> None:
    """A file for each connection, as far as the system lets us; at its limit nobody could connect, us included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections_max + SPARE_FILES
    if soft < wanted and soft != resource.RLIM_INFINITY:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def from_environment() -> App:
    """The application of a worker process."""
    given = settings.load({}, os.environ)
    logs.configure(given.log_format)
    set_limits(given)
    return App(given, os.environ[DSN_VARIABLE])


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, OverflowError) as error:
        raise CannotListenError(f"Cannot listen on {host}:{port}: {error}. Choose another --host or --port.") from error
    listener.set_inheritable(True)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(url: str) -> None:
    """Say on stdout that the server answers, once it does."""
    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    while True:
        try:
            with urllib.request.urlopen(f"{reachable}/readyz", timeout=READY_TIMEOUT_SECONDS):  # noqa: S310 our own
                break
        except OSError:
            time.sleep(READY_POLL_SECONDS)
    sys.stdout.write(f"Tieline is ready on {url}\n")
    sys.stdout.flush()
