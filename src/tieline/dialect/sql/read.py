"""Reads and calls → SQL: the rows of a node with its embedded resources, their number, and the body."""

# ruff: noqa: S608 - every piece of text is a LiteralString, which the type checker proves

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

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
    Rendering,
    result_keys,
)
from tieline.dialect.problems import NOT_SINGLE
from tieline.dialect.request.media import Form
from tieline.dialect.sql.conditions import Placeholders, Scope, digits, expression, ordering, result_name, where

# A function call takes at most 100 arguments, a key and its value each.
_PAIRS_MAX = 45
_COMMA: LiteralString = " || ',' || "


@dataclass(frozen=True, slots=True)
class Result:
    """A value of a row. An aggregated one is the value of several rows."""

    key: OutputKey
    sql: LiteralString
    is_aggregated: bool = False


def _key(key: OutputKey, placeholders: Placeholders) -> LiteralString:
    return f"'{key.word}'" if key.word is not None else f"{placeholders.of(key.slot)}::text"


def _cast(text: LiteralString, cast: LiteralString | None) -> LiteralString:
    return text if cast is None else f"cast({text} as {cast})"


def _aggregated(output: Output, text: LiteralString) -> LiteralString:
    assert output.aggregate is not None, "the callers have looked"
    return _cast(f"{output.aggregate}({text})", output.aggregate_cast)


def _own(output: Output, alias: LiteralString, placeholders: Placeholders, *, is_spread: bool) -> Result:
    """An output of the node itself. The aggregate of a spread node is made by its parent, over the parent's rows."""
    if output.expression is None:
        count: LiteralString = "true" if is_spread else _cast("count(*)", output.aggregate_cast)
        return Result(output.key, count, is_aggregated=not is_spread)
    text = _cast(expression(output.expression, alias, placeholders), output.cast)
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


def object_of(keys: Sequence[OutputKey], alias: LiteralString, placeholders: Placeholders) -> LiteralString:
    """A JSON object of a row's results."""
    pairs: list[LiteralString] = [
        f"{_key(key, placeholders)}, {alias}.{result_name(index)}" for index, key in enumerate(keys)
    ]
    if not pairs:
        return "'{}'::json"
    if len(pairs) <= _PAIRS_MAX:
        return f"json_build_object({', '.join(pairs)})"
    chunks = [pairs[start : start + _PAIRS_MAX] for start in range(0, len(pairs), _PAIRS_MAX)]
    inner: list[LiteralString] = [
        f"regexp_replace(json_build_object({', '.join(chunk)})::text, '^.|.$', '', 'g')" for chunk in chunks
    ]
    return f"('{{' || {_COMMA.join(inner)} || '}}')::json"


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


def _join(
    embed: Embed, parent: LiteralString, alias: LiteralString, placeholders: Placeholders, *, depth: int
) -> LiteralString:
    """The lateral join for an embedded resource's results."""
    table = alias_of(embed.node, depth)
    relationship = embed.relationship
    link: LiteralString = f"{table}.{relationship.foreign_column.sql} = {parent}.{relationship.column.sql}"
    kind: LiteralString = "inner" if embed.is_inner else "left"
    rows = select(embed.node, placeholders, link=link, is_spread=embed.is_spread, depth=depth)
    if relationship.is_to_one:
        return f" {kind} join lateral ({rows}) {alias} on true"
    keys = result_keys(embed.node)
    item = placeholders.alias()
    values: list[LiteralString] = (
        [f"jsonb_agg({item}.{result_name(i)}) as {result_name(i)}" for i in range(len(keys))]
        if embed.is_spread
        else [f"jsonb_agg({object_of(keys, item, placeholders)}::jsonb) as s1"]
    )
    gathered = ", ".join([*values, "count(*) > 0 as present"])
    condition_: LiteralString = f"{alias}.present" if embed.is_inner else "true"
    return f" {kind} join lateral (select {gathered} from ({rows}) {item}) {alias} on {condition_}"


def alias_of(node: Node, depth: int) -> LiteralString:
    """The alias of a node's rows, the same as PostgREST's: PostgreSQL's errors quote it."""
    return f'"{node.resource.name}_{digits(depth)}"' if depth else f'"{node.resource.name}"'


def _ties(node: Node, alias: LiteralString, link: LiteralString | None) -> list[LiteralString]:
    """The conditions that tie a row to its parent's row and to the company."""
    company = node.resource.company
    ties: list[LiteralString] = [] if link is None else [link]
    if company is not None:
        ties.append(f"{alias}.{company.sql} = $1")
    return ties


def select(
    node: Node,
    placeholders: Placeholders,
    *,
    source: LiteralString | None = None,
    link: LiteralString | None = None,
    is_spread: bool = False,
    is_named: bool = False,
    depth: int = 0,
) -> LiteralString:
    """The rows of a node. Its results are called s1 to sn, or have their own names if `is_named`.

    `source` replaces the table, `link` ties the rows to the parent's row.
    """
    alias = alias_of(node, depth)
    embed_aliases: list[LiteralString] = [placeholders.alias() for _ in node.embeds]
    results = [_own(o, alias, placeholders, is_spread=is_spread) for o in node.outputs]
    for embed, embed_alias in zip(node.embeds, embed_aliases, strict=True):
        results += _embedded(embed, embed_alias, placeholders, in_spread=is_spread)
    columns: list[LiteralString] = [
        f'{r.sql} as "{r.key.word}"' if is_named and r.key.word else f"{r.sql} as {result_name(i)}"
        for i, r in enumerate(results)
    ]
    if link is not None:
        columns.append("true as present")
    joins: list[LiteralString] = [
        _join(embed, alias, embed_alias, placeholders, depth=depth + 1)
        for embed, embed_alias in zip(node.embeds, embed_aliases, strict=True)
    ]
    present: list[LiteralString] = [f"({embed_alias}.present is true)" for embed_alias in embed_aliases]
    scope = Scope(alias, present)
    text: LiteralString = f"select {', '.join(columns) or 'true'} from {source or node.resource.table} {alias}"
    text += "".join(joins) + where(_ties(node, alias, link), node.where, scope, placeholders)
    if any(r.is_aggregated for r in results):
        grouped: list[LiteralString] = [digits(i + 1) for i, r in enumerate(results) if not r.is_aggregated]
        if grouped:
            text += f" group by {', '.join(grouped)}"
    if node.order:
        terms: list[LiteralString] = [ordering(o, alias, embed_aliases, placeholders) for o in node.order]
        text += f" order by {', '.join(terms)}"
    if node.limit is not None:
        text += f" limit {placeholders.of(node.limit)}"
    if node.offset is not None:
        text += f" offset {placeholders.of(node.offset)}"
    return text


def _exists(embed: Embed, parent: LiteralString, placeholders: Placeholders, *, depth: int) -> LiteralString:
    table = alias_of(embed.node, depth)
    relationship = embed.relationship
    link: LiteralString = f"{table}.{relationship.foreign_column.sql} = {parent}.{relationship.column.sql}"
    return f"exists ({matches(embed.node, placeholders, link=link, depth=depth)})"


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
    link: LiteralString | None = None,
    depth: int = 0,
) -> LiteralString:
    """All rows that match a node's filters, without limit and without values, to be counted."""
    alias = alias_of(node, depth)
    tested = _embeds_tested(node.where)
    embedded: list[LiteralString] = [
        _exists(embed, alias, placeholders, depth=depth + 1) if index in tested else "true"
        for index, embed in enumerate(node.embeds)
    ]
    text: LiteralString = f"select 1 from {source or node.resource.table} {alias}"
    text += where(_ties(node, alias, link), node.where, Scope(alias, embedded), placeholders)
    inner: list[LiteralString] = [_exists(e, alias, placeholders, depth=depth + 1) for e in node.embeds if e.is_inner]
    return " and ".join([text, *inner])


def is_named(node: Node, rendering: Rendering) -> bool:
    """True if the results can have their own names. Then PostgreSQL makes a JSON object of a row by itself."""
    if not rendering.has_body or rendering.form is Form.CSV or node.embeds:
        return False
    words = [output.key.word for output in node.outputs]
    return None not in words and len(set(words)) == len(words)


def body(node: Node, rendering: Rendering, rows: LiteralString, placeholders: Placeholders) -> LiteralString:
    """The body of the rows with this alias."""
    form = rendering.form
    if not rendering.has_body:
        return "null"
    if form is Form.CSV:
        lines: LiteralString = f"coalesce(string_agg(substring({rows}::text, 2, length({rows}::text) - 2), E'\\n'), '')"
        header = f"case when count(*) = 0 then '' else {placeholders.of(rendering.header)}::text end"
        return f"{header} || E'\\n' || {lines}"
    row: LiteralString = rows
    if not is_named(node, rendering):
        row = object_of(result_keys(node), rows, placeholders)
    items: LiteralString = f"json_agg({row})"
    if form in {Form.STRIPPED, Form.SINGULAR_STRIPPED}:
        items = f"json_strip_nulls({items})"
    return f"coalesce({items}->0, 'null')" if form.is_singular or rendering.is_single else f"coalesce({items}, '[]')"


def compile_read(read: Read, placeholders: Placeholders) -> LiteralString:
    """A statement with one row: the number of rows on the page, the number of all rows, the body."""
    node = read.node
    rows = select(node, placeholders, is_named=is_named(node, read.rendering))
    # count(p) makes every value of the rows. HEAD has to fail on a value wherever GET does.
    counted: LiteralString = "count(*)" if read.rendering.has_body else "count(p)"
    made = body(node, read.rendering, "p", placeholders)
    total: LiteralString = "null"
    if read.is_counted:
        found = matches(node, placeholders)
        if read.count_max is not None:
            found += f" limit {placeholders.of(read.count_max)}"
        total = f"(select count(*) from ({found}) c)"
    return f"select {counted}, {total}, {made} from ({rows}) p"


def compile_call(call: Call, placeholders: Placeholders) -> LiteralString:
    """A statement as that of a read, over the rows of a function. The function's arguments are $2."""
    node = call.node
    placeholders.of(call.arguments)
    rows = select(node, placeholders, source="called", is_named=is_named(node, call.rendering))
    made = body(node, call.rendering, "p", placeholders)
    total: LiteralString = "null"
    if call.is_counted:
        total = f"(select count(*) from ({matches(node, placeholders, source='called')}) c)"
    counted: LiteralString = "count(p)"
    if call.rendering.form.is_singular and not call.function.is_read_only:
        # The statement has to fail, so that nothing stays written.
        refused: LiteralString = f"tieline.refuse('{NOT_SINGLE}', 'single', count(p)::text)"
        counted = f"case when count(p) = 1 then 1 else {refused}::int end"
    return f"with called as ({call.function.rows}) select {counted}, {total}, {made} from ({rows}) p"


def compile_estimate(read: Read, placeholders: Placeholders) -> LiteralString:
    """PostgreSQL's plan for the read, which has the expected number of rows, for count=planned and count=estimated."""
    return f"explain (format json) {matches(read.node, placeholders)}"
