"""The grammar of select= and order=."""

import re
from typing import get_args

from tieline.dialect.catalogue import AGGREGATES
from tieline.dialect.request.cursor import Cursor, UnreadableError, comma, field, field_name, identifier
from tieline.dialect.request.syntax import Direction, Field, Nulls, OrderTerm, SelectField, SelectItem, SelectRelation

_AGGREGATE = re.compile(rf"\.({'|'.join(AGGREGATES)})\(\)")
_AFTER_FIELD = 'letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input'


def _alias(cursor: Cursor) -> str | None:
    """A name and a single colon. If another thing comes next, nothing is consumed."""
    start = cursor.position
    try:
        name = field_name(cursor)
    except UnreadableError:
        name = None
    if name is not None and cursor.next_is(":") and not cursor.next_is("::"):
        cursor.position += 1
        return name
    cursor.position = start
    return None


def _end_of_item(cursor: Cursor) -> bool:
    return cursor.is_at_end or cursor.next_is(",") or cursor.next_is(")")


def _cast(cursor: Cursor) -> str | None:
    if not cursor.take("::"):
        return None
    word = identifier(cursor)
    if word is None:
        raise UnreadableError(cursor.position, "letter or digit")
    return word


def _join_parameters(cursor: Cursor) -> tuple[str | None, bool]:
    """The hint, and whether the join is an inner one. A second hint or join word is ignored."""
    hint: str | None = None
    join: str | None = None
    for _ in range(2):
        if not cursor.take("!"):
            break
        if cursor.take("left"):
            join = join or "left"
        elif cursor.take("inner"):
            join = join or "inner"
        else:
            name = field_name(cursor)
            hint = name if hint is None else hint
    return hint, join == "inner"


def _relation(cursor: Cursor, depth: int) -> SelectRelation | None:
    """An embedded resource. If another thing comes next, nothing is consumed."""
    start = cursor.position
    cursor.skip_spaces()
    try:
        is_spread = cursor.take("...")
        alias = None if is_spread else _alias(cursor)
        name = field_name(cursor)
        hint, is_inner = _join_parameters(cursor)
    except UnreadableError:
        cursor.position = start
        return None
    if not cursor.next_is("(") or (name == "count" and not is_spread):
        cursor.position = start
        return None
    if depth == 0:
        raise UnreadableError(cursor.position, "less nesting")
    cursor.expect("(")
    items = _items(cursor, depth - 1)
    cursor.expect(")", _AFTER_FIELD)
    cursor.skip_spaces()
    return SelectRelation(name, items, alias, hint, is_inner, is_spread)


def _star(cursor: Cursor) -> bool:
    start = cursor.position
    cursor.skip_spaces()
    if cursor.take("*") and _end_of_item(cursor):
        return True
    cursor.position = start
    return False


def _count(cursor: Cursor) -> SelectField | None:
    start = cursor.position
    cursor.skip_spaces()
    alias = _alias(cursor)
    if cursor.take("count()"):
        cast = _cast(cursor)
        if _end_of_item(cursor):
            return SelectField(Field("*"), alias, aggregate="count", aggregate_cast=cast)
    cursor.position = start
    return None


def _column(cursor: Cursor) -> SelectField:
    if cursor.next_is("..."):
        # A spread resource was tried before, so the text behind the dots is not one.
        cursor.position += 3
        field_name(cursor)
        raise UnreadableError(cursor.position, 'letter, digit, "-", "!" or "("')
    cursor.skip_spaces()
    alias = _alias(cursor)
    name = field(cursor)
    cast = _cast(cursor)
    found = cursor.match(_AGGREGATE)
    aggregate = None if found is None else found[1:-2]
    aggregate_cast = _cast(cursor)
    if not _end_of_item(cursor):
        raise UnreadableError(cursor.position, _AFTER_FIELD)
    return SelectField(name, alias, cast, aggregate, aggregate_cast)


def _item(cursor: Cursor, depth: int) -> SelectItem:
    relation = _relation(cursor, depth)
    if relation is not None:
        return relation
    if _star(cursor):
        return SelectField(Field("*"))
    return _count(cursor) or _column(cursor)


def _items(cursor: Cursor, depth: int) -> tuple[SelectItem, ...]:
    if cursor.is_at_end or cursor.next_is(")"):
        return ()
    found = [_item(cursor, depth)]
    while comma(cursor):
        found.append(_item(cursor, depth))
    return tuple(found)


def select(text: str, *, depth_max: int) -> tuple[SelectItem, ...]:
    """The items of select=. Without items, all columns are selected.

    >>> select("id,n:name::text", depth_max=9)[1]
    SelectField(field=Field(name='name', steps=()), alias='n', cast='text', aggregate=None, aggregate_cast=None)
    >>> item = select("co:company!companyId!inner(name,createdAt.max())", depth_max=9)[0]
    >>> item.name, item.alias, item.hint, item.is_inner, item.items[1].aggregate
    ('company', 'co', 'companyId', True, 'max')
    >>> select("...company(name)", depth_max=9)[0].is_spread
    True
    >>> select("count()", depth_max=9)[0].aggregate
    'count'
    """
    cursor = Cursor(text)
    items = _items(cursor, depth_max)
    cursor.end(_AFTER_FIELD)
    return items


def _word(cursor: Cursor, words: tuple[str, ...]) -> str | None:
    for word in words:
        if cursor.take(f".{word}"):
            return word
    return None


def _order_field(cursor: Cursor) -> tuple[Field, str | None]:
    start = cursor.position
    try:
        relation = field_name(cursor)
        cursor.expect("(")
        name = field(cursor)
        cursor.expect(")")
    except UnreadableError:
        cursor.position = start
        return field(cursor), None
    return name, relation


def _order_term(cursor: Cursor) -> OrderTerm:
    cursor.skip_spaces()
    name, relation = _order_field(cursor)
    direction = _word(cursor, get_args(Direction))
    nulls = _word(cursor, get_args(Nulls))
    if not (cursor.is_at_end or cursor.next_is(",")):
        if cursor.next_is(".") and nulls is None:
            words = ('"asc", "desc", ' if direction is None else "") + '"nullsfirst" or "nullslast"'
            raise UnreadableError(cursor.position + 1, words)
        raise UnreadableError(cursor.position, 'delimiter (.), "," or end of input')
    return OrderTerm(
        name,
        relation,
        next((d for d in get_args(Direction) if d == direction), None),
        next((n for n in get_args(Nulls) if n == nulls), None),
    )


def order(text: str) -> tuple[OrderTerm, ...]:
    """The terms of order=.

    >>> order("company(name).desc,id")[0].relation, order("id.desc.nullslast")[0].nulls
    ('company', 'nullslast')
    """
    cursor = Cursor(text)
    terms = [_order_term(cursor)]
    while cursor.take(","):
        terms.append(_order_term(cursor))
    return tuple(terms)
