"""Is the process up, can it serve, and how is it doing?"""

from tieline import problems
from tieline.postgres.connections import DatabaseError
from tieline.postgres.lane import SINGLE
from tieline.postgres.migrate import shipped_migrations
from tieline.postgres.session import Session
from tieline.sql.statement import Sql, shipped
from tieline.web import metrics
from tieline.web.request import Request
from tieline.web.respond import JSON, Answer
from tieline.web.server import Server

HEADERS = (("content-type", JSON), ("cache-control", "no-store"))


async def alive(_server: Server, _request: Request) -> Answer:
    """The process answers."""
    return Answer(200, HEADERS, b'{"status":"ok"}')


async def ready(server: Server, request: Request) -> Answer:
    """The database answers too, and has the tables of this release.

    Raises:
        Problem: 503, it does not.
    """
    session = Session("", "", request.id)
    try:
        rows = await server.connections.run(Sql(shipped("health/migrations"), ()), session, lane=SINGLE)
    except DatabaseError as error:
        raise problems.database_unavailable() from error
    missing = set(shipped_migrations()) - {(row[0] or b"").decode() for row in rows}
    if missing or not server.connections.are_up:
        raise problems.not_ready(sorted(missing))
    return Answer(200, HEADERS, b'{"status":"ready"}')


async def numbers(server: Server, _request: Request) -> Answer:
    """What Prometheus collects."""
    return Answer(200, metrics.HEADERS, server.metrics.page())
