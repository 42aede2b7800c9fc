"""A statement of the dialect on the database: in one round trip, or in a transaction around a verb of the store."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from tieline.dialect import answer as answers
from tieline.dialect import statement
from tieline.dialect.statement import Row, Statement
from tieline.postgres.connections import DatabaseError
from tieline.postgres.run import run_again, run_if_possible
from tieline.postgres.session import Session
from tieline.postgres.transactions import Connection, first_row
from tieline.problems import Problem
from tieline.store.batches.link_many import link_many_json
from tieline.web.server import Server

# PostgreSQL ends one of two statements that write the same rows in opposite order. Nothing of it stays: it may run
# again.
ATTEMPTS_MAX = 5

# A verb takes the company and the checked arguments, and gives its rows as JSON and their number.
Verb = Callable[[Connection, str, bytes], tuple[bytes, int]]
VERBS: Mapping[str, Verb] = {"link_many": link_many_json}


async def run(server: Server, session: Session, made: Statement) -> tuple[Row, Row | None]:
    """The row of a statement; then, where the answer needs it, the row of the estimate of how many rows there are.

    Raises:
        DatabaseError: PostgreSQL refused the statement.
        Problem: the verb refused the request, or the database is away or too slow.
    """
    function = made.function
    if function is not None and function.is_computed:
        work = partial(_compute, session.company_id, VERBS[function.name], made)
        return await server.transactions.run(session, work, rollback=made.is_undone), None
    rows = await run_again(
        server.connections,
        session,
        made.sql,
        # Functions that write repeat themselves.
        attempts_max=ATTEMPTS_MAX if function is None else 1,
        is_lookup=made.is_lookup,
        rollback=made.is_undone,
    )
    estimate = statement.estimate(made, rows[0])
    if estimate is None:
        return rows[0], None
    return rows[0], (await run_again(server.connections, session, estimate, attempts_max=ATTEMPTS_MAX))[0]


def _compute(company_id: str, verb: Verb, made: Statement, conn: Connection) -> Row:
    assert made.arguments is not None, "a function has arguments"
    rows, count = verb(conn, company_id, made.arguments)
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
