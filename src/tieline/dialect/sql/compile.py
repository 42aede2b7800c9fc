"""Model → text, once for each shape: statements are kept, as many as the bound allows, and values are put beside them.

The only place from which a statement's text comes. It is typed LiteralString all the way: a client's string in it
would not pass the type checker.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import LiteralString

from tieline.dialect.catalogue import Key
from tieline.dialect.plan.model import (
    Call,
    Insert,
    Model,
    Read,
    Slot,
    Update,
)
from tieline.dialect.sql.conflict import compile_doubles, compile_insert_holder, compile_update_holder
from tieline.dialect.sql.placeholders import Placeholders
from tieline.dialect.sql.read import compile_call, compile_plan, compile_read
from tieline.dialect.sql.write import compile_write
from tieline.sql.statement import Sql

# As many shapes as a client may have in use at a time; beyond, the one unused for longest is compiled anew.
SHAPES_MAX = 2_000
EXPLANATIONS_MAX = 100

Values = tuple[str | bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """Text, and which of a request's values its placeholders stand for."""

    text: LiteralString
    slots: tuple[Slot, ...]

    def bind(self, values: Values) -> Sql:
        """The statement with a request's values."""
        return Sql(self.text, tuple([values[slot] for slot in self.slots]))


def _compiled(text: LiteralString, placeholders: Placeholders) -> Compiled:
    return Compiled(text, tuple(placeholders.slots))


@lru_cache(SHAPES_MAX)
def compiled(model: Model) -> Compiled:
    """The statement of a model."""
    placeholders = Placeholders()
    match model:
        case Read():
            return _compiled(compile_read(model, placeholders), placeholders)
        case Call():
            return _compiled(compile_call(model, placeholders), placeholders)
        case _:
            return _compiled(compile_write(model, placeholders), placeholders)


@lru_cache(EXPLANATIONS_MAX)
def compiled_plan(read: Read) -> Compiled:
    """The statement that asks how many rows are expected."""
    placeholders = Placeholders()
    return _compiled(compile_plan(read, placeholders), placeholders)


@lru_cache(EXPLANATIONS_MAX)
def compiled_holder(write: Insert | Update, key: Key) -> Compiled | None:
    """The statement that asks who holds a key that the write wanted; none if the body does not give it."""
    placeholders = Placeholders()
    if isinstance(write, Update):
        return _compiled(compile_update_holder(write, key, placeholders), placeholders)
    text = compile_insert_holder(write, key, placeholders)
    return None if text is None else _compiled(text, placeholders)


@lru_cache(EXPLANATIONS_MAX)
def compiled_doubles(insert: Insert) -> Compiled | None:
    """The statement that asks which rows of the body have the same key."""
    placeholders = Placeholders()
    text = compile_doubles(insert, placeholders)
    return None if text is None else _compiled(text, placeholders)


def compile(model: Model, values: Values) -> Sql:  # noqa: A001 - what it does, as the design has it
    """The statement of a model with a request's values; the company is its $1.

    >>> from tieline.dialect.request.query import Limits
    >>> from tieline.dialect.plan.plan import Asked, plan
    >>> from tieline.dialect.request.prefer import Preferences
    >>> made = plan(Asked("GET", "company", "select=id&name=eq.x", Preferences()), "c1", Limits(9, 1000))
    >>> sql = compile(made.model, made.values)
    >>> print(sql.text)
    select count(*), null, coalesce(json_agg(p), '[]') from (select "company"."id" as "id" from tieline."company" "company" where "company"."id" = $1 and "company"."name" = $2 limit $3) p
    >>> sql.parameters
    ('c1', 'x', '1000')
    """  # noqa: E501 - the statement is one line
    return compiled(model).bind(values)
