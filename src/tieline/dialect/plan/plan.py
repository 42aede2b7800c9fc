"""A request → the model of its statement with its values: PostgREST's planning, in PostgREST's order of complaints."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tieline.dialect import problems
from tieline.dialect.catalogue import RESOURCES, Key, Resource
from tieline.dialect.plan.model import (
    Body,
    Comparison,
    Condition,
    Conflict,
    Delete,
    Guards,
    Insert,
    Model,
    Node,
    Read,
    Rendering,
    Truth,
    Update,
    Write,
)
from tieline.dialect.plan.resolve import Branch, Resolver, Values, column, gather, result_keys
from tieline.dialect.request import body as bodies
from tieline.dialect.request import media, ranges
from tieline.dialect.request.media import BodyKind, Form
from tieline.dialect.request.prefer import Preferences
from tieline.dialect.request.query import Limits, parse
from tieline.dialect.request.ranges import Span
from tieline.dialect.request.syntax import Query

METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"})


class Asked(msgspec.Struct, frozen=True):
    """A request, as far as the dialect cares. Headers are none where they were not sent."""

    method: str
    resource: str
    query: str
    wishes: Preferences
    accept: str | None = None
    content_type: str | None = None
    range: str | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, with which values, and how to answer."""

    model: Model
    values: tuple[str | bytes | None, ...]
    form: Form
    first_row: int = 0


def rendering(form: Form | None, node: Node, resolver: Resolver) -> Rendering:
    """How the results become a body."""
    if form is not Form.CSV:
        return Rendering(form)
    # PostgREST's own heading: names as they are, without quotes.
    header = ",".join(resolver.name_of(key) for key in result_keys(node))
    return Rendering(form, resolver.values.add(header))


def _is_lookup(node: Node) -> bool:
    """Whether at most one row can be meant: a whole unique key is given by equality."""
    if node.embeds or any(output.aggregate is not None for output in node.outputs):
        return False
    given = {
        c.expression.column
        for c in node.where
        if isinstance(c, Comparison) and c.operator == "eq" and not (c.is_negated or c.quantifier or c.expression.steps)
    }
    flags = {c.column for c in node.where if isinstance(c, Truth) and not c.is_true}
    return any(set(key.columns) <= given and (not key.is_partial or bool(flags)) for key in node.resource.keys)


def _read(asked: Asked, resource: Resource, query: Query, span: Span, company: str, limits: Limits) -> Plan:
    all_spans = {**ranges.spans(query.limits, query.offsets), "limit": span}
    page = {name: ranges.restricted(s, limits.page_rows_max) for name, s in all_spans.items()}
    root = gather(resource, query, page, is_read=True)
    _restrict_embedded(root, limits.page_rows_max)
    form = media.form(asked.accept)
    check_preferences(asked.wishes)
    resolver = Resolver(Values(company))
    node = resolver.node(root)
    rendered = rendering(form if asked.method == "GET" else None, node, resolver)
    wanted = asked.wishes.count
    count_max = resolver.values.add(str(limits.page_rows_max + 1)) if wanted == "estimated" else None
    is_lookup = wanted is None and _is_lookup(node)
    model = Read(node, rendered, wanted in {"exact", "estimated"}, count_max, is_lookup)
    return Plan(model, tuple(resolver.values.held), form, span.first)


def _restrict_embedded(branch: Branch, rows_max: int) -> None:
    """No list of embedded rows is longer than a page either."""
    for child in branch.children:
        if child.span is None and child.relationship is not None and not child.relationship.is_to_one:
            child.span = ranges.restricted(ranges.ALL, rows_max)
        _restrict_embedded(child, rows_max)


def check_preferences(wishes: Preferences) -> None:
    """With handling=strict every preference has to be known."""
    if wishes.is_strict and wishes.unknown:
        raise problems.preferences_unknown(wishes.unknown)


def _columns(resource: Resource, names: Sequence[str]) -> None:
    for name in names:
        if name not in resource.columns:
            raise problems.column_not_in_cache(resource.name, name)


def _check_put(resource: Resource, query: Query) -> None:
    identity = frozenset(c.name for c in resource.identity)
    tests = [f.test for path, f in query.filters if not path]
    is_exact = all(t.operator == "eq" and not t.is_negated and t.quantifier is None for t in tests)
    if query.logic or query.filter_names != identity or not is_exact:
        raise problems.put_filters_invalid()


def _conflict_key(resource: Resource, names: tuple[str, ...] | None) -> Key:
    """The key that on_conflict= names; the company is part of each, whether it is named or not."""
    if names is None:
        return resource.keys[0]
    for name in names:
        if name not in resource.columns:
            raise problems.conflict_column_unknown(name)
    wanted = {name for name in names if resource.columns[name] is not resource.company}
    for key in resource.keys:
        if not key.is_partial and {c.name for c in key.columns} == wanted:
            return key
    raise problems.no_such_key()


def _guards(asked: Asked, form: Form, resolver: Resolver) -> Guards:
    wishes = asked.wishes
    bound = wishes.max_affected if wishes.is_strict and asked.method in {"PATCH", "DELETE"} else None
    return Guards(
        form.is_singular and asked.method != "PUT",
        None if bound is None else resolver.values.add(str(bound)),
        is_put=asked.method == "PUT",
    )


def _where(resolver: Resolver, resource: Resource, query: Query) -> tuple[Condition, ...]:
    own = Branch(resource.name, resource, 0, (), [])
    asked: list[Condition] = [resolver.condition(own, f) for path, f in query.filters if not path]
    return (*asked, *(resolver.condition(own, tree) for path, tree in query.logic if not path))


def _check_bounded(asked: Asked, query: Query) -> None:
    """A write of all rows is an accident, unless its extent is stated."""
    has_filter = any(not path for path, _ in query.filters) or any(not path for path, _ in query.logic)
    if not has_filter and not (asked.wishes.is_strict and asked.wishes.max_affected is not None):
        raise problems.where_missing("UPDATE" if asked.method == "PATCH" else "DELETE")


def _answer_node(root: Branch, resolver: Resolver, resource: Resource, wishes: Preferences) -> Node:
    """What is answered of the written rows; headers alone need the columns to be there all the same."""
    if wishes.returned is None or wishes.returned == "minimal":
        return Node(resource, ())
    if wishes.returned == "headers-only":
        for item in root.items:
            if item.field.name != "*":
                column(resource, item.field.name)
        return Node(resource, ())
    return resolver.node(root)


def _model(
    asked: Asked, root: Branch, query: Query, payload: bodies.Payload | None, resolver: Resolver, form: Form
) -> Write:
    resource = root.resource
    node = _answer_node(root, resolver, resource, asked.wishes)
    rendered = rendering(form if asked.wishes.returned == "representation" else None, node, resolver)
    guards = _guards(asked, form, resolver)
    if payload is None:
        return Delete(node, rendered, _where(resolver, resource, query), guards)
    has_defaults = asked.wishes.missing == "default" and asked.method != "PUT"
    body = Body(
        resolver.values.add(payload.json),
        tuple(resource.columns[name] for name in payload.columns),
        payload.is_object,
        has_defaults and bool(payload.columns),
    )
    if asked.method == "PATCH":
        chosen = _where(resolver, resource, query) if body.columns else ()
        return Update(node, rendered, body, chosen, guards)
    if asked.method == "PUT":
        for identity in resource.identity:
            if identity not in body.columns:
                raise problems.column_unknown("pgrst_body", identity.name)
        conflict = Conflict(resource.keys[0], is_merged=True)
        return Insert(node, rendered, body, conflict, guards, _where(resolver, resource, query))
    conflict = None
    if asked.wishes.resolution is not None:
        key = _conflict_key(resource, query.on_conflict)
        conflict = Conflict(key, asked.wishes.resolution == "merge-duplicates")
    return Insert(node, rendered, body, conflict, guards)


def _write(asked: Asked, resource: Resource, query: Query, payload: bodies.Payload | None, company: str) -> Plan:
    spans = ranges.spans(query.limits, query.offsets)
    root = gather(resource, query, spans, is_read=False)
    if payload is not None:
        _columns(resource, payload.columns)
    if asked.method == "PUT":
        _check_put(resource, query)
    check_preferences(asked.wishes)
    form = media.form(asked.accept)
    if asked.method in {"PATCH", "DELETE"}:
        _check_bounded(asked, query)
    if not resource.is_writable:
        raise problems.read_only(resource.name)
    resolver = Resolver(Values(company))
    model = _model(asked, root, query, payload, resolver, form)
    return Plan(model, tuple(resolver.values.held), form)


def find_resource(name: str) -> Resource:
    """The resource of this name."""
    found = RESOURCES.get(name)
    if found is None:
        raise problems.resource_unknown(name, tuple(RESOURCES))
    return found


def plan(asked: Asked, company: str, limits: Limits) -> Plan:
    """The statement that answers a request of this company's.

    >>> limits = Limits(9, 1000)
    >>> made = plan(Asked("GET", "company", "select=id&name=eq.x", Preferences()), "c1", limits)
    >>> made.values, made.form
    (('c1', 'x', '1000'), <Form.JSON: 'application/json'>)
    """
    is_read = asked.method in {"GET", "HEAD", "OPTIONS"}
    query = parse(asked.query, limits, is_read=is_read)
    asked_spans = ranges.spans(query.limits, query.offsets)
    span = ranges.top_span(asked_spans.get("limit"), ranges.header_span(asked.range), asked.method)
    payload = None
    if asked.method in {"POST", "PATCH", "PUT"}:
        kind: BodyKind | str = media.body_kind(asked.content_type)
        payload = bodies.payload(asked.body, kind, None if asked.method == "PUT" else query.columns)
    resource = find_resource(asked.resource)
    if is_read:
        return _read(asked, resource, query, span, company, limits)
    return _write(asked, resource, query, payload, company)
