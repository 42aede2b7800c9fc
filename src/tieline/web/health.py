"""The endpoints that a supervisor and Prometheus ask: alive, ready, metrics."""

from tieline import problems
from tieline.web import metrics
from tieline.web.request import Request
from tieline.web.respond import JSON, Answer
from tieline.web.server import Server

HEADERS = (("content-type", JSON), ("cache-control", "no-store"))


async def alive(_server: Server, _request: Request) -> Answer:
    """The process answers."""
    return Answer(200, HEADERS, b'{"status":"ok"}')


async def ready(server: Server, _request: Request) -> Answer:
    """The database answers too, and has the migrations and functions of this release.

    A function with another text does not count: while one server is updated, its functions serve the others too.

    Raises:
        Problem: 503, it does not.
    """
    behind = await server.readiness.behind()
    if behind or not server.connections.are_up:
        raise problems.not_ready(behind)
    return Answer(200, HEADERS, b'{"status":"ready"}')


async def numbers(server: Server, _request: Request) -> Answer:
    """The page that Prometheus collects."""
    return Answer(200, metrics.HEADERS, server.metrics.page())
