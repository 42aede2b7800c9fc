"""The known names that a mistyped one may stand for."""

from collections.abc import Iterable
from difflib import SequenceMatcher

from tieline.wire.blanks import WHITE_SPACE

# Of each name: comparing takes time in proportion to its length.
LENGTH_MAX = 100
NAMES_MAX = 3
SIMILARITY_MIN = 0.6
# Names that are so much less similar than the nearest one are not meant.
DISTANCE_MAX = 0.1


def nearest(given: str, names: Iterable[str]) -> list[str]:
    """The names that look like the given one, the most similar first.

    Upper and lower case count as the same, and white space around the given one does not count.

    >>> nearest("imprt", ["export", "import", "serve"])
    ['import']
    >>> nearest("EXTERNALID", ["entityId", "externalId"])
    ['externalId']
    """
    matcher = SequenceMatcher(b=given.strip(WHITE_SPACE)[:LENGTH_MAX].lower())
    similar: list[tuple[float, str]] = []
    for name in names:
        matcher.set_seq1(name[:LENGTH_MAX].lower())
        similar.append((matcher.ratio(), name))
    least = max([SIMILARITY_MIN, *(ratio - DISTANCE_MAX for ratio, _ in similar)])
    return [name for ratio, name in sorted(similar, key=lambda one: -one[0]) if ratio >= least][:NAMES_MAX]


def did_you_mean(given: str, names: Iterable[str], prefix: str = "") -> str:
    """A question with the nearest names, each behind the prefix, to put after a sentence; empty if none is near.

    >>> did_you_mean("prot", ["host", "port"])
    ' Did you mean port?'
    >>> did_you_mean("colour", ["host", "port"])
    ''
    """
    found = [prefix + name for name in nearest(given, names)]
    if not found:
        return ""
    return f" Did you mean {' or '.join([', '.join(found[:-1]), found[-1]] if len(found) > 1 else found)}?"
