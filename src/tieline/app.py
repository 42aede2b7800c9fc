"""The only wiring: settings → connections → service → the ASGI application that uvicorn serves."""

import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.request
from functools import partial
from secrets import token_hex
from time import perf_counter
from types import FrameType

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from tieline import logs, problems, routes, settings
from tieline.problems import Problem
from tieline.settings import Settings
from tieline.store import embedded
from tieline.store.callers import Callers
from tieline.store.connections import Connections
from tieline.web import respond
from tieline.web.auth import authenticate
from tieline.web.request import ClientGoneError, Receive, Request, Scope, Send
from tieline.web.respond import Answer
from tieline.web.service import Service

log = structlog.stdlib.get_logger()

SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=:-]{1,128}")
READY_POLL_SECONDS = 0.02
READY_TIMEOUT_SECONDS = 5
# How worker processes learn where the database is.
DSN_VARIABLE = "TIELINE_WORKER_DSN"


class App:
    """The ASGI application; it owns the process's connections from lifespan startup to shutdown."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        """`dsn`: the migrated database, embedded or not."""
        revive = None if settings.database_url else partial(embedded.ensure_running, settings.data_path)
        connections = Connections(dsn, settings, revive)
        self._service = Service(settings, connections, Callers(connections, settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the process."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._service.connections.open()
        self._service.callers.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._service.callers.close()
        await self._service.connections.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request = Request(scope, receive, request_id(scope))
        try:
            answer = await self._answer(request, started)
        except Problem as problem:
            answer = respond.refusal(problem, request)
        except ClientGoneError:
            return
        except Exception:
            log.exception("A request failed.", request_id=request.id, method=request.method, route=request.route)
            answer = respond.refusal(problems.internal_error(), request)
        await respond.send(answer, request, started, send)
        logs.request_answered(request, answer.status, perf_counter() - started)

    async def _answer(self, request: Request, started: float) -> Answer:
        handler = routes.find(request)
        if isinstance(handler, routes.Open):
            return await handler.handler(self._service, request)
        caller = await authenticate(self._service.callers, request)
        request.timings["auth"] = perf_counter() - started
        return await handler(self._service, request, caller)


def request_id(scope: Scope) -> str:
    """The client's own id for the request when it is sane, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SANE_REQUEST_ID.fullmatch(value):
            return value.decode()
    return token_hex(8)


class CannotListenError(Exception):
    """The address to serve on cannot be had."""


def serve(given: Settings, dsn: str) -> None:
    """Serve until SIGTERM or SIGINT; running requests end first.

    Raises:
        CannotListenError: the port is taken, or the host is not this machine's.
    """
    logs.configure(given.log_format)
    listener = _listener(given.host, given.port)
    # Worker processes start from nothing but their environment.
    os.environ.update(settings.as_environment(given), **{DSN_VARIABLE: dsn})
    config = uvicorn.Config(
        "tieline.app:from_environment",
        factory=True,
        workers=given.workers,
        log_config=None,
        access_log=False,
        server_header=False,
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


def from_environment() -> App:
    """The application of a worker process."""
    given = settings.load({}, os.environ)
    logs.configure(given.log_format)
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
