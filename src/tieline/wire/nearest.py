"""The known names that a mistyped one may stand for."""

import difflib
from collections.abc import Iterable

NAMES_MAX = 3
SIMILARITY_MIN = 0.6


def nearest(given: str, names: Iterable[str]) -> list[str]:
    """The names that look like the given one, the most similar first; upper and lower case count as the same.

    >>> nearest("imprt", ["export", "import", "serve"])
    ['import']
    >>> nearest("EXTERNALID", ["entityId", "externalId"])
    ['externalId', 'entityId']
    """
    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(given.lower(), by_lower, n=NAMES_MAX, cutoff=SIMILARITY_MIN)
    return [by_lower[name] for name in found]


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """A question with the nearest names, to put behind a sentence; empty if none is near.

    >>> did_you_mean("prot", ["host", "port"])
    ' Did you mean port?'
    >>> did_you_mean("colour", ["host", "port"])
    ''
    """
    found = nearest(given, names)
    if not found:
        return ""
    return f" Did you mean {' or '.join([', '.join(found[:-1]), found[-1]] if len(found) > 1 else found)}?"
