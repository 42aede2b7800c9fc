"""Writes → model: PostgREST's planning, with its order of complaints."""

from collections.abc import Sequence

from tieline.dialect import problems
from tieline.dialect.catalogue import Key, Resource
from tieline.dialect.plan import bounds
from tieline.dialect.plan.branches import Branch, find_resource, gather
from tieline.dialect.plan.model import Body, Condition, Conflict, Delete, Guards, Insert, Node, Update, Write
from tieline.dialect.plan.resolve import Resolver, Values, column
from tieline.dialect.request import body as bodies
from tieline.dialect.request import media, prefer, ranges
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.body import Payload
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.media import BodyKind, Form
from tieline.dialect.request.query import parse
from tieline.dialect.request.syntax import Query


def reads_body(content_type: str | None) -> bool:
    """True if rows are read from a body of this type."""
    return media.body_kind(content_type) in {BodyKind.JSON, BodyKind.CSV, BodyKind.FORM}


def plan(asked: Asked, values: Values, limits: Limits) -> Write:
    """The model of a write; its values are added to `values`.

    >>> from tieline.dialect.request.prefer import NONE
    >>> asked = Asked("POST", "externalSystem", "", NONE, body=b'{"integration": "crm", "name": "CRM"}')
    >>> [column.name for column in plan(asked, Values("c1"), Limits(9, 1000)).body.columns]
    ['integration', 'name']
    """
    query = parse(asked.query, limits, is_read=False)
    ranges.top_span(query.spans.get(()), asked.range, asked.method)
    payload = _payload(asked, query, limits)
    resource = find_resource(asked.path)
    root = gather(resource, query, {}, is_read=False)
    bounds.check(root, limits)
    if payload is not None:
        _check_columns(resource, payload.columns)
    if asked.method == "PUT":
        _check_put(resource, query)
    prefer.check(asked.wishes)
    form = media.form(asked.accept)
    if payload is None or asked.method == "PATCH":
        _check_bounded(asked, query)
    if not (resource.is_writable or _is_changeable(asked, resource, payload)):
        raise problems.read_only(resource.name)
    return _model(asked, root, query, payload, Resolver(values, limits.answer_bytes_max), form)


def _is_changeable(asked: Asked, resource: Resource, payload: Payload | None) -> bool:
    return asked.method == "PATCH" and payload is not None and resource.changeable.issuperset(payload.columns)


def _payload(asked: Asked, query: Query, limits: Limits) -> Payload | None:
    """The body of the request. DELETE has none."""
    if asked.method == "DELETE":
        return None
    columns = None if asked.method == "PUT" else query.columns
    return bodies.payload(asked.body, media.body_kind(asked.content_type), columns, limits.body)


def _check_columns(resource: Resource, names: Sequence[str]) -> None:
    for name in names:
        if name not in resource.columns:
            raise problems.column_not_in_cache(resource.name, name)


def _check_put(resource: Resource, query: Query) -> None:
    """The filters of a PUT have to give the whole identity and nothing else."""
    identity = frozenset(c.name for c in resource.identity)
    tests = [f.test for path, f in query.filters if not path]
    is_exact = all(t.operator == "eq" and not t.is_negated and t.quantifier is None for t in tests)
    if query.logic or query.filter_names != identity or not is_exact:
        raise problems.put_filters_invalid()


def _check_bounded(asked: Asked, query: Query) -> None:
    """A change of all rows is taken for an accident, unless max-affected states its extent."""
    has_filter = any(not path for path, _ in query.filters) or any(not path for path, _ in query.logic)
    if not has_filter and not (asked.wishes.is_strict and asked.wishes.max_affected is not None):
        raise problems.where_missing("UPDATE" if asked.method == "PATCH" else "DELETE")


def _model(asked: Asked, root: Branch, query: Query, payload: Payload | None, resolver: Resolver, form: Form) -> Write:
    resource, wishes = root.resource, asked.wishes
    node = _answer_node(asked, root, resolver)
    is_bounded = payload is not None and payload.is_object and asked.method != "PATCH" and bounds.are_columns(node)
    has_body = wishes.returned == "representation"
    rendering = resolver.rendering(form, node, has_body=has_body, is_bounded=is_bounded and not node.embeds)
    guards = _guards(asked, form, resolver)
    if payload is None:
        return Delete(node, rendering, _where(resolver, resource, query), guards)
    body = _body(asked, resource, payload, resolver)
    if asked.method == "PATCH":
        chosen = _where(resolver, resource, query) if body.columns else ()
        return Update(node, rendering, body, chosen, guards)
    if asked.method == "PUT":
        for identity in resource.identity:
            if identity not in body.columns:
                raise problems.column_unknown("pgrst_body", identity.name)
        conflict = Conflict(resource.keys[0], is_merged=True)
        return Insert(node, rendering, body, conflict, guards, _where(resolver, resource, query))
    conflict = None
    if wishes.resolution is not None:
        key = _conflict_key(resource, query.on_conflict)
        conflict = Conflict(key, wishes.resolution == "merge-duplicates")
    return Insert(node, rendering, body, conflict, guards)


def _answer_node(asked: Asked, root: Branch, resolver: Resolver) -> Node:
    """The results that the answer has of the written rows."""
    if asked.wishes.returned == "representation":
        return resolver.node(root)
    if asked.wishes.returned == "headers-only":
        # The answer has no body, but PostgREST refuses columns that do not exist all the same.
        for item in root.items:
            if item.field.name != "*":
                column(root.resource, item.field.name)
    return Node(root.resource, ())


def _guards(asked: Asked, form: Form, resolver: Resolver) -> Guards:
    wishes = asked.wishes
    bound = wishes.max_affected if wishes.is_strict and asked.method in {"PATCH", "DELETE"} else None
    return Guards(
        form.is_singular and asked.method != "PUT",
        None if bound is None else resolver.values.add(str(bound)),
        is_put=asked.method == "PUT",
    )


def _body(asked: Asked, resource: Resource, payload: Payload, resolver: Resolver) -> Body:
    has_defaults = asked.wishes.missing == "default" and asked.method != "PUT"
    return Body(
        resolver.values.add(payload.json),
        tuple(resource.columns[name] for name in payload.columns),
        payload.is_object,
        has_defaults and bool(payload.columns),
    )


def _where(resolver: Resolver, resource: Resource, query: Query) -> tuple[Condition, ...]:
    own = Branch(resource.name, resource, 0, (), [])
    filters: list[Condition] = [resolver.condition(own, f) for path, f in query.filters if not path]
    return (*filters, *(resolver.condition(own, tree) for path, tree in query.logic if not path))


def _conflict_key(resource: Resource, names: tuple[str, ...] | None) -> Key:
    """The unique key that on_conflict= names. The company is part of each one, even if it is not named."""
    if names is None:
        return resource.keys[0]
    for name in names:
        if name not in resource.columns:
            raise problems.conflict_column_unknown(name)
    wanted = {name for name in names if resource.columns[name] is not resource.company}
    for key in resource.keys:
        if key.is_target and {c.name for c in key.columns} == wanted:
            return key
    raise problems.no_such_key()
