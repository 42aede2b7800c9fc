"""Request bodies: JSON, CSV and forms → JSON, with the names of its columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tieline.dialect import problems
from tieline.dialect.request.media import BodyKind
from tieline.wire import urls

_SPACE = b" \t\n\r"
_PLAIN_FIELD = re.compile(r'[^",\n\r]*')
_QUOTE, _COMMA, _LF, _CR = '"', ",", "\n", "\r"


@dataclass(frozen=True, slots=True)
class Payload:
    """A body as JSON. `columns` are sorted by name."""

    json: bytes
    columns: tuple[str, ...]
    is_object: bool


_KEYS_MUST_MATCH = "All object keys must match"
_NO_ROWS = Payload(b"[]", (), is_object=False)
_raw_row = msgspec.json.Decoder(dict[str, msgspec.Raw])
_raw_rows = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_anything = msgspec.json.Decoder(msgspec.Raw)


def _looks_like_object(body: bytes) -> bool:
    return body.lstrip(_SPACE).startswith(b"{")


def _uniform(rows: Sequence[Mapping[str, object]], message: str) -> tuple[str, ...]:
    if not rows:
        return ()
    columns = rows[0].keys()
    if any(row.keys() != columns for row in rows):
        raise problems.body_invalid(message)
    return tuple(sorted(columns))


def _json(body: bytes) -> Payload:
    try:
        # msgspec does not read raw values, so it would not see invalid UTF-8 in them.
        body.decode()
        if _looks_like_object(body):
            return Payload(body, tuple(sorted(_raw_row.decode(body))), is_object=True)
        rows = _rows(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise problems.body_invalid("Empty or invalid json") from None
    if rows is None:
        raise problems.body_invalid(_KEYS_MUST_MATCH)
    return Payload(body, _uniform(rows, _KEYS_MUST_MATCH), is_object=False) if rows else _NO_ROWS


def _rows(body: bytes) -> list[dict[str, msgspec.Raw]] | None:
    """The objects of an array; None if it holds other values. JSON that is no array counts as an empty array."""
    if body.lstrip(_SPACE).startswith(b"["):
        try:
            return _raw_rows.decode(body)
        except msgspec.ValidationError:
            _anything.decode(body)
            return None
    _anything.decode(body)
    return []


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise problems.invalid_bytes(body[error.start : error.end]) from None


def _csv_error(text: str, position: int) -> Exception:
    rest = msgspec.json.encode(text[position : position + 40]).decode()
    return problems.body_invalid(f"parse error (Failed reading: satisfy) at {rest}")


def _quoted_field(text: str, position: int) -> tuple[str, int]:
    """A quoted field from behind its first quote, and the position of its end."""
    start, pieces = position, list[str]()
    while True:
        end = text.find(_QUOTE, start)
        if end < 0:
            raise _csv_error(text, len(text))
        pieces.append(text[start:end])
        if not text.startswith(_QUOTE, end + 1):
            return _QUOTE.join(pieces), end + 1
        start = end + 2


def _plain_field(text: str, position: int) -> tuple[str, int]:
    found = _PLAIN_FIELD.match(text, position)
    assert found is not None, "the pattern matches empty text too"
    return found.group(), found.end()


def csv_records(text: str) -> list[list[str]]:
    r"""The records of a CSV text. Empty lines are skipped.

    >>> csv_records('a,b\n1,"x, ""y"" z"\r\n\n')
    [['a', 'b'], ['1', 'x, "y" z']]
    """
    records, record, position = list[list[str]](), list[str](), 0
    while position < len(text) or record:
        field, position = (
            _quoted_field(text, position + 1) if text.startswith(_QUOTE, position) else _plain_field(text, position)
        )
        record.append(field)
        if text.startswith(_COMMA, position):
            position += 1
            continue
        if position < len(text):
            if text[position] not in "\n\r":
                raise _csv_error(text, position)
            position += 2 if text.startswith("\r\n", position) else 1
        if record != [""]:
            records.append(record)
        record = []
    return records


def _csv(body: bytes) -> Payload:
    records = csv_records(_text(body))
    if not records:
        raise problems.body_invalid("not enough input")
    header = records[0]
    rows = [
        {name: None if value == "NULL" else value for name, value in zip(header, record, strict=False)}
        for record in records[1:]
    ]
    columns = _uniform(rows, "All lines must have same number of fields")
    return Payload(msgspec.json.encode(rows), columns, is_object=False) if rows else _NO_ROWS


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """The fields of an urlencoded form.

    >>> form_pairs(b"a=1+2&b=%C3%A9&c")
    [('a', '1 2'), ('b', 'é'), ('c', '')]
    """
    try:
        return list(urls.pairs(body.replace(b";", b"&")))
    except UnicodeDecodeError as error:
        raise problems.invalid_bytes(error.object[error.start : error.end]) from None


def _form(body: bytes) -> Payload:
    fields = dict(form_pairs(body))
    return Payload(msgspec.json.encode(fields), tuple(sorted(fields)), is_object=True)


def payload(body: bytes, kind: BodyKind | str, columns: tuple[str, ...] | None) -> Payload:
    r"""The body of a POST, PATCH or PUT.

    >>> payload(b'[{"b": 1, "a": 2}]', BodyKind.JSON, None).columns
    ('a', 'b')
    >>> payload(b"a,b\n1,NULL", BodyKind.CSV, None).json
    b'[{"a":"1","b":null}]'

    With columns=, only these keys of a JSON body count, and PostgreSQL alone reads the body.

    >>> payload(b'[{"b": 1, "x": 2}]', BodyKind.JSON, ("b", "a", "b")).columns
    ('a', 'b')
    """
    if kind is BodyKind.JSON and columns is not None:
        if b"\0" in body:
            raise problems.invalid_bytes(b"\0")
        _text(body)
        return Payload(body, tuple(sorted(set(columns))), _looks_like_object(body))
    if kind is BodyKind.JSON:
        return _json(body)
    if kind is BodyKind.CSV:
        return _csv(body)
    if kind is BodyKind.FORM:
        return _form(body)
    raise problems.body_invalid(f"Content-Type not acceptable: {kind.value if isinstance(kind, BodyKind) else kind}")
