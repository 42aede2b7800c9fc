"""The mapping face: PostgREST's dialect over the resources of the catalogue, in one round trip a request."""

import time
from collections.abc import Awaitable
from importlib.metadata import version
from urllib.parse import quote

import msgspec

from tieline.dialect import openapi, problems
from tieline.dialect.catalogue import FUNCTIONS
from tieline.dialect.plan import plan as planning
from tieline.dialect.plan.calls import plan_call
from tieline.dialect.plan.model import Insert, Read, Update
from tieline.dialect.plan.plan import Asked, Plan
from tieline.dialect.request import media, prefer, ranges
from tieline.dialect.request.prefer import Preferences
from tieline.dialect.sql import compile as compiling
from tieline.dialect.sql.conflict import key_of
from tieline.dialect.sql.read import REFUSED_NOT_SINGLE
from tieline.dialect.sql.write import REFUSED_PUT_MISMATCH, REFUSED_TOO_MANY
from tieline.dialect.statement import prepare
from tieline.postgres import run as constraints
from tieline.postgres.connections import DatabaseError, Row
from tieline.postgres.lane import POINT, SINGLE
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.sql.statement import Sql
from tieline.web.auth import Caller, require_scope
from tieline.web.request import Headers, Request
from tieline.web.respond import Answer
from tieline.web.server import Server

ALLOW = "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
SCHEMA = "public"
OPENAPI = "application/openapi+json"
WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
BODIES = frozenset({"POST", "PATCH", "PUT"})

# Two batches that write the same rows in opposite order wait for each other: PostgreSQL ends one, of which nothing
# stays, and it can go again.
ATTEMPTS_MAX = 5
# What tieline.link_many refuses itself with when it is atomic and a row cannot land.
REFUSED_BATCH = "TL130"

VARY = ("vary", "Accept, Prefer, Range")


async def answer(server: Server, request: Request, caller: Caller, path: str) -> Answer:
    """Any method on what stands at this path: a resource, a function, or nothing for the description of both.

    Raises:
        Problem: whatever is wrong with the request, or with the rows it would leave behind.
    """
    if "/" in path:
        kind, _, name = path.partition("/")
        if kind != "rpc" or "/" in name:
            raise problems.path_invalid()
        return await call(server, request, caller, name)
    return await _on_resource(server, request, caller, path) if path else describe(request, caller)


def describe(request: Request, caller: Caller) -> Answer:
    """The OpenAPI description of what the caller may use."""
    if request.method == "OPTIONS":
        return Answer(200, [("allow", "OPTIONS,GET,HEAD")])
    if request.method not in {"GET", "HEAD"}:
        raise problems.method_unknown(request.method)
    require_scope(caller, "api.read")
    accept = request.header(b"accept")
    wanted = [OPENAPI] if accept is None else media.accepted(accept)
    if not any(kind in {OPENAPI, "application/json", "*/*"} for kind in wanted):
        raise problems.not_acceptable(wanted)
    body = msgspec.json.encode(openapi.describe(caller.scopes, version("tieline")))
    return Answer(200, [("content-type", f"{OPENAPI}; charset=utf-8"), VARY], body)


async def _on_resource(server: Server, request: Request, caller: Caller, resource: str) -> Answer:
    started = time.perf_counter()
    method = request.method
    if method not in planning.METHODS and method != "OPTIONS":
        raise problems.method_unknown(method)
    require_scope(caller, "api.write" if method in WRITES else "api.read")
    asked = await _asked(request, resource, server.settings.body_bytes_max)
    prepared = prepare(asked, caller.company_id, server.query_limits)
    if method == "OPTIONS":
        return Answer(200, [("allow", ALLOW)])
    plan, statement = prepared.plan, prepared.statement
    parsed = time.perf_counter()
    request.timings["parse"] = parsed - started
    session = caller.session(request, asked.wishes.time_zone)
    if isinstance(plan.model, Read):
        made = await _read(server, session, asked, plan, statement)
    else:
        made = await _write(server, session, asked, plan, statement)
    request.timings["database"] = time.perf_counter() - parsed
    return made


async def call(server: Server, request: Request, caller: Caller, function: str) -> Answer:
    """A function under /rpc/, by GET with its arguments in the query or by POST with them in the body.

    Raises:
        Problem: whatever is wrong with the call.
    """
    started = time.perf_counter()
    known = FUNCTIONS.get(function)
    is_read_only = known is None or known.is_read_only
    require_scope(caller, "api.read" if is_read_only else "api.write")
    if request.method == "OPTIONS" and known is not None:
        return Answer(200, [("allow", "OPTIONS,GET,HEAD,POST" if is_read_only else "OPTIONS,POST")])
    if not is_read_only and request.method != "POST":
        raise problems.method_not_for_functions(request.method)
    asked = await _asked(request, function, server.settings.body_bytes_max)
    plan = plan_call(asked, caller.company_id, server.query_limits)
    statement = compiling.compile(plan.model, plan.values)
    parsed = time.perf_counter()
    request.timings["parse"] = parsed - started
    session = caller.session(request, asked.wishes.time_zone)
    try:
        # Once: functions that write start over by themselves.
        rollback = asked.wishes.transaction == "rollback"
        rows = await constraints.run_again(server.connections, session, statement, attempts_max=1, rollback=rollback)
    except DatabaseError as error:
        if error.sqlstate == REFUSED_BATCH:
            raise problems.batch_refused(error.message, error.detail or "[]") from error
        if error.sqlstate == REFUSED_NOT_SINGLE:
            raise problems.not_single(error.detail or "") from error
        raise problems.from_database(error.sqlstate, error.message, error.detail, error.hint) from error
    request.timings["database"] = time.perf_counter() - parsed
    page, total, body = rows[0]
    return _page(asked, plan, _number(page), None if total is None else _number(total), body)


async def _asked(request: Request, resource: str, body_bytes_max: int) -> Asked:
    method, header = request.method, request.header
    profile = header(b"accept-profile" if method in {"GET", "HEAD"} else b"content-profile")
    if profile is not None and profile != SCHEMA:
        raise problems.schema_unknown(profile)
    wishes = [value.decode("latin-1") for name, value in request.headers if name == b"prefer"]
    try:
        query = request.query.decode()
    except UnicodeDecodeError as error:
        raise problems.invalid_bytes(request.query[error.start : error.end]) from None
    body = await request.body(body_bytes_max) if method in BODIES else b""
    return Asked(
        method,
        resource,
        query,
        prefer.parse(wishes),
        header(b"accept") or None,
        header(b"content-type"),
        header(b"range"),
        body,
    )


def _number(value: bytes | None) -> int:
    return int(value or b"0")


def _headers(asked: Asked, wishes: Preferences) -> Headers:
    applied = prefer.applied(wishes, asked.method)
    return [] if applied is None else [("preference-applied", applied)]


def _run(
    server: Server, session: Session, statement: Sql, *, lane: str = SINGLE, rollback: bool = False
) -> Awaitable[list[Row]]:
    return constraints.run_again(
        server.connections, session, statement, attempts_max=ATTEMPTS_MAX, lane=lane, rollback=rollback
    )


async def _read(server: Server, session: Session, asked: Asked, plan: Plan, statement: Sql) -> Answer:
    read = plan.model
    assert isinstance(read, Read), "only a read is answered here"
    try:
        rows = await _run(server, session, statement, lane=POINT if read.is_lookup else SINGLE)
        page, total, body = rows[0]
        found = _number(page)
        counted = await _total(server, session, asked, plan, total)
    except DatabaseError as error:
        raise problems.from_database(error.sqlstate, error.message, error.detail, error.hint) from error
    return _page(asked, plan, found, counted, body)


def _page(asked: Asked, plan: Plan, found: int, counted: int | None, body: bytes | None) -> Answer:
    """The answer with the rows that were asked for, of so many."""
    if plan.form.is_singular and found != 1:
        raise problems.not_single(str(found))
    status = ranges.status(plan.first_row, found, counted)
    headers: Headers = [
        ("content-type", plan.form.content_type),
        ("content-range", ranges.content_range(plan.first_row, found, counted)),
        VARY,
        *_headers(asked, asked.wishes),
    ]
    return Answer(status, headers, body or b"")


async def _total(server: Server, session: Session, asked: Asked, plan: Plan, counted: bytes | None) -> int | None:
    """How many rows there are in all. What is planned for is asked of PostgreSQL separately, and only if it matters."""
    wanted = asked.wishes.count
    if wanted is None:
        return None
    if wanted == "exact":
        return _number(counted)
    if wanted == "estimated" and _number(counted) <= server.settings.page_rows_max:
        return _number(counted)
    assert isinstance(plan.model, Read), "only reads are counted"
    explained = await _run(server, session, compiling.compiled_plan(plan.model).bind(plan.values))
    planned = int(msgspec.json.decode(explained[0][0] or b"[]")[0]["Plan"]["Plan Rows"])
    return max(planned, _number(counted))


async def _write(server: Server, session: Session, asked: Asked, plan: Plan, statement: Sql) -> Answer:
    rollback = asked.wishes.transaction == "rollback"
    try:
        rows = await _run(server, session, statement, rollback=rollback)
    except DatabaseError as error:
        raise await _write_problem(server, session, plan, error) from error
    row = rows[0]
    written = _number(row[0])
    body = row[1] or b""
    headers = _headers(asked, asked.wishes)
    if asked.method == "POST":
        if asked.wishes.returned == "headers-only" and row[4] is not None:
            headers.append(("location", _location(asked.resource, plan, row[4])))
        headers.append(("content-range", ranges.content_range(1, 0, _counted(asked, written))))
        status = 200 if asked.wishes.resolution == "merge-duplicates" and _number(row[3]) == 0 else 201
        return _with_body(status, headers, plan, asked, body)
    if asked.method == "PUT":
        status = 201 if _number(row[3]) > 0 else 200
        return _with_body(status if asked.wishes.returned == "representation" else 204, headers, plan, asked, body)
    shown = written if asked.method == "PATCH" else 0
    headers.append(("content-range", ranges.content_range(0, shown, _counted(asked, written))))
    return _with_body(200 if asked.wishes.returned == "representation" else 204, headers, plan, asked, body)


def _counted(asked: Asked, written: int) -> int | None:
    return None if asked.wishes.count is None else written


def _with_body(status: int, headers: Headers, plan: Plan, asked: Asked, body: bytes) -> Answer:
    if asked.wishes.returned != "representation":
        return Answer(status, headers)
    return Answer(status, [*headers, ("content-type", plan.form.content_type), VARY], body)


def _location(resource: str, plan: Plan, identity: bytes) -> str:
    assert isinstance(plan.model, Insert), "only an insert has a location"
    column = plan.model.node.resource.identity[0].name
    return f"/{resource}?{column}=eq.{quote(identity.decode(), safe='')}"


async def _write_problem(server: Server, session: Session, plan: Plan, error: DatabaseError) -> Problem:
    """What a refused write is told; about a taken key PostgreSQL is asked again, as it keeps to itself who holds it."""
    detail = error.detail or ""
    if error.sqlstate == REFUSED_NOT_SINGLE:
        return problems.not_single(detail)
    if error.sqlstate == REFUSED_TOO_MANY:
        return problems.too_many_affected(detail)
    if error.sqlstate == REFUSED_PUT_MISMATCH:
        return problems.put_mismatch()
    problem = problems.from_database(error.sqlstate, error.message, error.detail, error.hint)
    if error.sqlstate == "23505":
        await _name_holder(server, session, plan, error, problem)
    elif error.sqlstate == "21000":
        await _name_doubles(server, session, plan, problem)
    return problem


async def _explained(server: Server, session: Session, statement: Sql) -> Row | None:
    """An explanation's row. The error stands without it, if the explanation fails."""
    try:
        rows = await server.connections.run(statement, session, lane=SINGLE)
    except (DatabaseError, Problem):
        return None
    return rows[0] if rows else None


async def _name_holder(server: Server, session: Session, plan: Plan, error: DatabaseError, problem: Problem) -> None:
    model = plan.model
    if not isinstance(model, Insert | Update):
        return
    key = key_of(model.node.resource, error.constraint)
    explanation = None if key is None else compiling.compiled_holder(model, key)
    if key is None or explanation is None:
        return
    row = await _explained(server, session, explanation.bind(plan.values))
    if row is None:
        return
    names = ", ".join(column.name for column in key.columns)
    values, holder = ((value or b"").decode() for value in row)
    problem.details = f"Key ({names})=({values}) already exists."
    if row[1] is not None:
        problem.hint = f"It is held by the row whose {model.node.resource.identity[0].name} is {holder}"


async def _name_doubles(server: Server, session: Session, plan: Plan, problem: Problem) -> None:
    explanation = compiling.compiled_doubles(plan.model) if isinstance(plan.model, Insert) else None
    row = None if explanation is None else await _explained(server, session, explanation.bind(plan.values))
    if row is not None:
        first, second = ((value or b"").decode() for value in row)
        problem.details = f"Rows {first} and {second} of the body have the same key."
