"""Function calls → model: which function, with which arguments, and what of its result."""

from collections.abc import Sequence
from dataclasses import replace

from tieline.dialect import problems
from tieline.dialect.catalogue import FUNCTIONS, Function
from tieline.dialect.plan import arguments
from tieline.dialect.plan.model import Call
from tieline.dialect.plan.plan import Asked, Plan, check_preferences, rendering
from tieline.dialect.plan.resolve import Resolver, Values, gather
from tieline.dialect.request import body as bodies
from tieline.dialect.request import media, ranges
from tieline.dialect.request.media import BodyKind
from tieline.dialect.request.query import Limits, parse

METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


# Bodies that PostgREST hands to a function as they are, if it has one argument without a name. Ours have names.
_RAW = frozenset({BodyKind.TEXT, "text/xml", "application/octet-stream"})


def _body(asked: Asked, columns: tuple[str, ...] | None) -> bodies.Payload:
    """The arguments of a POST; those of a form are put together once the function is known."""
    kind = media.body_kind(asked.content_type)
    if kind in _RAW:
        return bodies.Payload(b"{}", (), is_object=True)
    body = asked.body if asked.body or kind is not BodyKind.JSON else b"{}"
    return bodies.payload(body, kind, columns)


def _form_pairs(asked: Asked) -> Sequence[tuple[str, str]] | None:
    """The fields of a form; none if the body is no form."""
    return bodies.form_pairs(asked.body) if media.body_kind(asked.content_type) is BodyKind.FORM else None


def _argument_names(name: str) -> frozenset[str]:
    """Arguments that no column of the result is named like: they are never filters, whatever their value looks like."""
    function = FUNCTIONS.get(name)
    return frozenset() if function is None else frozenset(a.name for a in function.arguments) - set(function.columns)


def _searched(asked: Asked, names: Sequence[str]) -> str:
    """How PostgREST says what it looked for."""
    if asked.method == "POST" and media.body_kind(asked.content_type) in _RAW:
        return "with a single unnamed text parameter"
    plural = "s" if len(names) > 1 else ""
    found = f"with parameter{plural} {', '.join(names)}" if names else "without parameters"
    is_json = asked.method == "POST" and media.body_kind(asked.content_type) is BodyKind.JSON
    return f"{found} or with a single unnamed json/jsonb parameter" if is_json else found


def _function(asked: Asked, names: Sequence[str]) -> Function:
    """The function of this name, if it takes these arguments."""
    function = FUNCTIONS.get(asked.resource)
    given = set(names)
    if function is not None:
        known = {a.name for a in function.arguments}
        if {a.name for a in function.arguments if a.is_required} <= given <= known:
            return function
    raise problems.function_unknown(asked.resource, sorted(given), _searched(asked, sorted(given)))


def plan_call(asked: Asked, company: str, limits: Limits) -> Plan:
    """The statement that answers a function call.

    >>> from tieline.dialect.request.prefer import Preferences
    >>> plan_call(Asked("GET", "nope", "a=1", Preferences()), "c1", Limits(9, 1000))
    Traceback (most recent call last):
    tieline.problems.Problem: Could not find the function public.nope(a) in the schema cache
    """
    if asked.method not in METHODS:
        raise problems.method_not_for_functions(asked.method)
    is_get = asked.method != "POST"
    query = parse(asked.query, limits, is_call=is_get, argument_names=_argument_names(asked.resource))
    spans = ranges.spans(query.limits, query.offsets)
    span = ranges.top_span(spans.get("limit"), ranges.header_span(asked.range), asked.method)
    pairs = query.arguments if is_get else _form_pairs(asked)
    if pairs is not None:
        payload = bodies.Payload(b"", tuple(dict(pairs)), is_object=True)
    else:
        payload = _body(asked, query.columns)
    function = _function(asked, payload.columns)
    if not payload.is_object:
        raise problems.body_invalid("The arguments of a function have to be a JSON object")
    if pairs is not None:
        payload = replace(payload, json=arguments.from_texts(function, pairs))
    result = function.result
    # As many rows as may be asked for: an answer to each.
    page = {name: ranges.restricted(s, limits.batch_rows_max) for name, s in {**spans, "limit": span}.items()}
    root = gather(result, query, page, is_read=True)
    form = media.form(asked.accept)
    check_preferences(asked.wishes)
    resolver = Resolver(Values(company))
    slot = resolver.values.add(arguments.check(function, payload, limits.batch_rows_max))
    node = resolver.node(root)
    rendered = rendering(form if asked.method != "HEAD" else None, node, resolver)
    rendered = replace(rendered, is_single=function.is_single)
    model = Call(function, node, slot, rendered, asked.wishes.count is not None)
    return Plan(model, tuple(resolver.values.held), form, span.first)
