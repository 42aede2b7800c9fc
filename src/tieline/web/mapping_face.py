"""The mapping face: PostgREST's dialect over the catalogue's resources and functions, one round trip a request."""

import time
from functools import partial

from tieline import __version__
from tieline.dialect import answer as answers
from tieline.dialect import statement
from tieline.postgres.connections import DatabaseError
from tieline.postgres.run import run_again, run_if_possible
from tieline.web.auth import Caller, require_scope
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server

BODIES = frozenset({"POST", "PATCH", "PUT"})

# Of two batches that write the same rows in opposite order, PostgreSQL ends one. Nothing of it stays: it can run again.
ATTEMPTS_MAX = 5


async def answer(server: Server, request: Request, caller: Caller, path: str) -> Answer:
    """The answer to any method at a path: a resource, `rpc/` and a function, or nothing for the description of both.

    Raises:
        Problem: the request cannot be read, is not allowed, or is refused by the database.
    """
    started = time.perf_counter()
    require_scope(caller, statement.scope(request.method, path))
    body = await request.body(server.settings.body_bytes_max) if request.method in BODIES else b""
    asked = statement.ask(request.method, path, request.query, request.headers, body)
    made = statement.prepare(asked, caller.company_id, server.query_limits)
    if made is None:
        return Answer(*answers.fixed(asked, caller.scopes, __version__))
    prepared = time.perf_counter()
    request.timings["parse"] = prepared - started
    session = caller.session(request, asked.wishes.time_zone)
    # Functions that write repeat themselves.
    attempts_max = ATTEMPTS_MAX if made.function is None else 1
    run = partial(run_again, server.connections, session, attempts_max=attempts_max, is_lookup=made.is_lookup)
    try:
        row = (await run(made.sql, rollback=made.is_undone))[0]
        estimate = statement.estimate(made, row)
        estimated = None if estimate is None else (await run(estimate))[0]
    except DatabaseError as error:
        explanation = statement.explanation(made, error.sqlstate, error.constraint)
        rows = [] if explanation is None else await run_if_possible(server.connections, session, explanation)
        explained = rows[0] if rows else None
        fields = (error.sqlstate, error.message, error.detail, error.hint, error.constraint)
        raise answers.problem(made, *fields, explained) from error
    request.timings["database"] = time.perf_counter() - prepared
    return Answer(*answers.of(made, row, estimated))
