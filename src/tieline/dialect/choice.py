"""Filters alone, without a page: the rows that an export writes."""

from collections.abc import Iterable

import msgspec

from tieline.dialect import problems
from tieline.dialect.catalogue import RESOURCES
from tieline.dialect.plan import reads
from tieline.dialect.plan.resolve import Values
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.prefer import NONE
from tieline.dialect.request.query import Limits, parse
from tieline.dialect.request.syntax import Filter, Logic, Query
from tieline.dialect.sql.conditions import Placeholders
from tieline.dialect.sql.read import select
from tieline.problems import Problem
from tieline.sql.statement import Sql

ROWS_MAX = 2**62
# Matching each row with an expression may take any time, and an export has no limit of time.
SLOW = frozenset({"match", "imatch", "fts", "plfts", "phfts", "wfts"})


def chosen(path: str, query: str, company: str, limits: Limits) -> Sql:
    """The statement for the identities of a company's rows that the filters choose; its $1 is the company.

    >>> made = chosen("externalSystem", "active=is.true", "c1", Limits(9, 10))
    >>> print(made.text)
    select "externalSystem"."integration" as s1 from tieline."externalSystem" "externalSystem" where "externalSystem"."companyId" = $1 and "externalSystem"."active" limit $2

    Raises:
        Problem: the filters cannot be read, or there is something else than filters.
    """  # noqa: E501 - the statement is one line
    unbounded = msgspec.structs.replace(limits, page_rows_max=ROWS_MAX)
    _require_filters(parse(query, limits))
    values = Values(company)
    identity = RESOURCES[path].identity[0].name
    model = reads.plan(Asked("GET", path, f"select={identity}&{query}", NONE), values, unbounded)
    placeholders = Placeholders()
    text = select(model.node, placeholders)
    return Sql(text, tuple([values.held[slot] for slot in placeholders.slots]))


def refused(sqlstate: str, message: str, detail: str | None, hint: str | None) -> Problem:
    """The problem of filters that PostgreSQL refused, such as a time that is none."""
    return problems.from_database(sqlstate, message, detail, hint)


def _require_filters(query: Query) -> None:
    paths = [path for path, _ in (*query.filters, *query.logic)]
    others = (query.select, query.orders, query.spans, query.columns, query.on_conflict, any(paths))
    if any(others):
        raise problems.only_filters()
    tests = _tests([*(one for _, one in query.filters), *(one for _, one in query.logic)])
    slow = next((operator for operator in tests if operator in SLOW), None)
    if slow is not None:
        raise problems.filter_too_slow(slow)


def _tests(parts: Iterable[Filter | Logic]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, Filter):
            yield part.test.operator
        else:
            yield from _tests(part.operands)
