"""Statements that explain a refused write: the holder of a taken key, and the rows of a body that share a key.

PostgreSQL names the broken constraint. Under row-level security it names neither the key's values nor their holder.
"""

# ruff: noqa: S608 - every piece of text is a LiteralString, which the type checker proves

from collections.abc import Sequence
from typing import LiteralString

from tieline.dialect.catalogue import Column, Key, Resource
from tieline.dialect.plan.model import Insert, Update
from tieline.dialect.sql.conditions import Placeholders, Scope, truth, where
from tieline.dialect.sql.write import company_of, rows_of


def key_of(resource: Resource, constraint: str | None) -> Key | None:
    """The resource's unique key that this constraint holds."""
    return next((key for key in resource.keys if key.constraint == constraint), None)


def _described(values: Sequence[LiteralString]) -> LiteralString:
    return f"array_to_string(array[{', '.join([f'{value}::text' for value in values])}], ', ', 'null')"


def _holder(resource: Resource, key: Key, wanted: Sequence[LiteralString]) -> LiteralString:
    held: list[LiteralString] = [f"h.{c.sql} = {value}" for c, value in zip(key.columns, wanted, strict=True)]
    if key.condition is not None:
        held.append(truth(key.condition, "h"))
    return f"{resource.table} h on h.{company_of(resource).sql} = $1 and {' and '.join(held)}"


def _within(insert: Insert, key: Key) -> list[LiteralString]:
    """The conditions that a row b of the body is among those that the key holds."""
    found: list[LiteralString] = [f"b.{c.sql} is not null" for c in key.columns if c.is_nullable]
    rows = key.condition
    if rows is not None and rows.column in insert.body.columns:
        found.append(f"b.{rows.column.sql} is {'true' if rows.is_true else 'not true'}")
    return found


def compile_insert_holder(insert: Insert, key: Key, placeholders: Placeholders) -> LiteralString | None:
    """The taken values of the key and the holder's id, which is null if two rows of the body share the values.

    None: the body does not give the whole key.
    """
    given = set(insert.body.columns)
    if not set(key.columns) <= given:
        return None
    resource = insert.node.resource
    wanted: list[LiteralString] = [f"b.{c.sql}" for c in key.columns]
    identity = resource.identity[0].sql
    doubled: LiteralString = f"count(*) over (partition by {', '.join(wanted)}) > 1"
    chosen = " and ".join(_within(insert, key)) or "true"
    return (
        f"select {_described(wanted)}, h.{identity} from (select b.*, {doubled} as is_doubled"
        f" from {rows_of(insert.body, placeholders)} where {chosen}) b left join {_holder(resource, key, wanted)}"
        f" where h.{identity} is not null or b.is_doubled order by h.{identity} is null limit 1"
    )


def compile_update_holder(update: Update, key: Key, placeholders: Placeholders) -> LiteralString:
    """The same for an update. A column that the body leaves out has the row's own value."""
    resource = update.node.resource
    given: set[Column] = set(update.body.columns)
    wanted: list[LiteralString] = [f"b.{c.sql}" if c in given else f"r.{c.sql}" for c in key.columns]
    identity = resource.identity[0].sql
    chosen = where([f"r.{company_of(resource).sql} = $1"], update.where, Scope("r"), placeholders)
    return (
        f"select {_described(wanted)}, h.{identity} from {resource.table} r"
        f" cross join (select * from {rows_of(update.body, placeholders)} limit 1) b"
        f" left join {_holder(resource, key, wanted)} and h.{identity} <> r.{identity}"
        f"{chosen} order by h.{identity} is null limit 1"
    )


def compile_doubles(insert: Insert, placeholders: Placeholders) -> LiteralString | None:
    """The positions, from 1, of the first two rows of the body with the same key. None: the body gives no key."""
    if insert.conflict is None or not set(insert.conflict.key.columns) <= set(insert.body.columns):
        return None
    columns = ", ".join([f"b.{c.sql}" for c in insert.conflict.key.columns])
    # $1 is the company in every statement; this one has no other use for it.
    chosen = " and ".join(["$1::text is not null", *_within(insert, insert.conflict.key)])
    return (
        f"select min(b.n), (array_agg(b.n order by b.n))[2] from {rows_of(insert.body, placeholders, is_numbered=True)}"
        f" where {chosen} group by {columns} having count(*) > 1 order by 1 limit 1"
    )
