"""CSV bodies → JSON, record by record: no list of a body's fields or lines is ever made."""

import re
from collections.abc import Iterator, Sequence

import msgspec

from tieline.dialect import problems
from tieline.dialect.request.limits import BodyLimits

# A field, and what ends it: a comma, a line end, or the end of the text.
_FIELD = re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^",\n\r]*+))(,|\r\n|\n|\r|\Z)')
_SHOWN_MAX = 40
_encode = msgspec.json.Encoder().encode


def records(body: bytes, limits: BodyLimits) -> Iterator[list[str]]:
    r"""The records of a CSV text, which is UTF-8. Empty lines are skipped.

    >>> list(records(b'a,b\n1,"x, ""y"" z"\r\n\n', BodyLimits()))
    [['a', 'b'], ['1', 'x, "y" z']]

    Raises:
        Problem: the text is not CSV, or has too many lines or fields.
    """
    at = lines = 0
    while at < len(body):
        lines += 1
        # The first line is the heading.
        if lines > limits.rows_max + 1:
            raise problems.body_too_long("rows", limits.rows_max, "body_rows_max")
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end
        if body.count(b",", at, end) >= limits.names_max or body.find(b'"', at, end) >= 0:
            record, at = _careful(body, at, limits)
        else:
            line = body[at:end].removesuffix(b"\r")
            if b"\r" in line:
                record, at = _careful(body, at, limits)
            else:
                record, at = line.decode().split(","), end + 1
        if record != [""]:
            yield record


def _careful(body: bytes, start: int, limits: BodyLimits) -> tuple[list[str], int]:
    """The record that begins here, field by field, and the position behind it."""
    record = list[str]()
    at = start
    while True:
        found = _FIELD.match(body, at)
        if found is None:
            raise _unreadable(body, at)
        quoted, plain, border = found.groups()
        record.append((plain if quoted is None else quoted.replace(b'""', b'"')).decode())
        if len(record) > limits.names_max:
            raise problems.body_too_long("fields in a row", limits.names_max, "body_names_max")
        at = found.end()
        if border != b",":
            return record, at


_QUOTED = re.compile(rb'"(?:[^"]++|"")*+"')


def _unreadable(body: bytes, at: int) -> Exception:
    """The problem of a field that is not followed by a comma or a line end; it shows the text from there on."""
    if body.startswith(b'"', at):
        closed = _QUOTED.match(body, at)
        at = len(body) if closed is None else closed.end()
    else:
        at = body.find(b'"', at)
    rest = body[at : at + 4 * _SHOWN_MAX].decode(errors="ignore")[:_SHOWN_MAX]
    return problems.body_invalid(f"parse error (Failed reading: satisfy) at {_encode(rest).decode()}")


def as_json(body: bytes, limits: BodyLimits) -> tuple[bytes, Sequence[str]]:
    """The rows as a JSON array, and the names of their columns; no names if there are no rows."""
    lines = records(body, limits)
    header = next(lines, None)
    if header is None:
        raise problems.body_invalid("not enough input")
    made, names, is_uniform = bytearray(b"["), None, True
    for record in lines:
        row = {name: None if value == "NULL" else value for name, value in zip(header, record, strict=False)}
        names = row.keys() if names is None else names
        is_uniform = is_uniform and row.keys() == names
        made += _encode(row)
        made += b","
        if len(made) > limits.bytes_max:
            raise problems.body_too_long("bytes as JSON", limits.bytes_max, "body_bytes_max")
    if not is_uniform:
        raise problems.body_invalid("All lines must have same number of fields")
    if names is None:
        return b"[]", ()
    made[-1:] = b"]"
    return bytes(made), tuple(names)
