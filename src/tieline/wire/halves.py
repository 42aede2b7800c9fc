"""Half of a surrogate pair as an escape in JSON: the rest of a cut emoji, which no text and no database can hold.

The decoder refuses the whole JSON for one. Marked, it spoils only the value that holds it.
"""

import re

from tieline.wire.pieces import has

# A NUL is refused in every value as well, so a marked value is never stored.
HALF = "\0\ufffd"
_HALF_ESCAPE = rb"\u0000\ufffd"
# An escaped backslash, a whole pair, or one of the halves.
_ESCAPE = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def marked(json: bytes) -> bytes:
    r"""The JSON with HALF for each half of a pair.

    >>> marked(b'["\\ud83d", "\\ud83d\\ude00", "\\\\ud83d"]')
    b'["\\u0000\\ufffd", "\\ud83d\\ude00", "\\\\ud83d"]'
    """
    if not (has(json, rb"\ud") or has(json, rb"\uD")):
        return json
    made, at = bytearray(), 0
    for found in _ESCAPE.finditer(json):
        if not found[1] and found[0] != rb"\\":
            made += json[at : found.start()]
            made += _HALF_ESCAPE
            at = found.end()
    made += json[at:]
    return bytes(made)


def unstorable(text: str) -> str | None:
    r"""Why PostgreSQL cannot store the text; None if it can.

    >>> unstorable("a\0"), unstorable("a")
    ('contains a NUL character, which PostgreSQL cannot store', None)
    """
    if "\0" not in text:
        return None
    return _reason("half of a surrogate pair" if HALF in text else "a NUL character")


def unstorable_json(json: bytes) -> str | None:
    r"""Why PostgreSQL cannot store the strings in the JSON; None if it can.

    >>> unstorable_json(b'{"a": "\\u0000\\ufffd"}')
    'contains half of a surrogate pair, which PostgreSQL cannot store'
    >>> unstorable_json(b'{"a": "\\\\u0000"}')
    """
    if _NUL_ESCAPE.search(json) is None:
        return None
    return _reason("half of a surrogate pair" if _HALF_ESCAPE in json else "a NUL character")


def _reason(what: str) -> str:
    return f"contains {what}, which PostgreSQL cannot store"
