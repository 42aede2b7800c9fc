"""A statement of the dialect on the database: in one round trip, or in a transaction around a verb of the store."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import msgspec

from tieline.dialect import answer as answers
from tieline.dialect import statement
from tieline.dialect.statement import Row, Statement
from tieline.postgres.connections import DatabaseError
from tieline.postgres.run import run_again, run_if_possible
from tieline.postgres.session import Session
from tieline.postgres.transactions import Connection, first_row
from tieline.problems import Problem
from tieline.store.batches.link_many import link_many_json
from tieline.store.batches.unlink_many import unlink_many_json
from tieline.web.auth import Caller
from tieline.web.server import Server
from tieline.wire.scopes import in_order

# PostgreSQL ends one of two statements that write the same rows in opposite order. Nothing of it stays: it may run
# again.
ATTEMPTS_MAX = 5

# A verb takes the company, the checked arguments and the most rows of a batch, and gives its rows as JSON and their
# number.
Verb = Callable[[Connection, str, bytes, int], tuple[bytes, int]]
VERBS: Mapping[str, Verb] = {
    "link_many": lambda conn, company_id, arguments, _: link_many_json(conn, company_id, arguments),
    "unlink_many": unlink_many_json,
}


async def run(server: Server, session: Session, made: Statement, caller: Caller) -> Row:
    """The row of a statement.

    Raises:
        DatabaseError: PostgreSQL refused the statement.
        Problem: the verb refused the request, or the database is away or too slow.
    """
    function = made.function
    if function is not None and function.is_computed:
        work = partial(_compute, session.company_id, server.settings.batch_rows_max, made)
        return await server.transactions.run(session, work, rollback=made.is_undone)
    is_of_caller = function is not None and function.of_caller
    rows = await run_again(
        server.connections,
        session,
        statement.computed(made, _facts(server, caller)) if is_of_caller else made.sql,
        # Functions that write repeat themselves.
        attempts_max=ATTEMPTS_MAX if function is None else 1,
        is_lookup=made.is_lookup,
        rollback=made.is_undone,
    )
    return rows[0]


def _facts(server: Server, caller: Caller) -> bytes:
    """What is known of a caller without asking the database, as JSON."""
    facts = {
        "keyId": caller.key_id,
        "keyName": caller.name,
        "scopes": in_order(caller.scopes),
        "rateLimitPerMinute": caller.rate_limit or server.settings.rate_limit_per_minute,
        "expiresAt": caller.expires_at,
    }
    return msgspec.json.encode(facts)


def _compute(company_id: str, rows_max: int, made: Statement, conn: Connection) -> Row:
    assert made.function is not None, "only a function is computed"
    assert made.arguments is not None, "a function has arguments"
    rows, count = VERBS[made.function.name](conn, company_id, made.arguments, rows_max)
    return statement.whole(made, rows, count) or first_row(conn, statement.computed(made, rows))


async def refusal(server: Server, session: Session, made: Statement, error: DatabaseError) -> Problem:
    """The problem of a statement that PostgreSQL refused."""
    explained = await _explain(server, session, made, error)
    fields = (error.sqlstate, error.message, error.detail, error.hint, error.constraint)
    problem = answers.problem(made, *fields, explained)
    spoiled = partial(answers.spoiled, made, error.sqlstate)
    details = await server.aside.run(session.company_id, len(made.asked.body), spoiled)
    return problem if details is None else replace(problem, details=details)


async def _explain(server: Server, session: Session, made: Statement, error: DatabaseError) -> Row | None:
    """The row that explains a refused write, such as the holder of a unique key; None if nothing can be said."""
    explanation = statement.explanation(made, error.sqlstate, error.constraint)
    rows = [] if explanation is None else await run_if_possible(server.connections, session, explanation)
    return rows[0] if rows else None
