"""Query string → syntax. The parameters are read in PostgREST's order, so that the same error is found first."""

import re
from collections.abc import Callable, Collection
from itertools import compress
from operator import not_
from typing import TypeVar

from tieline.dialect import problems
from tieline.dialect.request import regexes
from tieline.dialect.request.cursor import Cursor, UnreadableError, names
from tieline.dialect.request.filters import logic_path, logic_tree, tree_path, whole_test
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.ranges import spans
from tieline.dialect.request.select import order, select
from tieline.dialect.request.syntax import Filter, Logic, OrderTerm, Path, Query
from tieline.wire import urls

_RESERVED = frozenset({"select", "columns", "on_conflict"})
_RESERVED_ENDINGS = frozenset({"order", "limit", "offset", "and", "or"})
_SEPARATORS = re.compile("[&;]")
# Integers as Haskell reads them, which PostgREST is written in: with spaces, parentheses, hexadecimal and octal digits.
_NUMBER = re.compile(r"\s*+\(*+\s*+(-?\s*+(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|[0-9]+))\s*+\)*+\s*+", re.ASCII)
_DIGITS_MAX = 400


def decode(text: str) -> str:
    """The text with percent signs and pluses undone. PostgreSQL has to be able to store it.

    >>> decode("a%2Cb+c")
    'a,b c'
    >>> decode("%FF")
    Traceback (most recent call last):
    tieline.problems.Problem: invalid byte sequence for encoding "UTF8": 0xff
    """
    try:
        decoded = urls.decoded(text)
    except UnicodeDecodeError as error:
        raw = error.object
        raise problems.invalid_bytes(b"\0" if 0 in raw else raw[error.start : error.end]) from None
    if "\0" in decoded:
        raise problems.invalid_bytes(b"\0")
    return decoded


def pairs(query: str) -> list[tuple[str, str | None]]:
    """The parameters, decoded. A parameter without an equals sign has no value.

    >>> pairs("select=id&&x;id=eq.a%26b")
    [('select', 'id'), ('x', None), ('id', 'eq.a&b')]
    """
    found: list[tuple[str, str | None]] = []
    for part in _SEPARATORS.split(query):
        if part:
            name, equals, value = part.partition("=")
            found.append((decode(name), decode(value) if equals else None))
    return found


def number(text: str) -> int | None:
    """The number of a limit or an offset. Text that is no number is ignored.

    >>> number(" 5"), number("-1"), number("0x10"), number("x"), number("1.5")
    (5, -1, 16, None, None)
    """
    found = _NUMBER.fullmatch(text[:_DIGITS_MAX])
    if found is None or text.count("(") != text.count(")"):
        return None
    digits = found.group(1).replace(" ", "")
    return int(digits, 0) if digits.lstrip("-")[:2].lower() in {"0x", "0o"} else int(digits)


T = TypeVar("T")


def _read(what: str, text: str, reader: Callable[[], T]) -> T:
    try:
        return reader()
    except UnreadableError as error:
        raise problems.unreadable(what, text, error.position, error.expecting) from None


def _first(parameters: list[tuple[str, str | None]], wanted: str) -> str | None:
    return next((value for name, value in parameters if name == wanted), None)


def _order(name: str, text: str) -> tuple[Path, tuple[OrderTerm, ...]]:
    path, _ = _read("tree path", name, lambda: tree_path(name))
    return path, _read("order", text, lambda: order(text))


def _logic(name: str, text: str, limits: Limits, *, is_read: bool) -> tuple[Path, Logic]:
    path, word = _read("logic path", name, lambda: logic_path(name))
    tree = _read("logic tree", text, lambda: logic_tree(word + text, depth_max=limits.depth_max, is_read=is_read))
    return path, tree


def _names(what: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None

    def whole() -> tuple[str, ...]:
        cursor = Cursor(text)
        found = names(cursor)
        cursor.end('letter, digit, "-", "," or end of input')
        return found

    return _read(what, text, whole)


def _number(name: str, text: str) -> tuple[Path, int | None]:
    path, _ = _read("tree path", name, lambda: tree_path(name))
    return path, number(text)


def _filter(name: str, text: str) -> tuple[Path, Filter]:
    path, column = _read("tree path", name, lambda: tree_path(name))
    return path, Filter(column, _read("filter", text, lambda: whole_test(text)))


def _is_filter(text: str) -> bool:
    """True for a parameter of a function call that is a filter on the result, and not an argument."""
    try:
        whole_test(text)
    except UnreadableError:
        return False
    return True


def parse(
    query: str,
    limits: Limits,
    *,
    is_read: bool = True,
    is_call: bool = False,
    argument_names: Collection[str] = (),
) -> Query:
    """The syntax of a query string. `argument_names` are always a function's arguments, never filters on its result.

    If select, columns, on_conflict or order is given twice, the first counts; of limits and offsets the last counts.
    All filters and logic trees count.

    >>> query = parse("select=id&id=eq.a&company.limit=3&order=id.desc", Limits(9, 1000))
    >>> query.filters[0][1].test.operator, query.spans[("company",)].rows_max, query.orders[0][1][0].direction
    ('eq', 3, 'desc')
    >>> parse("id=noop.a", Limits(9, 1000))
    Traceback (most recent call last):
    tieline.problems.Problem: "failed to parse filter (noop.a)" (line 1, column 1)
    """
    parameters = pairs(query)
    given = [(name, value, name.rpartition(".")[2]) for name, value in parameters if value is not None]
    orders = tuple(_order(name, value) for name, value, end in given if end == "order")
    logic = tuple(_logic(name, value, limits, is_read=is_read) for name, value, end in given if end in {"and", "or"})
    columns = _names("columns parameter", _first(parameters, "columns"))
    chosen = _first(parameters, "select") or ""
    items = _read("select parameter", chosen, lambda: select(chosen, depth_max=limits.depth_max))
    others = [(name, value) for name, value, end in given if end not in _RESERVED_ENDINGS and name not in _RESERVED]
    is_argument = [is_call and (name in argument_names or not _is_filter(value)) for name, value in others]
    arguments = tuple(compress(others, is_argument))
    chosen_filters = list(compress(others, map(not_, is_argument)))
    filters = tuple(_filter(name, value) for name, value in chosen_filters)
    regexes.check([one for _, one in (*filters, *logic)], limits.pattern_states_max)
    limits_given = [_number(name, value) for name, value, end in given if end == "limit"]
    offsets_given = [_number(name, value) for name, value, end in given if end == "offset"]
    on_conflict = _names("on_conflict parameter", _first(parameters, "on_conflict"))
    return Query(
        items,
        filters,
        logic,
        orders,
        spans(limits_given, offsets_given),
        columns,
        on_conflict,
        frozenset(name for name, _ in chosen_filters),
        arguments,
    )
