"""The process: a socket, the limits of the system, workers, and the signals that end them."""

import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
import urllib.request
from multiprocessing.connection import wait
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess

from tieline import settings
from tieline.settings import Settings
from tieline.web import logs
from tieline.web.app import App
from tieline.web.protocol import BoundedProtocol, set_limits

READY_POLL_SECONDS = 0.02
READY_TIMEOUT_SECONDS = 5
WORKER_ANSWER_SECONDS = 1
# A worker whose parent is gone has this time beyond the grace for requests.
END_SECONDS = 10
# File descriptors beside those of clients: for connections that end, the database, logs, libraries.
SPARE_FILES = 500
# The environment variable with the DSN for worker processes.
DSN_VARIABLE = "TIELINE_WORKER_DSN"


class CannotListenError(Exception):
    """The server cannot listen on its address."""


class CannotStartError(Exception):
    """A worker process does not come up."""


class Workers(Multiprocess):
    """The worker processes. It inherits, against our custom, because uvicorn offers no other way in.

    uvicorn starts a worker anew whenever it ends, without end. One that ended by itself before it served would fail
    again: then all end.
    """

    has_failed = False
    _served: frozenset[int | None] = frozenset()

    def keep_subprocess_alive(self) -> None:
        """Look at each worker twice a second."""
        new = [one for one in self.processes if one.pid not in self._served]
        self._served |= {one.pid for one in new if one.process.is_alive() and one.is_ready(WORKER_ANSWER_SECONDS)}
        # The code of one that was killed by a signal is negative.
        if any(not one.process.is_alive() and (one.process.exitcode or 0) >= 0 for one in new):
            self.has_failed = True
            self.should_exit.set()
            return
        super().keep_subprocess_alive()


def serve(given: Settings, dsn: str) -> None:
    """Serve until SIGTERM or SIGINT; running requests end first.

    Raises:
        CannotListenError: the port is taken, or the host is not this machine's.
        CannotStartError: a worker process ended before it served.
    """
    logs.configure(given.log_format)
    listener = _listener(given.host, given.port)
    _allow_open_files(given.connections_max)
    # Worker processes get everything from their environment.
    os.environ.update(settings.as_environment(given), **{DSN_VARIABLE: dsn})
    config = uvicorn.Config(
        "tieline.serve:from_environment",
        factory=True,
        interface="asgi3",
        workers=given.workers,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # web/app.py does this, and only for requests that come by a proxy.
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, given.shutdown_grace_ms // 1000),
        lifespan="on",
    )
    server = uvicorn.Server(config)
    url = _url(listener)
    threading.Thread(target=_announce, args=(url,), daemon=True).start()
    # When all has ended, uvicorn raises the signal that stopped it again; then this is a clean exit.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    if given.workers == 1:
        server.run(sockets=[listener])
        return
    workers = Workers(config, sockets=[listener])
    workers.run()
    if workers.has_failed:
        raise CannotStartError("A worker process cannot start; the log says why.")


def _allow_open_files(connections_max: int) -> None:
    """Raise the limit of open files to one for each connection, as far as the system allows.

    At the limit nobody can connect, and the process cannot connect to the database.
    """
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
    parent = multiprocessing.parent_process()
    if parent is not None:
        last = given.shutdown_grace_ms / 1000 + END_SECONDS
        threading.Thread(target=_end_with, args=(parent.sentinel, last), daemon=True).start()
    return App(given, os.environ[DSN_VARIABLE])


def _end_with(parent: int, seconds_max: float) -> None:
    """End this worker when its parent has ended, which nobody would start anew: it would keep the port."""
    wait([parent])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds_max)
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except UnicodeError:
        raise CannotListenError(
            f"Cannot listen on {host!r}: this is no name of a host. Choose another --host."
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotListenError(
            f"Cannot listen on {host}:{port}: {reason}. Choose another --host or --port."
        ) from error
    listener.set_inheritable(True)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(url: str) -> None:
    """Print on stdout that the server is ready, once it answers."""
    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    while True:
        try:
            with urllib.request.urlopen(f"{reachable}/readyz", timeout=READY_TIMEOUT_SECONDS):  # noqa: S310 our own
                break
        except OSError:
            time.sleep(READY_POLL_SECONDS)
    sys.stdout.write(f"Tieline is ready on {url}\nThe documentation is on {reachable}/docs\n")
    sys.stdout.flush()
