"""Reads → model: PostgREST's planning, with its order of complaints."""

from tieline.dialect.catalogue import Truth
from tieline.dialect.plan import bounds
from tieline.dialect.plan.branches import Branch, find_resource, gather
from tieline.dialect.plan.model import Comparison, Node, Read, Slot
from tieline.dialect.plan.resolve import Resolver, Values
from tieline.dialect.request import media, prefer, ranges
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.query import parse
from tieline.wire.integers import BIGINT_MAX


def plan(asked: Asked, values: Values, limits: Limits) -> Read:
    """The model of a read; its values are added to `values`.

    >>> from tieline.dialect.request.prefer import NONE
    >>> values = Values("c1")
    >>> plan(Asked("GET", "company", "id=eq.c1", NONE), values, Limits(9, 1000)).is_lookup, values.held
    (True, ['c1', 'c1', '1000'])
    """
    query = parse(asked.query, limits)
    span = ranges.top_span(query.spans.get(()), asked.range, asked.method)
    resource = find_resource(asked.path)
    page = {path: ranges.restricted(s, limits.page_rows_max) for path, s in {**query.spans, (): span}.items()}
    root = gather(resource, query, page, is_read=True)
    bounds.check(root, limits)
    _restrict_embedded(root, limits.page_rows_max)
    form = media.form(asked.accept)
    prefer.check(asked.wishes)
    resolver = Resolver(values, limits.answer_bytes_max)
    node = resolver.node(root)
    wanted = asked.wishes.count
    is_lookup = wanted is None and _is_lookup(node)
    is_bounded = is_lookup or not bounds.may_be_large(node, _rows_max(root, limits), limits.answer_bytes_max)
    rendering = resolver.rendering(form, node, has_body=asked.method == "GET", is_bounded=is_bounded)
    return Read(node, rendering, wanted is not None, _count_max(asked, node, values, limits), is_lookup)


def _count_max(asked: Asked, node: Node, values: Values, limits: Limits) -> Slot | None:
    """The rows that a count which need not be exact goes up to, counted from the page's first row.

    It counts: PostgreSQL's estimates rest on the rows of all companies.
    """
    if asked.wishes.count not in {"planned", "estimated"}:
        return None
    offset = 0 if node.offset is None else int(values.held[node.offset] or 0)
    return values.add(str(min(offset + limits.counted_rows_max, BIGINT_MAX)))


def _rows_max(root: Branch, limits: Limits) -> int:
    rows_max = None if root.span is None else root.span.rows_max
    return limits.page_rows_max if rows_max is None else rows_max


def _is_lookup(node: Node) -> bool:
    """True if the filters give a whole unique key by equality and the answer is columns of the one row at the most.

    Look-ups share connections, so each of them has to be quick: a pattern, a list or a path beside the key is not.
    """
    if node.embeds or not bounds.are_columns(node):
        return False
    given = {c.expression.column for c in node.where if isinstance(c, Comparison) and _is_equality(c)}
    truths = {c for c in node.where if isinstance(c, Truth)}
    if len(given) + len(truths) < len(node.where):
        return False
    return any(
        set(key.columns) <= given and (key.condition is None or key.condition in truths) for key in node.resource.keys
    )


def _is_equality(test: Comparison) -> bool:
    return test.operator == "eq" and not (test.is_negated or test.quantifier or test.expression.steps)


def _restrict_embedded(branch: Branch, rows_max: int) -> None:
    """Cut every list of embedded rows to the rows that a page may have."""
    for child in branch.children:
        if child.span is None and child.relationship is not None and not child.relationship.is_to_one:
            child.span = ranges.restricted(ranges.ALL, rows_max)
        _restrict_embedded(child, rows_max)
