"""Arguments of functions: from the query, a form or JSON, checked against their types → one JSON object."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from tieline.dialect import problems
from tieline.dialect.catalogue import Argument, Function
from tieline.dialect.plan import arrays
from tieline.dialect.request.body import Payload
from tieline.dialect.request.limits import Limits
from tieline.wire import halves, pieces
from tieline.wire.blanks import is_blank
from tieline.wire.pieces import TooLongError, Walk

# The member of the arguments that says which ids cannot be stored, and why.
PROBLEMS = "problems"

_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Argued(msgspec.Struct, frozen=True):
    """Checked arguments as a JSON object. `has_problems`: some ids in it are null, since they cannot be stored."""

    json: bytes
    has_problems: bool = False


_stored_text = msgspec.json.Decoder(str)
# The JSON of each type of argument; arrays are read in pieces.
_DECODERS: dict[str, msgspec.json.Decoder[object]] = {
    "text": msgspec.json.Decoder(_Text),
    "boolean": msgspec.json.Decoder(bool),
    "text[]": msgspec.json.Decoder(list[str]),
    "mapping[]": msgspec.json.Decoder(list[msgspec.Raw]),
}
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = msgspec.Raw(b"null")


def _from_text(argument: Argument, given: Sequence[str], rows_max: int) -> object:
    if argument.type == "text[]":
        return arrays.values(argument.name, given, rows_max)
    text = given[-1]
    if argument.type == "boolean":
        return _TRUTHS.get(text.lower(), text)
    if argument.type == "text":
        return text
    json = halves.marked(text.encode())
    try:
        walk = Walk(json)
        _skip(walk)
        walk.end()
    except (*pieces.BROKEN, RecursionError, TooLongError):
        return text
    return msgspec.Raw(json)


def _skip(walk: Walk) -> None:
    if walk.is_array:
        for _ in walk.elements(_raws.decode):
            pass
    else:
        walk.value()


def from_texts(function: Function, pairs: Sequence[tuple[str, str]], rows_max: int) -> bytes:
    """The arguments of a query string or a form as a JSON object."""
    by_name = {argument.name: argument for argument in function.arguments}
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    return msgspec.json.encode({name: _from_text(by_name[name], values, rows_max) for name, values in gathered.items()})


def check(function: Function, payload: Payload, limits: Limits, *, tells_problems: bool = False) -> Argued:
    """The arguments as a JSON object, each of its type. What `columns` does not name is left out.

    `tells_problems`: the function answers for each id, so an id that cannot be stored spoils no other.

    Raises:
        Problem: an argument is not of its type, or an array has too many elements (413).
    """
    by_name = {argument.name: argument for argument in function.arguments}
    given: dict[str, msgspec.Raw] = {}
    said: dict[str, str] = {}
    try:
        walk = Walk(payload.json, limits.body.row_bytes_max)
        for name in walk.members():
            start = walk.at
            found = _problems(by_name.get(name), function, walk, limits)
            given[name] = msgspec.Raw(memoryview(payload.json)[start : walk.at])
            if found:
                texts, said = found
                if not tells_problems:
                    raise problems.argument_invalid(next(iter(said.values())))
                given[name] = _without(texts, said)
    except pieces.BROKEN:
        raise problems.body_invalid("Empty or invalid json") from None
    except TooLongError:
        raise problems.row_too_long(limits.body.row_bytes_max) from None
    except RecursionError:
        raise problems.body_too_deep(limits.body.depth_max) from None
    for argument in function.arguments:
        # Left out of a body although `columns` names it, an argument is null.
        if argument.is_required and bytes(given.get(argument.name, _NULL)).strip() == b"null":
            _check_value(function, argument, b"null", limits)
    columns = set(payload.columns)
    if not said and given.keys() <= columns:
        return Argued(payload.json)
    kept = {name: raw for name, raw in given.items() if name in columns}
    return Argued(msgspec.json.encode({**kept, PROBLEMS: _told(said)} if said else kept), bool(said))


Spoiled = tuple[list[str], dict[str, str]]


def _problems(argument: Argument | None, function: Function, walk: Walk, limits: Limits) -> Spoiled | None:
    """Check the value of an argument and go behind it. Gives its ids and why some cannot be stored, if some cannot."""
    if argument is None or walk.text.startswith(b"null", walk.at):
        _skip(walk)
    elif argument.type == "text[]" and walk.is_array:
        texts = arrays.of_walk(walk, argument.name, limits.batch_rows_max)
        said = {
            str(index): reason
            for index, text in enumerate(texts)
            if (reason := halves.unstorable(text) or _too_long(text, limits))
        }
        # A function that is computed checks ids itself: one that cannot be stored spoils no other.
        if said and not function.is_computed:
            return texts, {place: f"{argument.name}[{place}] {reason}" for place, reason in said.items()}
    elif argument.type == "mapping[]" and walk.is_array:
        # Its rows are checked one by one, where they are written: a row that does not fit spoils no other.
        count = 0
        for some in walk.elements(_raws.decode):
            count += len(some)
            if count > limits.batch_rows_max:
                raise problems.batch_too_large(argument.name, limits.batch_rows_max)
    else:
        _check_value(function, argument, bytes(walk.value()), limits)
    return None


def _too_long(text: str, limits: Limits) -> str | None:
    """The reason for which no mapping has this text. Answers repeat what was asked, so it must not be long."""
    is_long = len(text) > limits.text_bytes_max
    return f"is longer than {limits.text_bytes_max} characters, the setting text_bytes_max" if is_long else None


def given_names(function: Function | None, payload: Payload) -> Sequence[str]:
    """The names of the arguments. Null counts as left out where a function is called in several ways."""
    if function is None or not function.signatures or not payload.is_object or not payload.json:
        return payload.columns
    nulls: set[str] = set()
    walk = Walk(payload.json)
    try:
        for name in walk.members():
            if walk.text.startswith(b"null", walk.at):
                nulls.add(name)
            _skip(walk)
    except (*pieces.BROKEN, RecursionError, TooLongError):
        # It is refused where the values are checked.
        return payload.columns
    return [name for name in payload.columns if name not in nulls]


def with_rows_max(arguments: bytes, rows_max: int | None) -> bytes:
    """The arguments with the number of rows that a page needs.

    >>> with_rows_max(b'{"entityType": "item"}', 10)
    b'{"entityType":"item","rowsMax":10}'
    """
    given = msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**given, "rowsMax": rows_max})


def _without(texts: Sequence[str], said: Mapping[str, str]) -> msgspec.Raw:
    """The JSON of the texts, with null for those that cannot be stored."""
    kept = [None if str(index) in said else text for index, text in enumerate(texts)]
    return msgspec.Raw(msgspec.json.encode(kept))


def _told(said: Mapping[str, str]) -> Mapping[str, object]:
    return {place: {"code": problems.INVALID, "message": f"{reason}."} for place, reason in said.items()}


def _check_value(function: Function, argument: Argument, raw: bytes, limits: Limits) -> None:
    is_stored = argument.type == "text" and not function.is_read_only
    try:
        value = (_stored_text if is_stored else _DECODERS[argument.type]).decode(raw)
    except msgspec.ValidationError as error:
        raise problems.argument_invalid(arrays.where(error, argument.name)) from None
    reason = halves.unstorable(value) if isinstance(value, str) else None
    if reason is None and isinstance(value, str) and not is_stored:
        reason = _too_long(value, limits)
    if reason is not None:
        raise problems.argument_invalid(f"{argument.name} {reason}")
    if is_stored and isinstance(value, str) and is_blank(value):
        raise problems.blank(argument.name)
    if argument.words and value not in argument.words:
        raise problems.argument_invalid(f"{argument.name}: expected one of {', '.join(argument.words)}")
