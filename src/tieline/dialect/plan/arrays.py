"""Arrays of text in a query string or a form: PostgreSQL's text form, JSON, or one text for each element."""

import re
from collections.abc import Sequence

import msgspec

from tieline.dialect import problems
from tieline.wire import halves, misfit, pieces
from tieline.wire.pieces import Walk

_ITEM = re.compile(r'[ \t\n\r\f\v]*(?:"((?:[^"\\]++|\\.)*+)"|([^,{}"\\]*+))[ \t\n\r\f\v]*(?:,|\Z)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SHOWN_MAX = 200
_texts = msgspec.json.Decoder(list[str])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)


def literal(text: str, name: str, rows_max: int) -> list[str] | None:
    r"""The elements of an array in PostgreSQL's text form; None if the text is no such array.

    >>> literal('{a, "b,\\"c" ,}', "a", 9), literal('{a,"b,\\"c"}', "a", 9), literal("{}", "a", 9)
    (None, ['a', 'b,"c'], [])

    Raises:
        Problem: 413, there are too many; the rest is not read.
    """
    if not (text.startswith("{") and text.endswith("}")) or len(text) < len("{}"):
        return None
    end = len(text) - 1
    if not text[1:end].strip():
        return []
    found, at = list[str](), 1
    is_open = True
    while is_open:
        item = _ITEM.match(text, at, end)
        if item is None:
            return None
        quoted, plain = item.groups()
        element = _ESCAPE.sub(r"\1", quoted) if quoted is not None else plain.strip()
        if not element and quoted is None:
            return None
        _append(found, element, name, rows_max)
        at = item.end()
        is_open = text.startswith(",", at - 1) and at > item.end(1 if quoted is not None else 2)
    return found


def _append(found: list[str], element: str, name: str, rows_max: int) -> None:
    if len(found) >= rows_max:
        raise problems.batch_too_large(name, rows_max)
    found.append(element)


def values(name: str, given: Sequence[str], rows_max: int) -> list[str]:
    """The elements of an array that a query string or a form gives.

    >>> values("a", ["{x,y}"], 9), values("a", ['["x"]'], 9), values("a", ["x", "{y}"], 9), values("a", ["x"], 9)
    (['x', 'y'], ['x'], ['x', '{y}'], ['x'])

    Raises:
        Problem: half of an array, or too many elements.
    """
    if len(given) > 1:
        return list(given)
    text = given[0]
    if text.startswith("["):
        return _json(text, name, rows_max)
    if text.startswith("{"):
        elements = literal(text, name, rows_max)
        if elements is None:
            shown = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."
            raise problems.argument_invalid(f"{name}: this is not an array: {shown}")
        return elements
    return [text]


def _json(text: str, name: str, rows_max: int) -> list[str]:
    walk = Walk(halves.marked(text.encode()))
    try:
        found = of_walk(walk, name, rows_max)
        walk.end()
    except (*pieces.BROKEN, RecursionError):
        return [text]
    return found


def of_walk(walk: Walk, name: str, rows_max: int) -> list[str]:
    """The texts of the JSON array here.

    Raises:
        Problem: an element is no text, or there are too many.
    """
    found = list[str]()

    def read(piece: bytes) -> list[str]:
        return _read(piece, name, len(found))

    for some in walk.elements(read):
        found += some
        if len(found) > rows_max:
            raise problems.batch_too_large(name, rows_max)
    return found


def _read(piece: bytes, name: str, start: int) -> list[str]:
    try:
        return _texts.decode(piece)
    except msgspec.ValidationError:
        for index, raw in enumerate(_raws.decode(piece), start):
            try:
                _text.decode(raw)
            except msgspec.ValidationError as error:
                raise problems.argument_invalid(where(error, f"{name}[{index}]")) from None
        raise


def where(error: msgspec.ValidationError, path: str) -> str:
    """The place of a value that does not fit, and why it does not.

    >>> try: _text.decode(b"1")
    ... except msgspec.ValidationError as error: where(error, "externalIds[1]")
    'externalIds[1]: expected a string, got a number: its digits may be lost on the way'
    """
    found = misfit.read(str(error))
    warning = ": its digits may be lost on the way" if found.may_lose_digits else ""
    return f"{misfit.joined(path, found.path)}: {found.message}{warning}"
