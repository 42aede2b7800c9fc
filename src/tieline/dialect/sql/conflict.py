"""Why a write was refused: statements that are asked after one failed on a unique key.

PostgreSQL names the broken constraint but, under row-level security, neither the key nor the row that holds it.
"""

# ruff: noqa: S608 - every piece of text is a LiteralString, which the type checker proves

from collections.abc import Sequence
from typing import LiteralString

from tieline.dialect.catalogue import Column, Key, Resource
from tieline.dialect.plan.model import Insert, Update
from tieline.dialect.sql.conditions import Scope, where
from tieline.dialect.sql.placeholders import Placeholders
from tieline.dialect.sql.write import company_of, rows_of


def key_of(resource: Resource, constraint: str | None) -> Key | None:
    """The key of this constraint."""
    return next((key for key in resource.keys if key.constraint == constraint), None)


def _described(values: Sequence[LiteralString]) -> LiteralString:
    return f"array_to_string(array[{', '.join([f'{value}::text' for value in values])}], ', ', 'null')"


def _holder(resource: Resource, key: Key, wanted: Sequence[LiteralString]) -> LiteralString:
    held: list[LiteralString] = [f"h.{c.sql} = {value}" for c, value in zip(key.columns, wanted, strict=True)]
    if key.constraint == "externalIntegrationMapping_externalId_key":
        held.append('not h."allowDuplicateExternalId"')
    return f"{resource.table} h on h.{company_of(resource).sql} = $1 and {' and '.join(held)}"


def compile_insert_holder(insert: Insert, key: Key, placeholders: Placeholders) -> LiteralString | None:
    """The key's values and the id of the row that holds it; of rows within the body there is none."""
    given = set(insert.body.columns)
    if not set(key.columns) <= given:
        return None
    resource = insert.node.resource
    wanted: list[LiteralString] = [f"b.{c.sql}" for c in key.columns]
    identity = resource.identity[0].sql
    doubled: LiteralString = f"count(*) over (partition by {', '.join(wanted)}) > 1"
    return (
        f"select {_described(wanted)}, h.{identity} from (select b.*, {doubled} as is_doubled"
        f" from {rows_of(insert.body, placeholders)}) b left join {_holder(resource, key, wanted)}"
        f" where h.{identity} is not null or b.is_doubled order by h.{identity} is null limit 1"
    )


def compile_update_holder(update: Update, key: Key, placeholders: Placeholders) -> LiteralString:
    """The same for an update: what the body leaves out is the row's own."""
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
    """The positions, from 1, of the first two rows of the body that have the same key."""
    if insert.conflict is None or not set(insert.conflict.key.columns) <= set(insert.body.columns):
        return None
    columns = ", ".join([f"b.{c.sql}" for c in insert.conflict.key.columns])
    return (
        f"select min(b.n), (array_agg(b.n order by b.n))[2] from {rows_of(insert.body, placeholders, is_numbered=True)}"
        # The company has nothing to do with it, but $1 stands for it everywhere.
        f" where $1::text is not null group by {columns} having count(*) > 1 order by 1 limit 1"
    )
