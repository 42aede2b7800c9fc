"""The way into the dialect: `ask` reads a request, `prepare` makes its statement.

Reads that differ only in the values of plain filters (`entityId=eq.5`) have the same shape: the query string without
these values. The statement of a shape is kept, so that a request of a known shape is neither parsed nor planned.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from secrets import token_hex
from typing import LiteralString, cast

import msgspec

from tieline.dialect import problems
from tieline.dialect.catalogue import RESOURCES, Function, Key, Resource
from tieline.dialect.plan import calls, reads, writes
from tieline.dialect.plan.model import Call, Expression, Insert, Model, Read, Slot, Update
from tieline.dialect.plan.resolve import Values
from tieline.dialect.request.asked import Asked, ask
from tieline.dialect.request.limits import BodyLimits, Limits
from tieline.dialect.request.media import Form
from tieline.dialect.request.prefer import NONE
from tieline.dialect.sql.conditions import Placeholders
from tieline.dialect.sql.conflict import compile_doubles, compile_insert_holder, compile_update_holder, key_of
from tieline.dialect.sql.read import compile_call, compile_read
from tieline.dialect.sql.rendering import is_named
from tieline.dialect.sql.write import compile_write
from tieline.kept import Kept
from tieline.problems import Problem, answer_too_large
from tieline.sql.statement import Sql
from tieline.wire import urls
from tieline.wire.scopes import KeyScope

# The names that other rooms use.
__all__ = (
    "BodyLimits", "Limits", "Row", "Statement", "ask", "computed", "explanation", "knows", "prepare",
    "reads_body", "scope", "whole"
)  # fmt: skip

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PATCH", "PUT", "DELETE"})
WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
BODIES = WRITES - {"DELETE"}
UNIQUE_VIOLATION = "23505"
# Two rows of one INSERT … ON CONFLICT have the same unique key.
CARDINALITY_VIOLATION = "21000"

# For these operators the value never changes the SQL, so the shape leaves it out.
_PLAIN = "eq|neq|gt|gte|lt|lte|cs|cd"
# Stands for a value while the model of a shape is made (`plan/`). No client can know it.
_MARKER = token_hex(16)

# A query string in pieces, with None for each value that is left out.
Shape = tuple[str | None, ...]
# A text, and for each of its placeholders the slot of the value.
Compiled = tuple[LiteralString, tuple[Slot, ...]]
Row = Sequence[bytes | None]
# A statement that the requests of a shape share, and the positions of their own values in its parameters.
Alike = tuple["Statement", tuple[int, ...]]


class Statement(msgspec.Struct, frozen=True, gc=False):
    """The statement that answers a request. `slots` says for each parameter of `sql` which value of the model it is."""

    asked: Asked
    model: Model
    sql: Sql
    slots: tuple[Slot, ...]

    @property
    def is_lookup(self) -> bool:
        """True for a read of one row at the most, by a unique key."""
        return isinstance(self.model, Read) and self.model.is_lookup

    @property
    def is_undone(self) -> bool:
        """True for a write or a call with `Prefer: tx=rollback`: its transaction ends with a rollback."""
        return self.asked.wishes.transaction == "rollback" and not isinstance(self.model, Read)

    @property
    def function(self) -> Function | None:
        """The function of a call."""
        return self.model.function if isinstance(self.model, Call) else None

    @property
    def arguments(self) -> bytes | None:
        """The checked arguments of a call as a JSON object: the $2 of its SQL."""
        found = self.sql.parameters[1] if isinstance(self.model, Call) else None
        return found if isinstance(found, bytes) else None

    @property
    def first_row(self) -> int:
        """The number of the page's first row, counted from 0."""
        offset = self.model.node.offset
        return 0 if offset is None else self.number(offset)

    def number(self, slot: Slot) -> int:
        """The value of a slot that holds a number."""
        return int(self.sql.parameters[self.slots.index(slot)] or 0)


def knows(path: str) -> bool:
    """True for the paths of resources, of functions, and of the description of both, which is at the empty path.

    `prepare` answers an unknown name too, as PostgREST does: with PGRST205 and the nearest known name.

    >>> [knows(path) for path in ("", "company", "rpc/anything", "companies", "company/1")]
    [True, True, True, False, False]
    """
    return not path or path in RESOURCES or path.startswith(calls.PREFIX)


def scope(method: str, path: str) -> KeyScope:
    """The scope that a request needs.

    >>> scope("GET", "company"), scope("PATCH", "company"), scope("POST", "rpc/resolve"), scope("POST", "rpc/claim")
    ('api.read', 'api.admin', 'api.read', 'api.write')

    Raises:
        Problem: there is no such path (404), or its kind of path does not have the method (405).
    """
    if "/" in path:
        if not path.startswith(calls.PREFIX) or path.count("/") > 1:
            raise problems.path_invalid()
        function = calls.named(path)
        return "api.read" if function is None or function.is_read_only else "api.write"
    if method not in METHODS or (method in WRITES and not path):
        raise problems.method_unknown(method)
    if method not in WRITES:
        return "api.read"
    return "api.admin" if method == "PATCH" and path in RESOURCES and RESOURCES[path].changeable else "api.write"


def reads_body(method: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """True if the answer to a request depends on its body. Another body is refused, or ignored, without being read.

    >>> csv = [(b"content-type", b"text/csv")]
    >>> [reads_body(*each, csv) for each in (("POST", "company"), ("POST", "rpc/resolve"), ("DELETE", "company"))]
    [True, False, False]
    """
    given = next((value.decode("latin-1") for name, value in headers if name == b"content-type"), None)
    if path.startswith(calls.PREFIX):
        return method == "POST" and calls.reads_body(given)
    return method in BODIES and writes.reads_body(given)


def prepare(asked: Asked, company: str, limits: Limits) -> Statement | None:
    """The statement that answers a company's request; its $1 is the company. None: the answer needs no rows.

    >>> made = prepare(Asked("GET", "company", "select=id&name=eq.x%2Cy", NONE), "c1", Limits(9, 10))
    >>> print(made.sql.text)
    select count(*), null, coalesce(json_agg(p), '[]') from (select "company"."id" as "id" from tieline."company" "company" where "company"."id" = $1 and "company"."name" = $2 limit $3) p
    >>> made.sql.parameters
    ('c1', 'x,y', '10')

    Raises:
        Problem: the request cannot be read or planned.
    """  # noqa: E501 - the statement is one line
    query = asked.query
    if (
        asked.path in RESOURCES
        and asked.wishes is NONE
        and asked.range is None
        and asked.method == "GET"
        # `;` separates parameters too. A NUL is refused in any value; looking for `%` first is much faster.
        and ";" not in query
        and "\0" not in query
        and not ("%" in query and "%00" in query)
    ):
        shape, values = _shape(query, asked.path)
        try:
            decoded = [urls.decoded(value) for value in values]
            alike, positions = _alike(asked.path, asked.accept, shape, limits)
        except (Problem, UnicodeDecodeError):
            # Planned again below: the problem has to name the first fault, in the request's own words.
            pass
        else:
            parameters = list(alike.sql.parameters)
            parameters[0] = company
            for position, value in zip(positions, decoded, strict=True):
                parameters[position] = value
            return Statement(asked, alike.model, Sql(alike.sql.text, tuple(parameters)), alike.slots)
    is_options = asked.method == "OPTIONS"
    if not asked.path or (is_options and calls.named(asked.path) is not None):
        return None
    made = _planned(asked, company, limits)
    return None if is_options else made


def whole(made: Statement, rows: bytes, count: int) -> Row | None:
    """The row of a statement over computed rows, if the request asks for all of them as they are.

    `rows`: a JSON array of `count` objects, each with all columns of the function in their order.

    >>> from tieline.dialect.request.prefer import NONE
    >>> asked = [Asked("POST", "rpc/link_many", query, NONE, body=b'{"mappings": []}') for query in ("", "index=eq.5")]
    >>> [whole(prepare(each, "c1", Limits(9, 10, 10)), b"[]", 0) for each in asked]
    [(b'0', None, b'[]'), None]

    Raises:
        Problem: the rows are more than an answer may have (413). Nothing may stay of what the function has done.
    """
    model = made.model
    assert isinstance(model, Call), "only the rows of a function are computed"
    bytes_max = model.rendering.bytes_max
    if bytes_max is not None and len(rows) > made.number(bytes_max):
        raise answer_too_large("answer_bytes_max", f"{made.number(bytes_max)} bytes")
    node = model.node
    is_all = [output.expression for output in node.outputs] == [Expression(c) for c in node.resource.columns.values()]
    is_plain = is_all and not (node.where or node.order or node.embeds or node.offset or model.is_counted)
    has_room = node.limit is None or made.number(node.limit) >= count
    if is_plain and has_room and is_named(node, model.rendering) and model.rendering.form is Form.JSON:
        return str(count).encode(), None, rows
    return None


def computed(made: Statement, rows: bytes) -> Sql:
    """The statement over rows that a verb of the store gave, as a JSON array."""
    model = made.model
    assert isinstance(model, Call), "only the rows of a function are computed"
    parameters = list(made.sql.parameters)
    parameters[made.slots.index(model.arguments)] = rows
    return Sql(made.sql.text, tuple(parameters))


def explanation(made: Statement, sqlstate: str, constraint: str | None) -> Sql | None:
    """The statement that explains a refused write: the holder of a unique key, or the rows of the body with one key."""
    model = made.model
    found = None
    if sqlstate == UNIQUE_VIOLATION and isinstance(model, Insert | Update):
        key = key_of(model.node.resource, constraint)
        found = None if key is None else _holder(model, key)
    elif sqlstate == CARDINALITY_VIOLATION and isinstance(model, Insert):
        found = _doubles(model)
    return None if found is None else _beside(made, found)


def _beside(made: Statement, compiled: Compiled) -> Sql:
    """Another statement with the values of this one."""
    text, slots = compiled
    values = dict(zip(made.slots, made.sql.parameters, strict=True))
    return Sql(text, tuple([values[slot] for slot in slots]))


def _planned(asked: Asked, company: str, limits: Limits) -> Statement:
    values = Values(company)
    if asked.path.startswith(calls.PREFIX):
        model: Model = calls.plan(asked, values, limits)
    elif asked.method in WRITES:
        model = writes.plan(asked, values, limits)
    else:
        model = reads.plan(asked, values, limits)
    text, slots = _compiled(model, limits)
    return Statement(asked, model, Sql(text, tuple([values.held[slot] for slot in slots])), slots)


class _Statements:
    """The statements of earlier shapes, and the texts of earlier models."""

    def __init__(self, limits: Limits) -> None:
        self.shapes = Kept[tuple[str, str | None, Shape], Alike](limits.shapes_bytes_max, limits.shape_bytes_max)
        self.texts = Kept[Model, Compiled](limits.shapes_bytes_max, limits.shape_bytes_max)


@lru_cache(1)
def _kept(limits: Limits) -> _Statements:
    """A process has one set of limits."""
    return _Statements(limits)


def _compiled(model: Model, limits: Limits) -> Compiled:
    texts = _kept(limits).texts
    compiled = texts.get(model)
    if compiled is None:
        compiled = _compile(model)
        texts.keep(model, compiled, len(compiled[0]))
    return compiled


def _compile(model: Model) -> Compiled:
    placeholders = Placeholders()
    match model:
        case Read():
            text = compile_read(model, placeholders)
        case Call():
            text = compile_call(model, placeholders)
        case _:
            text = compile_write(model, placeholders)
    return text, tuple(placeholders.slots)


def _holder(write: Insert | Update, key: Key) -> Compiled | None:
    placeholders = Placeholders()
    if isinstance(write, Update):
        return compile_update_holder(write, key, placeholders), tuple(placeholders.slots)
    text = compile_insert_holder(write, key, placeholders)
    return None if text is None else (text, tuple(placeholders.slots))


def _doubles(insert: Insert) -> Compiled | None:
    placeholders = Placeholders()
    text = compile_doubles(insert, placeholders)
    return None if text is None else (text, tuple(placeholders.slots))


def _alike(path: str, accept: str | None, shape: Shape, limits: Limits) -> Alike:
    """The statement of a shape, kept or made now."""
    shapes = _kept(limits).shapes
    alike = shapes.get((path, accept, shape))
    if alike is None:
        alike = _made(path, accept, shape, limits)
        size = len(alike[0].asked.query) + len(accept or "") + len(alike[0].sql.text)
        shapes.keep((path, accept, shape), alike, size)
    return alike


def _made(path: str, accept: str | None, shape: Shape, limits: Limits) -> Alike:
    pieces = [f"{_MARKER}{index}" if piece is None else piece for index, piece in enumerate(shape)]
    markers = [piece for piece in pieces if piece.startswith(_MARKER)]
    made = _planned(Asked("GET", path, "".join(pieces), NONE, accept), "", limits)
    return made, tuple(made.sql.parameters.index(marker) for marker in markers)


def _plain_filters(resource: Resource) -> re.Pattern[str]:
    # The value of a boolean may become part of the SQL.
    names = "|".join(column.name for column in resource.columns.values() if column.type != "boolean")
    return re.compile(f"(?:^|(?<=&))((?:{names})=(?:{_PLAIN})\\.)([^&]*)")


_PLAIN_FILTERS = {name: _plain_filters(resource) for name, resource in RESOURCES.items()}


def _shape(query: str, path: str) -> tuple[Shape, list[str]]:
    """The shape of a query string, and the values that it leaves out, as they were sent.

    >>> _shape("entityId=eq.a.b&select=id", "externalIntegrationMapping")
    (('', 'entityId=eq.', None, '&select=id'), ['a.b'])
    """
    pieces: list[str | None] = list(_PLAIN_FILTERS[path].split(query))
    values = cast(list[str], pieces[2::3])
    pieces[2::3] = [None] * len(values)
    return tuple(pieces), values
