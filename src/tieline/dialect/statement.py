"""A request → its statement, bound; for a simple read without parsing what was parsed before.

Reads that differ only in the values of plain filters (`entityId=eq.5`) have the same shape: the names and operators,
with the values left out, as they stand in the raw query string. What such a shape plans and compiles to is kept.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from secrets import token_hex
from typing import LiteralString, cast

import msgspec

from tieline.dialect.catalogue import RESOURCES, Resource
from tieline.dialect.plan.plan import Asked, Plan, plan
from tieline.dialect.request.prefer import NONE
from tieline.dialect.request.query import Limits, decode
from tieline.dialect.sql.compile import compile as compile_model
from tieline.dialect.sql.compile import compiled
from tieline.problems import Problem
from tieline.sql.statement import Sql

# As many shapes as clients may have in use at a time.
SHAPES_MAX = 2_000
# Of these the value is whatever stands behind the dot, and no value makes another statement.
_PLAIN = "eq|neq|gt|gte|lt|lte|cs|cd"
# Stands where a value will: nothing that a client could send.
_MARKER = token_hex(16)

# A query string in pieces; where a value is left out stands none.
Shape = tuple[str | None, ...]


class Prepared(msgspec.Struct, frozen=True):
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
def _template(resource: str, accept: str | None, shape: Shape, limits: Limits) -> _Template:
    pieces = [f"{_MARKER}{index}" if piece is None else piece for index, piece in enumerate(shape)]
    markers = [piece for piece in pieces if piece.startswith(_MARKER)]
    planned = plan(Asked("GET", resource, "".join(pieces), NONE, accept), "", limits)
    made = compiled(planned.model)
    parameters = made.bind(planned.values).parameters
    return _Template(planned, made.text, parameters, tuple(parameters.index(marker) for marker in markers))


def _plain_filters(resource: Resource) -> re.Pattern[str]:
    # A boolean's value may be part of the statement's text.
    names = "|".join(column.name for column in resource.columns.values() if column.type != "boolean")
    return re.compile(f"(?:^|(?<=&))((?:{names})=(?:{_PLAIN})\\.)([^&]*)")


_PLAIN_FILTERS = {name: _plain_filters(resource) for name, resource in RESOURCES.items()}


def _shape(query: str, resource: str) -> tuple[Shape, list[str]]:
    """The shape of a query string and the values that it leaves out, as they were sent.

    >>> _shape("entityId=eq.a.b&select=id", "externalIntegrationMapping")
    (('', 'entityId=eq.', None, '&select=id'), ['a.b'])
    """
    pieces: list[str | None] = list(_PLAIN_FILTERS[resource].split(query))
    values = cast(list[str], pieces[2::3])
    pieces[2::3] = [None] * len(values)
    return tuple(pieces), values


def prepare(asked: Asked, company: str, limits: Limits) -> Prepared:
    """The statement that answers a request of this company's, bound to its values.

    >>> prepare(Asked("GET", "company", "select=id&name=eq.x%2Cy", NONE), "c1", Limits(9, 10)).statement.parameters
    ('c1', 'x,y', '10')
    """
    if (
        asked.resource in RESOURCES
        and asked.wishes is NONE
        and asked.range is None
        and asked.method == "GET"
        # The other separator of parameters.
        and ";" not in asked.query
    ):
        shape, values = _shape(asked.query, asked.resource)
        try:
            decoded = [decode(value) for value in values]
            template = _template(asked.resource, asked.accept, shape, limits)
        except Problem:
            # Said again below, in the request's own words and in the order of its parts.
            pass
        else:
            parameters = list(template.parameters)
            parameters[0] = company
            for position, value in zip(template.positions, decoded, strict=True):
                parameters[position] = value
            return Prepared(template.plan, Sql(template.text, tuple(parameters)))
    planned = plan(asked, company, limits)
    return Prepared(planned, compile_model(planned.model, planned.values))
