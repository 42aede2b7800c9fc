"""Arguments of functions: from the query, a form or JSON, checked against their types → one JSON object."""

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec

from tieline import misfit
from tieline.dialect import problems
from tieline.dialect.catalogue import Argument, Function
from tieline.dialect.request.body import Payload

_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}

# The escape of a NUL character: valid JSON, but PostgreSQL cannot store it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])


class _Mapping(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """A row of link_many. It may hold columns that the server makes, as rows that were read do. They are ignored."""

    entity_type: _Text
    entity_id: _Text
    integration: _Text
    external_id: _Text | None = None
    allow_duplicate_external_id: bool | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    last_synced_at: str | None = None
    remote_updated_at: str | None = None
    link: _Text | None = None
    company_id: str | None = None
    id: msgspec.Raw = msgspec.Raw(b"null")
    created_at: msgspec.Raw = msgspec.Raw(b"null")
    updated_at: msgspec.Raw = msgspec.Raw(b"null")
    created_by: msgspec.Raw = msgspec.Raw(b"null")
    updated_by: msgspec.Raw = msgspec.Raw(b"null")


# The JSON of each type of argument.
_DECODERS: dict[str, msgspec.json.Decoder[object]] = {
    "text": msgspec.json.Decoder(_Text),
    "boolean": msgspec.json.Decoder(bool),
    "text[]": msgspec.json.Decoder(list[str]),
    "mapping[]": msgspec.json.Decoder(list[_Mapping]),
}
_mapping = msgspec.json.Decoder(_Mapping)


class _Refused(msgspec.Struct, frozen=True):
    """A row of a batch that does not fit. It is refused alone; the other rows of the batch land."""

    index: int
    problem: dict[str, str | None]


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
        return msgspec.json.decode(text, type=msgspec.Raw)
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
    """The arguments as a JSON object, each of its type. Rows of a batch that do not fit are listed in `refused`.

    Raises:
        Problem: an argument is not of its type, or an array has too many elements (413).
    """
    try:
        given = _object.decode(payload.json)
    except (msgspec.DecodeError, RecursionError):
        raise problems.body_invalid("Empty or invalid json") from None
    refused: list[_Refused] = []
    for argument in function.arguments:
        raw = given.get(argument.name)
        if raw is None or (bytes(raw) == b"null" and not argument.is_required):
            continue
        if argument.type == "mapping[]":
            refused = _check_rows(argument.name, raw, given, rows_max)
            continue
        try:
            value = _DECODERS[argument.type].decode(raw)
        except msgspec.ValidationError as error:
            raise problems.argument_invalid(_where(error, argument.name)) from None
        if isinstance(value, list):
            _check_size(argument.name, len(value), rows_max)  # pyright: ignore[reportUnknownArgumentType]
        if argument.words and value not in argument.words:
            raise problems.argument_invalid(f"{argument.name}: expected one of {', '.join(argument.words)}")
    if not refused:
        return payload.json
    return msgspec.json.encode({**given, "refused": refused})


def _check_size(name: str, size: int, rows_max: int) -> None:
    if size > rows_max:
        raise problems.batch_too_large(name, size, rows_max)


def _check_rows(name: str, raw: msgspec.Raw, given: dict[str, msgspec.Raw], rows_max: int) -> list[_Refused]:
    """The rows that do not fit. An empty object takes their place in `given`."""
    try:
        rows = _raw_list.decode(raw)
    except msgspec.ValidationError as error:
        raise problems.argument_invalid(_where(error, name)) from None
    _check_size(name, len(rows), rows_max)
    # Looking for the bytes first is much faster than the pattern.
    if b"\\u0000" not in bytes(raw) or _NUL.search(raw) is None:
        try:
            _DECODERS["mapping[]"].decode(raw)
        except msgspec.ValidationError:
            pass
        else:
            return []
    refused: list[_Refused] = []
    for index, row in enumerate(rows):
        reason = _row_fault(row, f"{name}[{index}]")
        if reason is not None:
            refused.append(_Refused(index, {"code": "22023", "message": reason, "details": None, "hint": None}))
            rows[index] = msgspec.Raw(b"{}")
    given[name] = msgspec.Raw(msgspec.json.encode(rows))
    return refused


def _row_fault(row: msgspec.Raw, path: str) -> str | None:
    try:
        _mapping.decode(row)
    except msgspec.ValidationError as error:
        return _where(error, path)
    return f"{path}: text with a NUL cannot be stored" if _NUL.search(row) else None
