"""Arguments of functions: from the query, a form or JSON, checked against their types → one JSON object."""

from collections.abc import Sequence
from typing import Annotated, cast

import msgspec

from tieline.dialect import problems
from tieline.dialect.catalogue import Argument, Function
from tieline.dialect.request.body import Payload
from tieline.wire import halves, misfit
from tieline.wire.blanks import is_blank

_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


_Text = Annotated[str, msgspec.Meta(min_length=1)]
_NULL = msgspec.Raw(b"null")
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


# The JSON of each type of argument.
_DECODERS: dict[str, msgspec.json.Decoder[object]] = {
    "text": msgspec.json.Decoder(_Text),
    "boolean": msgspec.json.Decoder(bool),
    "text[]": msgspec.json.Decoder(list[str]),
    # Its rows are checked one by one, where they are written: a row that does not fit spoils no other.
    "mapping[]": msgspec.json.Decoder(list[msgspec.Raw]),
}


def _where(error: msgspec.ValidationError, path: str) -> str:
    """The place of a value that does not fit, and why it does not.

    >>> try: _DECODERS["text[]"].decode(b'["a", 1]')
    ... except msgspec.ValidationError as error: _where(error, "externalIds")
    'externalIds[1]: expected a string, got a number: its digits may be lost on the way'
    """
    found = misfit.read(str(error))
    warning = ": its digits may be lost on the way" if found.may_lose_digits else ""
    return f"{misfit.joined(path, found.path)}: {found.message}{warning}"


def _array_literal(text: str) -> list[str] | None:
    r"""The elements of an array in PostgreSQL's text form; None if the text is no such array.

    >>> _array_literal('{a, "b,\\"c" ,}'), _array_literal('{a,"b,\\"c"}'), _array_literal("{}")
    (None, ['a', 'b,"c'], [])
    """
    if not (text.startswith("{") and text.endswith("}")):
        return None
    found, rest = list[str](), text[1:-1].strip()
    position = 0
    while position < len(rest) or found:
        element, position = _quoted(rest, position) if rest.startswith('"', position) else _plain(rest, position)
        if element is None:
            return None
        found.append(element)
        if position == len(rest):
            break
        position = len(rest) - len(rest[position + 1 :].lstrip())
    return found


def _quoted(text: str, start: int) -> tuple[str | None, int]:
    pieces, position = list[str](), start + 1
    while position < len(text) and text[position] != '"':
        position += text[position] == "\\"
        pieces.append(text[position : position + 1])
        position += 1
    end = position + 1
    while text[end : end + 1] == " ":
        end += 1
    return (None if end > len(text) or text[end : end + 1] not in {"", ","} else "".join(pieces)), end


def _plain(text: str, start: int) -> tuple[str | None, int]:
    end = text.find(",", start)
    end = len(text) if end < 0 else end
    element = text[start:end].strip()
    return (None if not element or set(element) & set('{}"\\') else element), end


def _values(name: str, given: Sequence[str]) -> list[str]:
    """The elements of an array: PostgreSQL's text form, JSON, or one text for each element.

    >>> _values("a", ["{x,y}"]), _values("a", ['["x"]']), _values("a", ["x", "{y}"]), _values("a", ["x"])
    (['x', 'y'], ['x'], ['x', '{y}'], ['x'])
    """
    if len(given) > 1:
        return list(given)
    text = given[0]
    if text.startswith("["):
        try:
            return msgspec.json.decode(text, type=list[str])
        except msgspec.ValidationError as error:
            raise problems.argument_invalid(_where(error, name)) from None
        except msgspec.DecodeError:
            return [text]
    if text.startswith("{"):
        elements = _array_literal(text)
        if elements is None:
            raise problems.argument_invalid(f"{name}: this is not an array: {text}")
        return elements
    return [text]


def _from_text(argument: Argument, given: Sequence[str]) -> object:
    if argument.type == "text[]":
        return _values(argument.name, given)
    text = given[-1]
    if argument.type == "boolean":
        return _TRUTHS.get(text.lower(), text)
    if argument.type == "text":
        return text
    try:
        return msgspec.json.decode(halves.marked(text.encode()), type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return text


def from_texts(function: Function, pairs: Sequence[tuple[str, str]]) -> bytes:
    """The arguments of a query string or a form as a JSON object."""
    by_name = {argument.name: argument for argument in function.arguments}
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    return msgspec.json.encode({name: _from_text(by_name[name], values) for name, values in gathered.items()})


def check(function: Function, payload: Payload, rows_max: int) -> bytes:
    """The arguments as a JSON object, each of its type. What `columns` does not name is left out.

    Raises:
        Problem: an argument is not of its type, or an array has too many elements (413).
    """
    try:
        given = _object.decode(payload.json)
    except (msgspec.DecodeError, RecursionError):
        raise problems.body_invalid("Empty or invalid json") from None
    for argument in function.arguments:
        # Left out of a body although `columns` names it, an argument is null.
        raw = given.get(argument.name, _NULL)
        if bytes(raw) == b"null" and not argument.is_required:
            continue
        try:
            value = _DECODERS[argument.type].decode(raw)
            _require_storable(argument, value)
            if not function.is_read_only and isinstance(value, str) and is_blank(value):
                raise problems.argument_invalid(f"{argument.name} must not be blank")
        except msgspec.ValidationError as error:
            raise problems.argument_invalid(_where(error, argument.name)) from None
        if isinstance(value, list):
            _check_size(argument.name, len(value), rows_max)  # pyright: ignore[reportUnknownArgumentType]
        if argument.words and value not in argument.words:
            raise problems.argument_invalid(f"{argument.name}: expected one of {', '.join(argument.words)}")
    columns = set(payload.columns)
    if given.keys() <= columns:
        return payload.json
    return msgspec.json.encode({name: raw for name, raw in given.items() if name in columns})


def _require_storable(argument: Argument, value: object) -> None:
    """Refuse a text that PostgreSQL cannot store. Rows are checked where they are written."""
    texts = cast(Sequence[object], value) if argument.type == "text[]" else [value]
    for index, text in enumerate(texts):
        problem = halves.unstorable(text) if isinstance(text, str) else None
        if problem is not None:
            place = f"{argument.name}[{index}]" if argument.type == "text[]" else argument.name
            raise problems.argument_invalid(f"{place} {problem}")


def _check_size(name: str, size: int, rows_max: int) -> None:
    if size > rows_max:
        raise problems.batch_too_large(name, size, rows_max)
