"""Reads and calls → SQL: the rows of a node with its embedded resources, their number, and the body."""

# ruff: noqa: S608 - every piece of text is a LiteralString, which the type checker proves

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from tieline.dialect.catalogue import Resource
from tieline.dialect.plan.model import (
    Call,
    Condition,
    Embed,
    EmbedTest,
    Group,
    Node,
    Output,
    OutputKey,
    Read,
    result_keys,
)
from tieline.dialect.problems import NOT_SINGLE
from tieline.dialect.sql.conditions import Placeholders, Scope, digits, expression, ordering, result_name, where
from tieline.dialect.sql.rendering import fitting, is_named, object_of, rendered, weighed_by, within


@dataclass(frozen=True, slots=True)
class Result:
    """A value of a row. An aggregated one is the value of several rows."""

    key: OutputKey
    sql: LiteralString
    is_aggregated: bool = False


def _cast(text: LiteralString, cast: LiteralString | None) -> LiteralString:
    return text if cast is None else f"cast({text} as {cast})"


def _aggregated(output: Output, text: LiteralString) -> LiteralString:
    assert output.aggregate is not None, "the callers have looked"
    return _cast(f"{output.aggregate}({text})", output.aggregate_cast)


def _own(
    output: Output, resource: Resource, alias: LiteralString, placeholders: Placeholders, *, is_spread: bool
) -> Result:
    """An output of the node itself. The aggregate of a spread node is made by its parent, over the parent's rows."""
    if output.expression is None:
        count: LiteralString = "true" if is_spread else _cast("count(*)", output.aggregate_cast)
        return Result(output.key, count, is_aggregated=not is_spread)
    is_stored = resource.company is not None
    text = _cast(expression(output.expression, alias, placeholders, is_shown=is_stored), output.cast)
    if output.aggregate is None or is_spread:
        return Result(output.key, text)
    return Result(output.key, _aggregated(output, text), is_aggregated=True)


def aggregates(node: Node) -> list[Output | None]:
    """For each result of a spread node: the output whose aggregate the parent makes, or None."""
    found: list[Output | None] = [output if output.aggregate else None for output in node.outputs]
    for embed in node.embeds:
        if embed.is_spread:
            found += aggregates(embed.node)
        elif not embed.is_hidden:
            found.append(None)
    return found


def _embedded(embed: Embed, alias: LiteralString, placeholders: Placeholders, *, in_spread: bool) -> list[Result]:
    """The results that an embedded resource adds to its parent's."""
    keys = result_keys(embed.node)
    is_to_one = embed.relationship.is_to_one
    if embed.is_hidden:
        return []
    if not embed.is_spread:
        text: LiteralString = (
            f"case when {alias}.present then {object_of(keys, alias, placeholders)}::jsonb end"
            if is_to_one
            else f"coalesce({alias}.s1, '[]')"
        )
        return [Result(embed.key, text)]
    if not is_to_one:
        return [Result(key, f"coalesce({alias}.{result_name(i)}, '[]')") for i, key in enumerate(keys)]
    results: list[Result] = []
    for index, (key, output) in enumerate(zip(keys, aggregates(embed.node), strict=True)):
        value: LiteralString = f"{alias}.{result_name(index)}"
        if output is None or in_spread:
            results.append(Result(key, value))
        else:
            results.append(Result(key, _aggregated(output, value), is_aggregated=True))
    return results


def _tie(embed: Embed, parent: Node, parent_alias: LiteralString, table: LiteralString) -> LiteralString | None:
    """The condition that ties embedded rows to their parent's row; None if both are tied to the company by it."""
    relationship = embed.relationship
    if relationship.column is parent.resource.company and relationship.foreign_column is embed.node.resource.company:
        return None
    return f"{table}.{relationship.foreign_column.sql} = {parent_alias}.{relationship.column.sql}"


def _join(embed: Embed, parent: Node, alias: LiteralString, placeholders: Placeholders, *, depth: int) -> LiteralString:
    """The join for an embedded resource's results. Where these are the same for all rows, they are made once."""
    tie = _tie(embed, parent, alias_of(parent, depth - 1), alias_of(embed.node, depth))
    kind: LiteralString = "inner" if embed.is_inner else "left"
    rows = select(embed.node, placeholders, tie=tie, is_embedded=True, is_spread=embed.is_spread, depth=depth)
    item = placeholders.alias()
    source: LiteralString = f"({rows}) {item}{fitting(embed.node, item, embed.bytes_max, placeholders)}"
    condition_: LiteralString = "true"
    if embed.relationship.is_to_one:
        rows = f"select * from {source}"
    else:
        rows = _gathered(embed, source, item, placeholders)
        condition_ = f"{alias}.present" if embed.is_inner else "true"
    if tie is None:
        return f" {kind} join (with c as materialized ({rows}) select * from c) {alias} on {condition_}"
    return f" {kind} join lateral ({rows}) {alias} on {condition_}"


def _gathered(embed: Embed, source: LiteralString, item: LiteralString, placeholders: Placeholders) -> LiteralString:
    """The embedded rows of one row as one value, or as one array for each result of a spread resource.

    The statement ends at the row with which they become too large.
    """
    keys = result_keys(embed.node)
    object_: LiteralString = f"{object_of(keys, item, placeholders)}::jsonb"
    names: list[LiteralString] = ["s1"]
    made: LiteralString = f"select {object_} as s1 from {source}"
    whole: LiteralString = "s1"
    if embed.is_spread:
        names = [result_name(i) for i in range(len(keys))]
        made, whole = f"select *, {object_} as whole from {source}", "whole"
    fits = within("w.size", embed.bytes_max, placeholders)
    values: list[LiteralString] = [f"jsonb_agg(w.{name}) filter (where {fits}) as {name}" for name in names]
    gathered = ", ".join([*values, "count(*) > 0 as present"])
    return f"select {gathered} from {weighed_by(made, 'pg_column_size', whole)}"


def alias_of(node: Node, depth: int) -> LiteralString:
    """The alias of a node's rows, the same as PostgREST's: PostgreSQL's errors quote it."""
    return f'"{node.resource.name}_{digits(depth)}"' if depth else f'"{node.resource.name}"'


def _ties(node: Node, alias: LiteralString, tie: LiteralString | None) -> list[LiteralString]:
    """The conditions that tie a row to its parent's row and to the company."""
    company = node.resource.company
    ties: list[LiteralString] = [] if tie is None else [tie]
    if company is not None:
        ties.append(f"{alias}.{company.sql} = $1")
    return ties


def select(
    node: Node,
    placeholders: Placeholders,
    *,
    source: LiteralString | None = None,
    tie: LiteralString | None = None,
    is_embedded: bool = False,
    is_spread: bool = False,
    is_named: bool = False,
    depth: int = 0,
) -> LiteralString:
    """The rows of a node. Its results are called s1 to sn, or have their own names if `is_named`.

    `source` replaces the table, `tie` ties the rows to the parent's row.
    """
    alias = alias_of(node, depth)
    embed_aliases: list[LiteralString] = [placeholders.alias() for _ in node.embeds]
    results = [_own(o, node.resource, alias, placeholders, is_spread=is_spread) for o in node.outputs]
    for embed, embed_alias in zip(node.embeds, embed_aliases, strict=True):
        results += _embedded(embed, embed_alias, placeholders, in_spread=is_spread)
    columns: list[LiteralString] = [
        f'{r.sql} as "{r.key.word}"' if is_named and r.key.word else f"{r.sql} as {result_name(i)}"
        for i, r in enumerate(results)
    ]
    if is_embedded:
        columns.append("true as present")
    joins: list[LiteralString] = [
        _join(embed, node, embed_alias, placeholders, depth=depth + 1)
        for embed, embed_alias in zip(node.embeds, embed_aliases, strict=True)
    ]
    present: list[LiteralString] = [f"({embed_alias}.present is true)" for embed_alias in embed_aliases]
    scope = Scope(alias, present)
    text: LiteralString = f"select {', '.join(columns) or 'true'} from {source or node.resource.table} {alias}"
    text += "".join(joins) + where(_ties(node, alias, tie), node.where, scope, placeholders)
    if any(r.is_aggregated for r in results):
        grouped: list[LiteralString] = [digits(i + 1) for i, r in enumerate(results) if not r.is_aggregated]
        if grouped:
            text += f" group by {', '.join(grouped)}"
    return text + _page(node, embed_aliases, alias, placeholders)


def _page(
    node: Node, embed_aliases: Sequence[LiteralString], alias: LiteralString, placeholders: Placeholders
) -> LiteralString:
    """The order of the rows, and those that are asked for."""
    text: LiteralString = ""
    if node.order:
        terms: list[LiteralString] = [ordering(o, alias, embed_aliases, placeholders) for o in node.order]
        text += f" order by {', '.join(terms)}"
    if node.limit is not None:
        text += f" limit {placeholders.of(node.limit)}"
    if node.offset is not None:
        text += f" offset {placeholders.of(node.offset)}"
    return text


def _exists(embed: Embed, parent: Node, placeholders: Placeholders, *, depth: int) -> LiteralString:
    tie = _tie(embed, parent, alias_of(parent, depth - 1), alias_of(embed.node, depth))
    return f"exists ({matches(embed.node, placeholders, tie=tie, depth=depth)})"


def _embeds_tested(conditions: Sequence[Condition]) -> set[int]:
    found: set[int] = set()
    for asked in conditions:
        if isinstance(asked, EmbedTest):
            found.add(asked.embed)
        elif isinstance(asked, Group):
            found |= _embeds_tested(asked.operands)
    return found


def matches(
    node: Node,
    placeholders: Placeholders,
    *,
    source: LiteralString | None = None,
    tie: LiteralString | None = None,
    depth: int = 0,
) -> LiteralString:
    """All rows that match a node's filters, without limit and without values, to be counted."""
    alias = alias_of(node, depth)
    tested = _embeds_tested(node.where)
    embedded: list[LiteralString] = [
        _exists(embed, node, placeholders, depth=depth + 1) if index in tested else "true"
        for index, embed in enumerate(node.embeds)
    ]
    text: LiteralString = f"select 1 from {source or node.resource.table} {alias}"
    text += where(_ties(node, alias, tie), node.where, Scope(alias, embedded), placeholders)
    inner: list[LiteralString] = [_exists(e, node, placeholders, depth=depth + 1) for e in node.embeds if e.is_inner]
    return " and ".join([text, *inner])


def compile_read(read: Read, placeholders: Placeholders) -> LiteralString:
    """A statement with one row: the number of rows on the page, the number of all rows, the body."""
    node = read.node
    rows = select(node, placeholders, is_named=is_named(node, read.rendering))
    # count(p) makes every value of the rows. HEAD has to fail on a value wherever GET does.
    counted: LiteralString = "count(*)" if read.rendering.has_body else "count(p)"
    made, source = rendered(node, read.rendering, rows, placeholders)
    total: LiteralString = "null"
    if read.is_counted:
        found = matches(node, placeholders)
        if read.count_max is not None:
            found += f" limit {placeholders.of(read.count_max)}"
        total = f"(select count(*) from ({found}) c)"
    return f"select {counted}, {total}, {made} from {source}"


def compile_call(call: Call, placeholders: Placeholders) -> LiteralString:
    """A statement as that of a read, over the rows of a function. The function's arguments are $2."""
    node = call.node
    placeholders.of(call.arguments)
    rows = select(node, placeholders, source="called", is_named=is_named(node, call.rendering))
    made, source = rendered(node, call.rendering, rows, placeholders)
    total: LiteralString = "null"
    if call.is_counted:
        total = f"(select count(*) from ({matches(node, placeholders, source='called')}) c)"
    counted: LiteralString = "count(p)"
    if call.rendering.form.is_singular and not call.function.is_read_only:
        # The statement has to fail, so that nothing stays written.
        refused: LiteralString = f"tieline.refuse('{NOT_SINGLE}', 'single', count(p)::text)"
        counted = f"case when count(p) = 1 then 1 else {refused}::int end"
    return f"with called as ({call.function.rows}) select {counted}, {total}, {made} from {source}"
