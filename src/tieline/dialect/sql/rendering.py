"""Rows → the value of an answer's body, or of an embedded resource, which ends the statement if it is too large."""

# ruff: noqa: S608 - every piece of text is a LiteralString, which the type checker proves

from collections.abc import Sequence
from typing import LiteralString

from tieline.dialect.plan.bounds import are_columns
from tieline.dialect.plan.model import Node, Output, OutputKey, Rendering, Slot, result_keys
from tieline.dialect.problems import TOO_LARGE
from tieline.dialect.request.media import Form
from tieline.dialect.sql.conditions import Placeholders, result_name

# A function call takes at most 100 arguments, a key and its value each.
_PAIRS_MAX = 45
# Casts to numbers of any length.
_NUMBERS = frozenset({"numeric", "decimal", "numrange"})
_COMMA: LiteralString = " || ',' || "


def _key(key: OutputKey, placeholders: Placeholders) -> LiteralString:
    return f"'{key.word}'" if key.word is not None else f"{placeholders.of(key.slot)}::text"


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
    # Without their braces.
    inner: list[LiteralString] = [
        f"left(right(json_build_object({', '.join(chunk)})::text, -1), -1)" for chunk in chunks
    ]
    return f"('{{' || {_COMMA.join(inner)} || '}}')::json"


def within(size: LiteralString, bytes_max: Slot, placeholders: Placeholders) -> LiteralString:
    """The condition that a size is not too large. If it is, the statement ends with the problem that says so."""
    most: LiteralString = f"{placeholders.of(bytes_max)}::bigint"
    refused: LiteralString = f"tieline.refuse('{TOO_LARGE}', 'answer_bytes_max', ({most})::text || ' bytes')"
    return f"case when {size} <= {most} then true else {refused} end"


def weighed_by(made: LiteralString, measure: LiteralString, name: LiteralString) -> LiteralString:
    """A from item: rows as w, with the size of this value in the rows so far. `offset 0`: the value is made once."""
    size: LiteralString = f"sum({measure}(v.{name})) over (rows unbounded preceding) as size"
    return f"(select v.*, {size} from ({made} offset 0) v) w"


def fitting(
    node: Node, alias: LiteralString, bytes_max: Slot, placeholders: Placeholders, *, is_named: bool = False
) -> LiteralString:
    """The condition that the values of a row are not too large together, before they become JSON or CSV.

    That takes some twenty times their size, so it would be too late to weigh the JSON. Columns as they are stored are
    not too large, and one embedded value was weighed when it was made.
    """
    own = [] if are_columns(node) else list(range(len(node.outputs)))
    embedded = range(len(node.outputs), len(result_keys(node)))
    if not own and len(embedded) < 2:
        return ""
    sizes: list[LiteralString] = []
    for i in own:
        word = node.outputs[i].key.word if is_named else None
        name: LiteralString = result_name(i) if word is None else f'"{word}"'
        sizes.append(_size(node.outputs[i], f"{alias}.{name}"))
    for i in embedded:
        sizes.append(f"coalesce(pg_column_size({alias}.{result_name(i)}), 0)")  # noqa: PERF401 the type is lost
    return f" where {within(' + '.join(sizes), bytes_max, placeholders)}"


def _size(output: Output, value: LiteralString) -> LiteralString:
    """The bytes of a value. A number is short in PostgreSQL, however many zeros it is written with."""
    is_number = output.aggregate is not None or {output.cast, output.aggregate_cast} & _NUMBERS
    as_text: LiteralString = f"octet_length({value}::text)"
    as_stored: LiteralString = f"pg_column_size({value})"
    return f"coalesce({as_text if is_number else as_stored}, 0)"


def is_named(node: Node, rendering: Rendering) -> bool:
    """True if the results can have their own names. Then PostgreSQL makes a JSON object of a row by itself."""
    if not rendering.has_body or rendering.form is Form.CSV or node.embeds:
        return False
    words = [output.key.word for output in node.outputs]
    return None not in words and len(set(words)) == len(words)


def rendered(
    node: Node, rendering: Rendering, rows: LiteralString, placeholders: Placeholders
) -> tuple[LiteralString, LiteralString]:
    """The body of the rows, and the from item p that it is made of."""
    plain: LiteralString = f"({rows}) p"
    if not rendering.has_body:
        return "null", plain
    bytes_max = rendering.bytes_max
    row: LiteralString = "p"
    if rendering.form is Form.CSV:
        # PostgreSQL's text of a row without its parentheses.
        row = "left(right(p::text, -1), -1)"
    elif not is_named(node, rendering):
        row = object_of(result_keys(node), "p", placeholders)
    if bytes_max is None:
        items: LiteralString = f"string_agg({row}, E'\\n')" if rendering.form is Form.CSV else f"json_agg({row})"
        return _body(rendering, items, placeholders), plain
    made: LiteralString = f"select {'row_to_json(p)' if row == 'p' else row}::text as t from {plain}"
    made += fitting(node, "p", bytes_max, placeholders, is_named=is_named(node, rendering))
    fits = within("p.size", bytes_max, placeholders)
    items = f"string_agg(p.t, {_joint(node, rendering)}) filter (where {fits})"
    return _joined(rendering, items, placeholders), f"(select w.* from {weighed_by(made, 'octet_length', 't')}) p"


def _joint(node: Node, rendering: Rendering) -> LiteralString:
    """The text between two rows, as json_agg has it."""
    if rendering.form is Form.CSV:
        return "E'\\n'"
    return "E', \\n '" if is_named(node, rendering) else "', '"


def _body(rendering: Rendering, items: LiteralString, placeholders: Placeholders) -> LiteralString:
    """The body of the rows as a JSON array, or as lines of CSV."""
    if rendering.form is Form.CSV:
        return _with_header(rendering, items, placeholders)
    if _is_stripped(rendering):
        items = f"json_strip_nulls({items})"
    return f"coalesce({items}->0, 'null')" if _is_singular(rendering) else f"coalesce({items}, '[]')"


def _joined(rendering: Rendering, items: LiteralString, placeholders: Placeholders) -> LiteralString:
    """The same of the texts of the rows, joined. A singular form has one row, or its answer is refused."""
    if rendering.form is Form.CSV:
        return _with_header(rendering, items, placeholders)
    if not _is_singular(rendering):
        items = f"'[' || coalesce({items}, '') || ']'"
    if _is_stripped(rendering):
        items = f"json_strip_nulls(({items})::json)"
    return f"coalesce({items}, 'null')" if _is_singular(rendering) else items


def _with_header(rendering: Rendering, lines: LiteralString, placeholders: Placeholders) -> LiteralString:
    header = f"case when count(*) = 0 then '' else {placeholders.of(rendering.header)}::text end"
    return f"{header} || E'\\n' || coalesce({lines}, '')"


def _is_singular(rendering: Rendering) -> bool:
    return rendering.form.is_singular or rendering.is_single


def _is_stripped(rendering: Rendering) -> bool:
    return rendering.form in {Form.STRIPPED, Form.SINGULAR_STRIPPED}
