"""The limits of what one request asks for, and whether its answer can be too large."""

from collections import Counter

from tieline.dialect import problems
from tieline.dialect.catalogue import Column, Resource
from tieline.dialect.plan.branches import Branch
from tieline.dialect.plan.model import Node, Output
from tieline.dialect.request.limits import Limits
from tieline.wire.keys import KEY_BYTES_MAX

# The most bytes of a value in JSON beside those of the texts of its key, which share an entry of an index.
_FIXED_BYTES = 64
_FIXED_TYPES = frozenset({"boolean", "integer", "bigint", "timestamptz"})
# Names of PostgreSQL's or ours.
_SHORT_NAMES = frozenset(
    {"companyId", "createdBy", "updatedBy", "actor", "requestId", "operation", "mappingId", "status"}
)


def check(root: Branch, limits: Limits) -> None:
    """Refuse a request that embeds or selects too much.

    Raises:
        Problem: it does; the problem names the setting.
    """
    embeds, depth, items = _extent(root)
    if embeds > limits.embeds_max:
        raise problems.asks_too_much("embedded resources", embeds, "embeds_max", limits.embeds_max)
    if depth > limits.embed_depth_max:
        raise problems.asks_too_much("levels of embedding", depth, "embed_depth_max", limits.embed_depth_max)
    if items > limits.select_items_max:
        raise problems.asks_too_much("items to select", items, "select_items_max", limits.select_items_max)
    _check_rows(root, limits)


def _check_rows(branch: Branch, limits: Limits) -> None:
    """Refuse what makes rows of a few long values very long: JSON many times, or a long key to sort by."""
    if len(branch.order) > limits.select_items_max:
        raise problems.asks_too_much(
            "terms of an order", len(branch.order), "select_items_max", limits.select_items_max
        )
    columns = branch.resource.columns
    whole = Counter(item.field.name for item in branch.items if not item.field.steps)
    for name, times in whole.items():
        if times > limits.column_times_max and name in columns and columns[name].type == "jsonb":
            what = f"times the column {name} in a select"
            raise problems.asks_too_much(what, times, "column_times_max", limits.column_times_max)
    for child in branch.children:
        _check_rows(child, limits)


def _extent(branch: Branch) -> tuple[int, int, int]:
    """The number of embedded resources, their depth, and the number of columns that all together select."""
    embeds, depth, items = 0, 0, 0
    for item in branch.items:
        items += len(branch.resource.columns) if item.field.name == "*" and item.aggregate is None else 1
    for child in branch.children:
        inner = _extent(child)
        embeds += 1 + inner[0]
        depth = max(depth, 1 + inner[1])
        items += inner[2]
    return embeds, depth, items


def are_columns(node: Node) -> bool:
    """True if each result of a row is a column as it is, and none is there twice."""
    columns = [output.expression.column for output in node.outputs if _is_column(output) and output.expression]
    return len(columns) == len(node.outputs) == len(set(columns))


def _is_column(output: Output) -> bool:
    return output.expression is not None and not (output.expression.steps or output.cast or output.aggregate)


def may_be_large(node: Node, rows_max: int, bytes_max: int) -> bool:
    """True if so many rows of a node may be more bytes than an answer may have, as far as the model shows."""
    if node.embeds or not are_columns(node):
        return True
    widths = [_width(node.resource, output.expression.column) for output in node.outputs if output.expression]
    return None in widths or rows_max * (KEY_BYTES_MAX + sum(width for width in widths if width)) > bytes_max


def _width(resource: Resource, column: Column) -> int | None:
    """The most bytes of a column beside those of its key; None: the column itself sets no bound."""
    if column.type in _FIXED_TYPES or column.name in _SHORT_NAMES:
        return _FIXED_BYTES
    return 0 if any(column in key.columns for key in resource.keys) else None
