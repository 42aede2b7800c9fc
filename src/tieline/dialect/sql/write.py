"""Writes → SQL: one statement that writes, checks the number of rows, and makes the body of the answer."""

# ruff: noqa: S608 - every piece of text is a LiteralString, which the type checker proves

from collections.abc import Sequence
from typing import LiteralString

from tieline.dialect.catalogue import Column, Resource
from tieline.dialect.plan.model import Body, Conflict, Delete, Guards, Insert, Node, Rendering, Update, Write
from tieline.dialect.problems import NOT_SINGLE, PUT_MISMATCH, TOO_MANY
from tieline.dialect.sql.conditions import Placeholders, Scope, condition, where
from tieline.dialect.sql.read import select
from tieline.dialect.sql.rendering import is_named, rendered


def rows_of(given: Body, placeholders: Placeholders, *, is_numbered: bool = False) -> LiteralString:
    """A from item: the rows of the body as b; with `is_numbered`, their number is b.n."""
    if given.is_object and not given.columns:
        return "(values (1)) b"
    kind: LiteralString = "jsonb" if given.has_defaults else "json"
    parameter: LiteralString = f"{placeholders.of(given.slot)}::{kind}"
    if not given.columns:
        # '[{}, {}]' is two rows without columns.
        return f"json_array_elements({parameter}) b"
    source = parameter
    if given.has_defaults:
        defaults: list[LiteralString] = [f"'{c.name}', {c.default}" for c in given.columns if c.default is not None]
        built: LiteralString = f"jsonb_build_object({', '.join(defaults)})"
        source = (
            f"(select {built} || {parameter})"
            if given.is_object
            else f"(select jsonb_agg({built} || d.element) from jsonb_array_elements({parameter}) d(element))"
        )
    types = ", ".join([f"{c.sql} {c.type}" for c in given.columns])
    function: LiteralString = f"{kind}_to_record{'' if given.is_object else 'set'}"
    if not is_numbered:
        return f"{function}({source}) b({types})"
    names = ", ".join([c.sql for c in given.columns])
    return f"rows from ({function}({source}) as ({types})) with ordinality b({names}, n)"


def _refuse_company(resource: Resource) -> LiteralString:
    return f"tieline.refuse('42501', 'new row violates row-level security policy for table \"{resource.name}\"')"


def company_of(resource: Resource) -> Column:
    """The column with a row's company."""
    assert resource.company is not None, "only a function's result has none, and nothing writes into that"
    return resource.company


def _own(resource: Resource) -> LiteralString:
    return f'"{resource.name}".{company_of(resource).sql} = $1'


def _insert(insert: Insert, placeholders: Placeholders) -> LiteralString:
    resource = insert.node.resource
    company = company_of(resource)
    others = [c for c in insert.body.columns if c is not company]
    columns: list[LiteralString] = [company.sql]
    values: list[LiteralString] = ["$1::text"]
    for column in others:
        columns.append(column.sql)
        values.append(f"b.{column.sql}")
    text: LiteralString = f"insert into {resource.table} ({', '.join(columns)}) select {', '.join(values)}"
    keys: list[LiteralString] = [column.sql for column in _sorted_by(insert)]
    text += f" from {rows_of(insert.body, placeholders, is_numbered=bool(keys))}"
    conditions: list[LiteralString] = []
    if company in insert.body.columns:
        conditions.append(f"case when b.{company.sql} = $1 then true else {_refuse_company(resource)} end")
    for asked in insert.put:
        conditions.append(condition(asked, Scope("b"), placeholders))  # noqa: PERF401 - the type would be lost
    if conditions:
        text += f" where {' and '.join(conditions)}"
    if keys:
        text += f" order by {', '.join(keys)}, n"
    if insert.conflict is not None:
        text += _on_conflict(insert.conflict, resource, insert.body.columns)
    return text + f' returning {_returned(resource)}, "{resource.name}".xmax = 0 as is_new'


def _sorted_by(insert: Insert) -> tuple[Column, ...]:
    """The columns by which a batch that may meet existing rows is sorted.

    So all batches lock those rows in one order, and two of them never wait for each other.
    """
    body, conflict = insert.body, insert.conflict
    if conflict is None or body.is_object or not set(conflict.key.columns) <= set(body.columns):
        return ()
    return conflict.key.columns


def _told_apart_by(insert: Insert) -> tuple[Column, ...]:
    """The columns by which written rows are found again in the body. Rows outside a partial key may be alike in it."""
    assert insert.conflict is not None, "the body is sorted by the key of the conflict"
    given = set(insert.body.columns)
    keys = [insert.conflict.key, *insert.node.resource.keys[::-1]]
    return next((k.columns for k in keys if k.condition is None and set(k.columns) <= given), keys[0].columns)


def _as_in_body(insert: Insert, placeholders: Placeholders) -> LiteralString:
    """The written rows in the order of the body."""
    names = ", ".join([column.sql for column in _told_apart_by(insert)])
    rows = rows_of(insert.body, placeholders, is_numbered=True)
    numbered: LiteralString = f"select {names}, min(n) as n from {rows} group by {names}"
    return f"select w.* from written w left join ({numbered}) b using ({names}) order by b.n"


def _on_conflict(conflict: Conflict, resource: Resource, columns: Sequence[Column]) -> LiteralString:
    names = ", ".join([company_of(resource).sql, *(c.sql for c in conflict.key.columns)])
    target: LiteralString = f"({names})"
    rows = conflict.key.condition
    if rows is not None:
        # The predicate of the partial index. It cannot name the table.
        target += f" where {rows.column.sql}" if rows.is_true else f" where not {rows.column.sql}"
    if not conflict.is_merged or not columns:
        return f" on conflict {target} do nothing"
    changes: list[LiteralString] = [f"{c.sql} = excluded.{c.sql}" for c in columns]
    return f" on conflict {target} do update set {', '.join(changes)}"


def _returned(resource: Resource) -> LiteralString:
    return ", ".join([f'"{resource.name}".{c.sql}' for c in resource.columns.values()])


def _update(update: Update, placeholders: Placeholders) -> LiteralString:
    resource = update.node.resource
    own = _own(resource)
    if not update.body.columns:
        # Without columns to set, no row is changed and none is answered.
        return f"select {_returned(resource)} from {resource.table} where {own} and false"
    changes: list[LiteralString] = []
    for column in update.body.columns:
        value: LiteralString = f"b.{column.sql}"
        if column is resource.company:
            value = f"case when {value} = $1 then $1 else {_refuse_company(resource)}::text end"
        changes.append(f"{column.sql} = {value}")
    text: LiteralString = f"update {resource.table} set {', '.join(changes)}"
    # Only the first row of the body counts.
    text += f" from (select * from {rows_of(update.body, placeholders)} limit 1) b"
    return (
        text
        + where([own], update.where, Scope(f'"{resource.name}"'), placeholders)
        + f" returning {_returned(resource)}"
    )


def _delete(delete: Delete, placeholders: Placeholders) -> LiteralString:
    resource = delete.node.resource
    text: LiteralString = f"delete from {resource.table}"
    text += where([_own(resource)], delete.where, Scope(f'"{resource.name}"'), placeholders)
    return text + f" returning {_returned(resource)}"


def _guard(guards: Guards, placeholders: Placeholders) -> LiteralString:
    """An expression that fails the statement if the number of rows is not allowed, and is null otherwise."""
    cases: list[LiteralString] = []
    if guards.is_put:
        cases.append(f"when count(*) <> 1 then tieline.refuse('{PUT_MISMATCH}', 'put', count(*)::text)")
    if guards.is_single:
        cases.append(f"when count(*) <> 1 then tieline.refuse('{NOT_SINGLE}', 'single', count(*)::text)")
    if guards.affected_max is not None:
        bound = placeholders.of(guards.affected_max)
        cases.append(f"when count(*) > {bound}::bigint then tieline.refuse('{TOO_MANY}', 'affected', count(*)::text)")
    return f"case {' '.join(cases)} end" if cases else "null"


def _answer(
    node: Node,
    rendering: Rendering,
    guard: LiteralString,
    placeholders: Placeholders,
    *,
    source: LiteralString = "written",
) -> LiteralString:
    """A select over the written rows: their number, the body, and the guard."""
    if not rendering.has_body:
        return f"select count(*), null, {guard} from written"
    rows = select(node, placeholders, source=source, is_named=is_named(node, rendering))
    body, source = rendered(node, rendering, rows, placeholders)
    return f"select count(*), {body}, {guard} from {source}"


def _compile_insert(insert: Insert, guard: LiteralString, placeholders: Placeholders) -> LiteralString:
    identity = insert.node.resource.identity[0].sql
    written: LiteralString = f"written as ({_insert(insert, placeholders)})"
    source: LiteralString = "written"
    if insert.rendering.has_body and _sorted_by(insert):
        source = "answered"
        written += f", answered as materialized ({_as_in_body(insert, placeholders)})"
    answer = _answer(insert.node, insert.rendering, guard, placeholders, source=source)
    return (
        f"with {written} select a.*, (select count(*) from written where is_new),"
        f" (select min({identity}) from written having count(*) = 1) from ({answer}) a"
    )


def compile_write(write: Write, placeholders: Placeholders) -> LiteralString:
    """A statement with one row: the number of written rows, the body, the guard.

    An insert has two more columns: the number of new rows, and the identity of the row if it is the only one.
    """
    guard = _guard(write.guards, placeholders)
    if isinstance(write, Insert):
        return _compile_insert(write, guard, placeholders)
    answer = _answer(write.node, write.rendering, guard, placeholders)
    match write:
        case Update():
            return f"with written as ({_update(write, placeholders)}) {answer}"
        case _:
            return f"with written as ({_delete(write, placeholders)}) {answer}"
