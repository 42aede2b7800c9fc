"""Function calls → model: the function, its checked arguments, and the part of its result that is asked for."""

from collections.abc import Sequence
from dataclasses import replace

from tieline.dialect import problems
from tieline.dialect.catalogue import Function
from tieline.dialect.functions import FUNCTIONS, PROBLEM, TELLING
from tieline.dialect.plan import arguments, bounds
from tieline.dialect.plan.branches import gather
from tieline.dialect.plan.model import Call, Node
from tieline.dialect.plan.resolve import Resolver, Values
from tieline.dialect.request import body as bodies
from tieline.dialect.request import media, prefer, ranges
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.body import Payload
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.media import BodyKind
from tieline.dialect.request.query import parse
from tieline.dialect.request.syntax import Span
from tieline.wire import halves

PREFIX = "rpc/"
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})

# PostgREST hands these bodies unread to a function with one unnamed argument. All our arguments have names.
_RAW = frozenset({BodyKind.TEXT, "text/xml", "application/octet-stream"})


def reads_body(content_type: str | None) -> bool:
    """True if a function takes its arguments from a body of this type."""
    return media.body_kind(content_type) in {BodyKind.JSON, BodyKind.FORM}


def named(path: str) -> Function | None:
    """The function at a path."""
    return FUNCTIONS.get(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else None


def plan(asked: Asked, values: Values, limits: Limits) -> Call:
    """The model of a function call; its values are added to `values`, the arguments as one JSON object.

    >>> from tieline.dialect.request.prefer import NONE
    >>> plan(Asked("GET", "rpc/nope", "a=1", NONE), Values("c1"), Limits(9, 1000))
    Traceback (most recent call last):
    tieline.problems.Problem: Could not find the function public.nope(a) in the schema cache
    """
    function = named(asked.path)
    if asked.method not in METHODS or (function is not None and not function.is_read_only and asked.method != "POST"):
        raise problems.method_not_for_functions(asked.method)
    is_get = asked.method != "POST"
    query = parse(asked.query, limits, is_call=is_get, argument_names=_argument_names(function))
    span = ranges.top_span(query.spans.get(()), asked.range, asked.method)
    texts = query.arguments if is_get else _form_pairs(asked, limits)
    payload = (
        _payload(asked, query.columns, limits) if texts is None else Payload(b"", tuple(dict(texts)), is_object=True)
    )
    function = _fitting(asked, function, arguments.given_names(function, payload))
    if not payload.is_object:
        raise problems.body_invalid("The arguments of a function have to be a JSON object")
    if texts is not None:
        payload = replace(payload, json=arguments.from_texts(function, texts, limits.batch_rows_max))
    argued = arguments.check(function, payload, limits, tells_problems=function.name in TELLING)
    if function.name in TELLING and (argued.has_problems or PROBLEM in asked.query):
        function = TELLING[function.name]
    # An answer with a row for each id that was asked for may be as long as a batch.
    rows_max = limits.page_rows_max if function.is_paged else limits.batch_rows_max
    page = {path: ranges.restricted(s, rows_max) for path, s in {**query.spans, (): span}.items()}
    root = gather(function.result, query, page, is_read=True)
    bounds.check(root, limits)
    form = media.form(asked.accept)
    prefer.check(asked.wishes)
    resolver = Resolver(values, limits.answer_bytes_max)
    node = resolver.node(root)
    slot = values.add(
        arguments.with_rows_max(argued.json, _rows_needed(asked, node, page[()])) if function.is_paged else argued.json
    )
    is_bounded = function.is_bounded and bounds.are_columns(node)
    rendering = resolver.rendering(form, node, has_body=asked.method != "HEAD", is_bounded=is_bounded)
    rendering = replace(rendering, is_single=function.is_single)
    return Call(function, node, slot, rendering, asked.wishes.count is not None)


def _rows_needed(asked: Asked, node: Node, page: Span) -> int | None:
    """The number of first rows that a page needs; None: all. A function that is paged orders rows by their entity."""
    is_in_order = all(
        o.expression is not None and o.expression.column.name == "entityId" and o.direction in {None, "asc"}
        for o in node.order
    )
    is_whole = asked.wishes.count is not None or node.where or any(o.aggregate for o in node.outputs)
    return None if is_whole or not is_in_order else (page.last or 0) + 1


def _argument_names(function: Function | None) -> frozenset[str]:
    """Arguments without a column of the same name in the result. They are never filters, for any value."""
    return frozenset() if function is None else frozenset(a.name for a in function.arguments) - set(function.columns)


def _form_pairs(asked: Asked, limits: Limits) -> Sequence[tuple[str, str]] | None:
    """The fields of a form; None if the body is no form."""
    is_form = media.body_kind(asked.content_type) is BodyKind.FORM
    return bodies.form_pairs(asked.body, limits.body) if is_form else None


def _payload(asked: Asked, columns: tuple[str, ...] | None, limits: Limits) -> Payload:
    """The arguments in the body of a POST that is no form."""
    kind = media.body_kind(asked.content_type)
    if kind in _RAW:
        return Payload(b"{}", (), is_object=True)
    if kind is not BodyKind.JSON:
        raise problems.body_invalid(f"A function takes JSON or a form: {media.shown(kind)} is not acceptable")
    return bodies.payload(halves.marked(asked.body or b"{}"), kind, columns, limits.body)


def _fitting(asked: Asked, function: Function | None, names: Sequence[str]) -> Function:
    """The function, if it takes arguments of these names."""
    if function is not None and function.takes(names):
        return function
    name = asked.path.removeprefix(PREFIX)
    hint = problems.nearest_function(name, list(FUNCTIONS)) if function is None else function.ways
    raise problems.function_unknown(name, sorted(names), _searched(asked, sorted(names)), hint)


def _searched(asked: Asked, names: Sequence[str]) -> str:
    """PostgREST's words for the arguments that it looked for."""
    if asked.method == "POST" and media.body_kind(asked.content_type) in _RAW:
        return "with a single unnamed text parameter"
    plural = "s" if len(names) > 1 else ""
    found = f"with parameter{plural} {', '.join(names)}" if names else "without parameters"
    is_json = asked.method == "POST" and media.body_kind(asked.content_type) is BodyKind.JSON
    return f"{found} or with a single unnamed json/jsonb parameter" if is_json else found
