"""The literal beginning and end of a LIKE pattern, and the range of texts that begin with a text."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\\(.)|([%_])|([^\\%_]+)", re.DOTALL)
_SURROGATES = range(0xD800, 0xE000)
_LAST = 0x10FFFF
# An element of an array literal. White space around it does not count; PostgreSQL knows six such characters here.
_ELEMENT = re.compile(
    r'[ \t\n\r\v\f]*(?:"((?:[^"\\]|\\.)*)"|([^"{}\\, \t\n\r\v\f](?:[^"{}\\,]*[^"{}\\, \t\n\r\v\f])?))[ \t\n\r\v\f]*',
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ends:
    """The literal text that a pattern begins with, and that it ends with; empty if a wildcard stands there."""

    first: str
    last: str


def ends(pattern: str) -> Ends | None:
    r"""The literal ends of a pattern with `%`, `_` and the escape character `\`; None if an escape has no character.

    >>> ends("doc:%:1"), ends(r"50\%"), ends("%"), ends("a\\")
    (Ends(first='doc:', last=':1'), Ends(first='50%', last='50%'), Ends(first='', last=''), None)
    """
    first: str | None = None
    pieces: list[str] = []
    position = 0
    while position < len(pattern):
        found = _TOKEN.match(pattern, position)
        if found is None:
            return None
        position = found.end()
        if found[2] is None:
            pieces.append(found[1] or found[3])
        else:
            first = "".join(pieces) if first is None else first
            pieces = []
    last = "".join(pieces)
    return Ends(last if first is None else first, last)


def above(prefix: str) -> str | None:
    r"""The least text above all that begin with the prefix, by code points; None if there is none.

    >>> above("doc:"), above("a\U0010ffff"), above("\ud7ff"), above("\U0010ffff")
    ('doc;', 'b', '\ue000', None)
    """
    for place in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[place])
        if code < _LAST:
            following = code + 1
            return prefix[:place] + chr(_SURROGATES.stop if following in _SURROGATES else following)
    return None


def elements(array: str, count_max: int) -> list[str] | None:
    r"""The texts of PostgreSQL's array literal; None if there are more, or if it is not plain which texts they are.

    >>> elements('{a*, "b,\\"c"}', 9), elements("{a,b}", 1)
    (['a*', 'b,"c'], None)
    >>> [elements(array, 9) for array in ("{}", "{a,}", "{null}", "{{a}}")]
    [None, None, None, None]
    """
    end = len(array) - 1
    if not (array.startswith("{") and array.endswith("}")):
        return None
    found: list[str] = []
    position = 0
    while position < end:
        # A brace or a comma stands before each element.
        element = _ELEMENT.match(array, position + 1, end)
        if element is None or len(found) == count_max or (element[2] or "").lower() == "null":
            return None
        found.append(_ESCAPED.sub(r"\1", element[1]) if element[2] is None else element[2])
        position = element.end()
        if position < end and array[position] != ",":
            return None
    return found
