"""The endpoints that a supervisor and Prometheus ask: alive, ready, metrics."""

from tieline import problems
from tieline.postgres.connections import DatabaseError
from tieline.postgres.lane import SINGLE
from tieline.postgres.migrate import compare
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
    """The database answers too, and has the migrations and functions of this release.

    A function with another text does not count: while one server is updated, its functions serve the others too.

    Raises:
        Problem: 503, it does not.
    """
    session = Session("", "", request.id)
    try:
        rows = await server.connections.run(Sql(shipped("ledger/applied"), ()), session, lane=SINGLE)
    except DatabaseError as error:
        raise problems.database_unavailable() from error
    applied = (tuple((value or b"").decode() for value in row) for row in rows)
    found = compare((kind, name, checksum) for kind, name, checksum in applied)
    behind = [
        *(f"migration {name} is missing" for name in found.migrations.missing),
        *(f"migration {name} had another text" for name in found.migrations.changed),
        *(f"function {name} is missing" for name in found.functions.missing),
    ]
    if behind or not server.connections.are_up:
        raise problems.not_ready(behind)
    return Answer(200, HEADERS, b'{"status":"ready"}')


async def numbers(server: Server, _request: Request) -> Answer:
    """The page that Prometheus collects."""
    return Answer(200, metrics.HEADERS, server.metrics.page())
