"""The grammar of filters, such as `not.eq(any).{a,b}`, and of the trees in and=() and or=()."""

import re
from collections.abc import Callable
from typing import get_args

from tieline.dialect.request.cursor import (
    Cursor,
    UnreadableError,
    field,
    field_name,
    identifier,
    json_steps,
    quoted_value,
)
from tieline.dialect.request.syntax import Field, Filter, Logic, LogicWord, Path, Predicate, Quantifier

# Longer operators first, since a shorter one would match the beginning of a longer one.
SIMPLE = ("neq", "nxr", "nxl", "adj", "cs", "cd", "ov", "sl", "sr")
QUANTIFIED = ("imatch", "match", "ilike", "like", "gte", "lte", "eq", "gt", "lt")
FULL_TEXT = ("plfts", "phfts", "wfts", "fts")
IS_WORDS = ("not_null", "null", "true", "false", "unknown")

_QUANTIFIED = re.compile(rf"({'|'.join(QUANTIFIED)})(?:\((any|all)\))?\.")
_SIMPLE = re.compile(rf"({'|'.join(SIMPLE)})\.")
_FULL_TEXT = re.compile(rf"({'|'.join(FULL_TEXT)})(?=[.(])")
_IS_WORD = re.compile("|".join(IS_WORDS), re.IGNORECASE | re.ASCII)
_LIST_ELEMENT = re.compile(r"[^,)]*")
_ARRAY = re.compile(r"\{[^{}]*\}")

_OPERATOR = "operator (eq, gt, ...)"

Value = Callable[[Cursor], str]


def _rest(cursor: Cursor) -> str:
    start, cursor.position = cursor.position, len(cursor.text)
    return cursor.text[start:]


def _list_element(cursor: Cursor) -> str:
    """Up to a comma or a closing parenthesis, or a quoted value that ends there."""
    if cursor.next_is('"'):
        start = cursor.position
        try:
            value = quoted_value(cursor)
        except UnreadableError:
            value = None
        if value is not None and (cursor.is_at_end or cursor.text[cursor.position] in ",)"):
            return value
        cursor.position = start
    return cursor.match(_LIST_ELEMENT) or ""


def _logic_value(cursor: Cursor) -> str:
    """A value as in a list, or an array literal, which may contain commas."""
    if cursor.next_is("{"):
        array = cursor.match(_ARRAY)
        if array is not None:
            return array
    return _list_element(cursor)


def _values(cursor: Cursor) -> tuple[str, ...]:
    cursor.skip_spaces()
    cursor.expect("(")
    cursor.skip_spaces()
    found = [_list_element(cursor)]
    while cursor.take(","):
        found.append(_list_element(cursor))
    cursor.skip_spaces()
    cursor.expect(")", '"," or ")"')
    cursor.skip_spaces()
    return tuple(found)


def _full_text(cursor: Cursor, word: str, *, is_negated: bool, value: Value) -> Predicate:
    language = None
    if cursor.take("("):
        language = identifier(cursor)
        if language is None:
            raise UnreadableError(cursor.position, _OPERATOR)
        cursor.expect(")")
    cursor.expect(".", "delimiter (.)")
    return Predicate(word, (value(cursor),), is_negated, language=language)


def _quantifier(word: str | None) -> Quantifier | None:
    return next((q for q in get_args(Quantifier) if q == word), None)


def read_test(cursor: Cursor, value: Value) -> Predicate:
    """The test of a filter.

    >>> read_test(Cursor("not.eq.a.b"), _rest)
    Predicate(operator='eq', values=('a.b',), is_negated=True, quantifier=None, language=None)
    >>> read_test(Cursor('in.(a,"b,c")'), _rest).values
    ('a', 'b,c')
    >>> read_test(Cursor("like(any).{a*,b*}"), _rest).quantifier
    'any'
    >>> read_test(Cursor("fts(english).fox"), _rest).language
    'english'
    """
    is_negated = cursor.take("not.")
    if cursor.take("in."):
        return Predicate("in", _values(cursor), is_negated)
    if cursor.take("is."):
        word = cursor.match(_IS_WORD)
        if word is None:
            raise UnreadableError(cursor.position, "isVal: (null, not_null, true, false, unknown)")
        cursor.skip_spaces()
        return Predicate("is", (word.lower(),), is_negated)
    if cursor.take("isdistinct."):
        return Predicate("isdistinct", (value(cursor),), is_negated)
    word = cursor.match(_FULL_TEXT)
    if word is not None:
        return _full_text(cursor, word, is_negated=is_negated, value=value)
    found = _SIMPLE.match(cursor.text, cursor.position) or _QUANTIFIED.match(cursor.text, cursor.position)
    if found is None:
        raise UnreadableError(cursor.position, _OPERATOR if is_negated else f'"not" or {_OPERATOR}')
    cursor.position = found.end()
    quantifier = _quantifier(found.group(2)) if found.re is _QUANTIFIED else None
    return Predicate(found.group(1), (value(cursor),), is_negated, quantifier)


def whole_test(text: str) -> Predicate:
    """The test that is a parameter's whole value.

    >>> whole_test("is.NULL").values
    ('null',)
    """
    cursor = Cursor(text)
    found = read_test(cursor, _rest)
    cursor.end("end of input")
    return found


def tree_path(text: str) -> tuple[Path, Field]:
    """A filter's or order's name: the path of the embedded resource and the field there.

    >>> tree_path("company.name")
    (('company',), Field(name='name', steps=()))
    """
    cursor = Cursor(text)
    path = [field_name(cursor)]
    while cursor.take("."):
        path.append(field_name(cursor))
    steps = json_steps(cursor)
    cursor.end('letter, digit, "-", "->>", "->", delimiter (.) or end of input')
    return tuple(path[:-1]), Field(path[-1], steps)


def logic_path(text: str) -> tuple[Path, str]:
    """The name of a logic tree: the path of its embedded resource, and the word that begins the tree.

    >>> logic_path("company.not.or")
    (('company',), 'not.or')
    """
    cursor = Cursor(text)
    path = [field_name(cursor)]
    while cursor.take("."):
        path.append(field_name(cursor))
    cursor.end("delimiter (.) or end of input")
    where = tuple(name for name in path[:-1] if name != "not")
    return where, f"not.{path[-1]}" if "not" in path else path[-1]


def _logic_filter(cursor: Cursor) -> Filter | None:
    """A filter inside a tree. None if another thing comes next, which is not consumed then."""
    start = cursor.position
    try:
        name = field(cursor)
        cursor.expect(".", "delimiter (.)")
    except UnreadableError:
        cursor.position = start
        return None
    if name.name == "not" and not name.steps and (cursor.next_is("and(") or cursor.next_is("or(")):
        cursor.position = start
        return None
    return Filter(name, read_test(cursor, _logic_value))


def _logic_word(cursor: Cursor) -> LogicWord:
    for word in get_args(LogicWord):
        if cursor.take(word):
            return word
    raise UnreadableError(
        cursor.position, "field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)"
    )


def _tree(cursor: Cursor, depth: int) -> Filter | Logic:
    found = _logic_filter(cursor)
    if found is not None:
        return found
    if depth == 0:
        raise UnreadableError(cursor.position, "less nesting")
    is_negated = cursor.take("not.")
    word = _logic_word(cursor)
    cursor.skip_spaces()
    cursor.expect("(")
    cursor.skip_spaces()
    operands = [_tree(cursor, depth - 1)]
    while True:
        cursor.skip_spaces()
        if not cursor.take(","):
            break
        cursor.skip_spaces()
        operands.append(_tree(cursor, depth - 1))
    cursor.expect(")", '"," or ")"')
    cursor.skip_spaces()
    return Logic(word, is_negated, tuple(operands))


def logic_tree(text: str, *, depth_max: int, is_read: bool) -> Logic:
    """The tree of and=() or or=(); the text begins with the word.

    >>> tree = logic_tree("or(id.eq.a,not.and(b.gt.1,c.is.null))", depth_max=9, is_read=True)
    >>> tree.word, len(tree.operands), tree.operands[1].is_negated
    ('or', 2, True)

    A parenthesis that is not quoted ends the tree. If operands follow, a read ignores them, as PostgREST does. A write
    is refused, since it would change more rows than its conditions allow.

    >>> logic_tree("or(id.eq.a(1),b.eq.2)", depth_max=9, is_read=True).operands[0].test.values
    ('a(1',)
    >>> logic_tree("or(id.eq.a(1),b.eq.2)", depth_max=9, is_read=False)
    Traceback (most recent call last):
    tieline.dialect.request.cursor.UnreadableError: (13, 'end of input')
    """
    cursor = Cursor(text)
    tree = _tree(cursor, depth_max)
    if not (is_read and cursor.next_is(",")):
        cursor.end("end of input")
    if isinstance(tree, Filter):
        # The text begins with the tree's word. "and.eq.1" read as a filter lacks the parenthesis behind the word.
        raise UnreadableError(len("and"), '"("')
    return tree
