"""The mapping face: PostgREST's dialect over the catalogue's resources and functions, one round trip a request."""

import time
from functools import partial

from tieline import __version__
from tieline.dialect import answer as answers
from tieline.dialect import statement
from tieline.postgres.connections import DatabaseError
from tieline.web import running
from tieline.web.auth import Caller, require_scope
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server

# A byte of a query string takes as long to read as so many of a body.
QUERY_WEIGHT = 8


async def answer(server: Server, request: Request, caller: Caller, path: str) -> Answer:
    """The answer to any method at a path: a resource, `rpc/` and a function, or nothing for the description of both.

    Raises:
        Problem: the request cannot be read, is not allowed, or is refused by the database.
    """
    started = time.perf_counter()
    require_scope(caller, statement.scope(request.method, path))
    limit = server.settings.body_bytes_max
    body = await request.body(limit) if statement.reads_body(request.method, path, request.headers) else b""
    asked = statement.ask(request.method, path, request.query, request.headers, body)
    prepare = partial(statement.prepare, asked, caller.company_id, server.query_limits)
    made = await server.aside.run(caller.company_id, len(body) + QUERY_WEIGHT * len(request.query), prepare)
    if made is None:
        return Answer(*answers.fixed(asked, caller.scopes, __version__))
    prepared = time.perf_counter()
    request.timings["parse"] = prepared - started
    session = caller.session(request, asked.wishes.time_zone)
    try:
        row = await running.run(server, session, made, caller)
    except DatabaseError as error:
        raise await running.refusal(server, session, made, error) from error
    request.timings["database"] = time.perf_counter() - prepared
    return Answer(*answers.of(made, row))
