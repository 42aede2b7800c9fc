"""A request → its statement, bound; for a simple read without parsing what was parsed before.

Reads that differ only in the values of plain filters (`entityId=eq.5`) have the same shape: the names and operators,
with the values left out, as they stand in the raw query string. What such a shape plans and compiles to is kept.
"""

from dataclasses import dataclass
from functools import lru_cache
from secrets import token_hex
from typing import LiteralString

from tieline.problems import Problem
from tieline.query.catalogue import RESOURCES, Resource
from tieline.query.compile import compile as compile_model
from tieline.query.compile import compiled
from tieline.query.model import Sql
from tieline.query.parse import Limits, decode
from tieline.query.plan import Asked, Plan, plan
from tieline.query.prefer import NONE

# As many shapes as clients may have in use at a time.
SHAPES_MAX = 2_000
# Of these the value is whatever stands behind the dot, and no value makes another statement.
_PLAIN = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "cs", "cd"})
# Stands where a value will: nothing that a client could send.
_MARKER = token_hex(16)

# A part of the query string as it is, or the name and operator of a filter whose value is left out.
Part = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan and its statement, ready to run."""

    plan: Plan
    statement: Sql


@dataclass(frozen=True, slots=True)
class _Template:
    """What the requests of a shape have in common; `positions` are the parameters that their values take."""

    plan: Plan
    text: LiteralString
    parameters: tuple[str | bytes | None, ...]
    positions: tuple[int, ...]


@lru_cache(SHAPES_MAX)
def _template(method: str, resource: str, accept: str | None, parts: tuple[Part, ...], limits: Limits) -> _Template:
    markers = [f"{_MARKER}{index}" for index, part in enumerate(parts) if not isinstance(part, str)]
    waiting = iter(markers)
    query = "&".join(part if isinstance(part, str) else f"{part[0]}={part[1]}.{next(waiting)}" for part in parts)
    planned = plan(Asked(method, resource, query, NONE, accept), "", limits)
    made = compiled(planned.model)
    parameters = made.bind(planned.values).parameters
    return _Template(planned, made.text, parameters, tuple(parameters.index(marker) for marker in markers))


def _parts(query: str, resource: Resource) -> tuple[tuple[Part, ...], list[str]]:
    """The shape of a query string and the values that it leaves out, as they were sent.

    >>> _parts("entityId=eq.a.b&select=id", RESOURCES["externalIntegrationMapping"])
    ((('entityId', 'eq'), 'select=id'), ['a.b'])
    """
    parts: list[Part] = []
    values: list[str] = []
    columns = resource.columns
    for part in query.split("&"):
        name, _, test = part.partition("=")
        operator, dot, value = test.partition(".")
        column = columns.get(name)
        # A boolean's value may be part of the statement's text.
        if dot and operator in _PLAIN and column is not None and column.type != "boolean":
            parts.append((name, operator))
            values.append(value)
        else:
            parts.append(part)
    return tuple(parts), values


def prepare(asked: Asked, company: str, limits: Limits) -> Prepared:
    """The statement that answers a request of this company's, bound to its values.

    >>> prepare(Asked("GET", "company", "select=id&name=eq.x%2Cy", NONE), "c1", Limits(9, 10)).statement.parameters
    ('c1', 'x,y', '10')
    """
    resource = RESOURCES.get(asked.resource)
    if (
        resource is not None
        and asked.wishes is NONE
        and asked.range is None
        and asked.method == "GET"
        # The other separator of parameters.
        and ";" not in asked.query
    ):
        parts, values = _parts(asked.query, resource)
        decoded = [decode(value) for value in values]
        try:
            template = _template(asked.method, asked.resource, asked.accept, parts, limits)
        except Problem:
            # Said again below, in the request's own words.
            template = None
        if template is not None:
            parameters = list(template.parameters)
            parameters[0] = company
            for position, value in zip(template.positions, decoded, strict=True):
                parameters[position] = value
            return Prepared(template.plan, Sql(template.text, tuple(parameters)))
    planned = plan(asked, company, limits)
    return Prepared(planned, compile_model(planned.model, planned.values))
