"""Request bodies: JSON, CSV and forms → JSON, with the names of its columns.

What a body may hold is counted before it becomes objects of Python, each of which takes a hundred bytes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tieline.dialect import problems
from tieline.dialect.request import csv_body
from tieline.dialect.request.limits import BodyLimits
from tieline.dialect.request.media import BodyKind, shown
from tieline.wire import halves, pieces, urls
from tieline.wire.pieces import PIECE_BYTES, TooLongError, Walk

_OBJECT = re.compile(rb"[ \t\n\r]*+\{")


@dataclass(frozen=True, slots=True)
class Payload:
    """A body as JSON. `columns` are sorted by name."""

    json: bytes
    columns: tuple[str, ...]
    is_object: bool


_KEYS_MUST_MATCH = "All object keys must match"
_LIMITS = BodyLimits()
_NO_ROWS = Payload(b"[]", (), is_object=False)
_Row = dict[str, msgspec.Raw]
_raw_row = msgspec.json.Decoder(_Row)
_raw_rows = msgspec.json.Decoder(list[_Row])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder(msgspec.Raw)


def _looks_like_object(body: bytes) -> bool:
    return _OBJECT.match(body) is not None


def _json(body: bytes, limits: BodyLimits) -> Payload:
    # msgspec does not read raw values, so it would not see invalid UTF-8 in them.
    if pieces.not_utf8(body) is not None:
        raise problems.body_invalid("Empty or invalid json")
    try:
        walk = Walk(body, limits.row_bytes_max)
        if walk.is_object:
            payload = Payload(body, tuple(sorted(names(walk, limits))), is_object=True)
        elif walk.is_array:
            payload = _array(body, walk, limits)
        else:
            walk.value()
            payload = _NO_ROWS
        walk.end()
    except pieces.BROKEN:
        marked = halves.marked(body)
        said = None if marked is body else unstorable(marked)
        raise problems.body_invalid("Empty or invalid json") if said is None else problems.not_storable(said) from None
    except TooLongError:
        raise problems.row_too_long(limits.row_bytes_max) from None
    except RecursionError:
        raise problems.body_too_deep(limits.depth_max) from None
    return payload


def unstorable(json: bytes) -> str | None:
    r"""The first row and column with text that PostgreSQL cannot store, and the reason; None if there is none.

    >>> unstorable(rb'[{"a": "x"}, {"a": "x", "b": {"c": "\u0000"}}]')
    'Row 1: b contains a NUL character, which PostgreSQL cannot store.'
    """
    walk = Walk(json, len(json) + 1)
    try:
        if walk.is_object:
            return _unstorable_value({name: msgspec.Raw(walk.value()) for name in walk.members()})
        index = 0
        for rows in walk.elements(_raw_rows.decode):
            for row in rows:
                said = _unstorable_value(row)
                if said is not None:
                    return f"Row {index}: {said}"
                index += 1
    except pieces.BROKEN:
        pass
    return None


def _unstorable_value(row: _Row) -> str | None:
    for name, value in row.items():
        reason = halves.unstorable_json(bytes(value))
        if reason is not None:
            return f"{name} {reason}."
    return None


def names(walk: Walk, limits: BodyLimits) -> set[str]:
    """The names in an object that may hold a long array, and go behind it.

    Raises:
        Problem: there are too many names, too many items of an array, or values that are nested too deep (413).
    """
    found = set[str]()
    for count, name in enumerate(walk.members(), 1):
        found.add(name)
        # A name may come again, and is read again.
        if count > limits.names_max:
            raise problems.body_too_long("names", limits.names_max, "body_names_max")
        if walk.is_array:
            rows = 0
            for some in walk.elements(_raws.decode):
                rows += len(some)
                _require_few(rows, limits)
                _require_shallow(some, limits)
        else:
            _require_shallow([msgspec.Raw(walk.value())], limits)
    return found


def _require_few(count: int, limits: BodyLimits) -> None:
    if count > limits.rows_max:
        raise problems.body_too_long("rows", limits.rows_max, "body_rows_max")


def _require_shallow(values: Sequence[msgspec.Raw], limits: BodyLimits) -> None:
    for value in values:
        # Most values hold fewer brackets than may be open at a time.
        if len(memoryview(value)) > limits.depth_max and pieces.depth_exceeds(bytes(value), limits.depth_max):
            raise problems.body_too_deep(limits.depth_max)


def _array(body: bytes, walk: Walk, limits: BodyLimits) -> Payload:
    columns: tuple[str, ...] | None = None
    is_uniform, count = True, 0
    for rows in walk.elements(lambda piece: _rows(piece, limits)):
        if rows is None:
            is_uniform = False
            continue
        count += len(rows)
        _require_few(count, limits)
        if columns is None:
            columns = tuple(rows[0])
        first = dict.fromkeys(columns)
        is_uniform = is_uniform and all(row.keys() == first.keys() for row in rows)
    if not is_uniform:
        raise problems.body_invalid(_KEYS_MUST_MATCH)
    return _NO_ROWS if columns is None else Payload(body, tuple(sorted(columns)), is_object=False)


def _rows(piece: bytes, limits: BodyLimits) -> list[_Row] | None:
    """The objects of an array; None if it holds other values."""
    raws = _raws.decode(piece)
    _require_shallow(raws, limits)
    try:
        # A large object may have very many names: they are counted first.
        rows = _raw_rows.decode(piece) if len(piece) <= 2 * PIECE_BYTES else [_row(raw, limits) for raw in raws]
    except msgspec.ValidationError:
        return None
    if max(map(len, rows)) > limits.names_max:
        raise problems.body_too_long("names in a row", limits.names_max, "body_names_max")
    return rows


def _row(raw: msgspec.Raw, limits: BodyLimits) -> _Row:
    walk = Walk(bytes(raw), limits.row_bytes_max)
    if walk.is_object:
        names(walk, limits)
    return _raw_row.decode(raw)


def _require_text(body: bytes) -> None:
    broken = pieces.not_utf8(body)
    if broken is not None:
        raise problems.invalid_bytes(broken)


def _csv(body: bytes, limits: BodyLimits) -> Payload:
    _require_text(body)
    json, columns = csv_body.as_json(body, limits)
    return Payload(json, tuple(sorted(columns)), is_object=False) if columns else _NO_ROWS


def form_pairs(body: bytes, limits: BodyLimits) -> list[tuple[str, str]]:
    """The fields of an urlencoded form.

    >>> form_pairs(b"a=1+2&b=%C3%A9&c", BodyLimits())
    [('a', '1 2'), ('b', 'é'), ('c', '')]

    Raises:
        Problem: there are too many fields (413), or their bytes are not UTF-8.
    """
    if pieces.count(body, b"&") + pieces.count(body, b";") > limits.rows_max:
        raise problems.body_too_long("fields", limits.rows_max, "body_rows_max")
    try:
        return list(urls.pairs(body, b"&;"))
    except UnicodeDecodeError as error:
        raise problems.invalid_bytes(error.object[error.start : error.end]) from None


def _form(body: bytes, limits: BodyLimits) -> Payload:
    fields = dict(form_pairs(body, limits))
    if len(fields) > limits.names_max:
        raise problems.body_too_long("names", limits.names_max, "body_names_max")
    return Payload(msgspec.json.encode(fields), tuple(sorted(fields)), is_object=True)


def _unread(body: bytes, columns: tuple[str, ...], limits: BodyLimits) -> Payload:
    """JSON that PostgreSQL alone reads. It is counted as far as it is JSON: PostgreSQL says what is wrong with it."""
    if pieces.has(body, b"\0"):
        raise problems.invalid_bytes(b"\0")
    _require_text(body)
    try:
        walk = Walk(halves.marked(body), limits.row_bytes_max)
        if walk.is_object:
            names(walk, limits)
        elif walk.is_array:
            count = 0
            for rows in walk.elements(lambda piece: _rows(piece, limits) or _raws.decode(piece)):
                count += len(rows)
                _require_few(count, limits)
    except pieces.BROKEN:
        pass
    except TooLongError:
        raise problems.row_too_long(limits.row_bytes_max) from None
    except RecursionError:
        raise problems.body_too_deep(limits.depth_max) from None
    return Payload(body, tuple(sorted(set(columns))), _looks_like_object(body))


def payload(
    body: bytes, kind: BodyKind | str, columns: tuple[str, ...] | None, limits: BodyLimits = _LIMITS
) -> Payload:
    r"""The body of a POST, PATCH or PUT.

    >>> payload(b'[{"b": 1, "a": 2}]', BodyKind.JSON, None).columns
    ('a', 'b')
    >>> payload(b"a,b\n1,NULL", BodyKind.CSV, None).json
    b'[{"a":"1","b":null}]'

    With columns=, only these keys of a JSON body count, and PostgreSQL alone reads the body.

    >>> payload(b'[{"b": 1, "x": 2}]', BodyKind.JSON, ("b", "a", "b")).columns
    ('a', 'b')

    Raises:
        Problem: the body cannot be read, is of another kind, or holds too much (413).
    """
    if kind is BodyKind.JSON and columns is not None:
        return _unread(body, columns, limits)
    if kind is BodyKind.JSON:
        return _json(body, limits)
    if kind is BodyKind.CSV:
        return _csv(body, limits)
    if kind is BodyKind.FORM:
        return _form(body, limits)
    raise problems.body_invalid(f"Content-Type not acceptable: {shown(kind)}")
