"""The size of regular expressions: PostgreSQL repeats what has bounds, so that a short pattern can fill its memory."""

import re
from collections.abc import Iterable

from tieline.dialect import problems
from tieline.dialect.request.syntax import Filter, Logic, Predicate

_OPERATORS = frozenset({"match", "imatch"})
# A bracket expression may begin with its own closing bracket, and has classes such as [:alpha:] in it.
_BRACKET = re.compile(r"\[\^?\]?(?:\[[.:=].*?[.:=]\]|[^\]])*\]?", re.DOTALL)
_BOUND = re.compile(r"\{([0-9]{1,9})(?:,([0-9]{0,9}))?\}")

# The start of a pattern may be a director, and letters for another syntax, such as b (basic) and x (with spaces).
_OPTIONS = re.compile(r"(?:\*\*\*:)?(?:\(\?([a-z]+)\))?")
_COMMENT = re.compile(r"\(\?#[^)]*\)?")
_SPACE = re.compile(r"\s|#[^\n]*")
_BASIC = re.compile(r"\\([(){}])")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def check(asked: Iterable[Filter | Logic], states_max: int) -> None:
    """Refuse filters whose regular expressions are too large.

    Raises:
        Problem: one is.
    """
    for one in asked:
        if isinstance(one, Logic):
            check(one.operands, states_max)
        elif one.test.operator in _OPERATORS and _states(one.test) > states_max:
            raise problems.pattern_too_large(states_max)


def _states(test: Predicate) -> int:
    """Those of all patterns of a filter. Of an array, a backslash may be the array's or the pattern's."""
    text = test.values[0]
    if test.quantifier is None:
        return states(text)
    return max(states(text), states(_ESCAPED.sub(r"\1", text)))


def states(pattern: str) -> int:
    r"""The characters of a pattern, each as often as bounds repeat it.

    >>> states("^[0-9a-f]{8}-x"), states(r"((a{1,200}){1,200})"), states(r"a\{9}b")
    (11, 40201, 5)
    """
    pattern = _plain(pattern)
    outer: list[int] = []
    # The size of the group so far, and its last item, which a bound repeats.
    total, last, position = 0, 0, 0
    while position < len(pattern):
        character = pattern[position]
        found = _BOUND.match(pattern, position) if character == "{" else None
        end = position + 1
        if found is not None:
            times = max(int(found[1]), int(found[2] or 0), 1)
            total += last * (times - 1)
            last, end = last * times, found.end()
        elif character == "(":
            outer.append(total)
            total = last = 0
        elif character == ")" and outer:
            last = total + 1
            total = outer.pop() + last
        else:
            if character == "[":
                end = max(end, _end_of_bracket(pattern, position))
            total += 1
            last, end = 1, end + (character == "\\")
        position = end
    return total + sum(outer)


def _plain(pattern: str) -> str:
    r"""The pattern without comments, and in the syntax that has no options, as far as bounds go.

    >>> _plain(r"(?b)\(a\{1,9\}\)"), _plain("***:(?x)a {1,9}  # nine"), _plain("a(?# b){1,9}")
    ('(a{1,9})', 'a{1,9}', 'a{1,9}')
    """
    found = _OPTIONS.match(pattern)
    options = "" if found is None else (found[1] or "")
    pattern = _COMMENT.sub("", pattern if found is None else pattern[found.end() :])
    if "x" in options:
        pattern = _SPACE.sub("", pattern)
    return _BASIC.sub(r"\1", pattern) if "b" in options else pattern


def _end_of_bracket(pattern: str, start: int) -> int:
    found = _BRACKET.match(pattern, start)
    return start if found is None else found.end()
