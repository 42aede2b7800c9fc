"""The way out of the dialect: the rows or the error of a statement → status, headers and body of the answer."""

from collections.abc import Collection
from urllib.parse import quote

import msgspec

from tieline.dialect import database_words, openapi, problems
from tieline.dialect.openapi import describe
from tieline.dialect.plan import calls
from tieline.dialect.plan.model import Insert, Read, Update, Write
from tieline.dialect.request import body as bodies
from tieline.dialect.request import media, prefer, ranges
from tieline.dialect.request.asked import Asked
from tieline.dialect.sql.conflict import key_of
from tieline.dialect.statement import Row, Statement
from tieline.problems import Problem
from tieline.wire import halves

# The names that other rooms use.
__all__ = ("describe", "fixed", "of", "problem", "spoiled")

ALLOW = "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
ALLOW_READING = "OPTIONS,GET,HEAD"
OPENAPI = "application/openapi+json"
VARY = ("vary", "Accept, Prefer, Range")

# The codes of JSON with text that PostgreSQL cannot store: a NUL character, half of a surrogate pair.
UNSTORABLE = frozenset({"22P05", "22P02"})

Headers = list[tuple[str, str]]
# Status, headers and body.
Whole = tuple[int, Headers, bytes]


def fixed(asked: Asked, scopes: Collection[str], version: str) -> Whole:
    """The answer to a request that needs no rows: OPTIONS, or the OpenAPI description for a caller of these scopes.

    >>> from tieline.dialect.request.prefer import NONE
    >>> fixed(Asked("OPTIONS", "company", "", NONE), (), "1")
    (200, [('allow', 'OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE')], b'')

    Raises:
        Problem: 406, the Accept header leaves the description out.
    """
    if asked.method == "OPTIONS":
        return 200, [("allow", _allowed(asked.path))], b""
    wanted = [OPENAPI] if asked.accept is None else media.accepted(asked.accept)
    if not any(kind in {OPENAPI, "application/json", "*/*"} for kind in wanted):
        raise problems.not_acceptable(wanted)
    body = msgspec.json.encode(openapi.describe(scopes, version))
    return 200, [("content-type", f"{OPENAPI}; charset=utf-8"), VARY], body


def _allowed(path: str) -> str:
    function = calls.named(path)
    if function is not None:
        return f"{ALLOW_READING},POST" if function.is_read_only else "OPTIONS,POST"
    return ALLOW if path else ALLOW_READING


def of(made: Statement, row: Row) -> Whole:
    """The answer to a request whose statement gave this row.

    Raises:
        Problem: the Accept header asks for one row and there are others (406), or the offset is too high (416).
    """
    if isinstance(made.model, Read):
        return _page(made, row)
    if isinstance(made.model, Insert):
        return _inserted(made, made.model, row)
    if isinstance(made.model, Write):
        shown = _number(row[0]) if isinstance(made.model, Update) else 0
        content_range = ranges.content_range(0, shown, _counted(made, row))
        return _written(made, 200 if _is_shown(made) else 204, row, [("content-range", content_range)])
    return _page(made, row)


def _page(made: Statement, row: Row) -> Whole:
    form = made.model.rendering.form
    found = _number(row[0])
    if form.is_singular and found != 1:
        raise problems.not_single(str(found))
    total = None if row[1] is None else int(row[1])
    first = made.first_row
    headers = [
        ("content-type", form.content_type),
        ("content-range", ranges.content_range(first, found, total)),
        VARY,
        *_applied(made.asked),
    ]
    return ranges.status(first, found, total), headers, row[2] or b""


def _inserted(made: Statement, insert: Insert, row: Row) -> Whole:
    wishes, is_any_new = made.asked.wishes, _number(row[3]) > 0
    if insert.guards.is_put:
        return _written(made, (201 if is_any_new else 200) if _is_shown(made) else 204, row, [])
    headers: Headers = []
    if wishes.returned == "headers-only" and row[4] is not None:
        column = insert.node.resource.identity[0].name
        headers.append(("location", f"/{made.asked.path}?{column}=eq.{quote(row[4].decode(), safe='')}"))
    headers.append(("content-range", ranges.content_range(1, 0, _counted(made, row))))
    return _written(made, 200 if wishes.resolution == "merge-duplicates" and not is_any_new else 201, row, headers)


def _written(made: Statement, status: int, row: Row, headers: Headers) -> Whole:
    headers = [*_applied(made.asked), *headers]
    if not _is_shown(made):
        return status, headers, b""
    return status, [*headers, ("content-type", made.model.rendering.form.content_type), VARY], row[1] or b""


def _is_shown(made: Statement) -> bool:
    return made.asked.wishes.returned == "representation"


def _applied(asked: Asked) -> Headers:
    applied = prefer.applied(asked.wishes, asked.method)
    return [] if applied is None else [("preference-applied", applied)]


def _counted(made: Statement, row: Row) -> int | None:
    return None if made.asked.wishes.count is None else _number(row[0])


def _number(value: bytes | None) -> int:
    return int(value or b"0")


def problem(
    made: Statement,
    sqlstate: str,
    message: str,
    detail: str | None,
    hint: str | None,
    constraint: str | None,
    explained: Row | None,
) -> Problem:
    """The problem of a statement that PostgreSQL refused; `explained`: the row of `statement.explanation`, if any."""
    if explained is not None and not isinstance(made.model, Read):
        first, second = (None if value is None else value.decode() for value in explained)
        key = key_of(made.model.node.resource, constraint)
        if key is None:
            detail = f"Rows {first} and {second} of the body have the same key."
        else:
            names = ", ".join(column.name for column in key.columns)
            detail = f"Key ({names})=({first}) already exists."
            identity = made.model.node.resource.identity[0].name
            hint = hint if second is None else f"It is held by the row whose {identity} is {second}"
    ours = database_words.of(sqlstate, message, constraint)
    if ours is not None:
        message, detail, hint = ours, None, None
    return problems.from_database(sqlstate, message, detail, hint)


def spoiled(made: Statement, sqlstate: str) -> str | None:
    """The row of the body, and its column, with text that PostgreSQL cannot store; None if there are no rows."""
    model = made.model
    if sqlstate not in UNSTORABLE or not isinstance(model, Insert | Update) or model.body.is_object:
        return None
    json = made.sql.parameters[made.slots.index(model.body.slot)]
    assert isinstance(json, bytes), "a body is bytes"
    return bodies.unstorable(halves.marked(json))
