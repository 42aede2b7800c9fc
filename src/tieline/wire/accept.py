"""The Accept header (RFC 9110, 12.5.1): its media ranges, and the offered type that they prefer."""

import re
from collections.abc import Sequence

import msgspec

_WEIGHT = re.compile(r";q=([^;]*).*", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_BLANKS = re.compile(r"[ \t]+")


class MediaRange(msgspec.Struct, frozen=True):
    """One range of the header. `text` is what was sent, without blanks and weight; `kind` also without parameters."""

    text: str
    kind: str
    quality: float


def ranges(header: str) -> list[MediaRange]:
    """The ranges of the header, in its order. A weight that is no number counts as 1.

    >>> ranges("text/csv; Header=present; q=0.5, */*")[0]
    MediaRange(text='text/csv;Header=present', kind='text/csv', quality=0.5)
    """
    return [_range(part) for part in _BLANKS.sub("", header).split(",")]


def _range(part: str) -> MediaRange:
    weight = _WEIGHT.search(part)
    text = part[: weight.start()] if weight else part
    number = _NUMBER.match(weight[1]) if weight else None
    return MediaRange(text, text.partition(";")[0].lower(), float(number[0]) if number else 1.0)


def best(header: str, offered: Sequence[str]) -> str | None:
    """The offered type that the header prefers; None if it lets none through. An empty header lets all through.

    For each type its most specific range counts. Of types that are wanted equally, the one whose range stands first in
    the header wins, then the one that is offered first.

    >>> best("text/html, application/json;q=0.5", ["application/json"])
    'application/json'
    >>> best("application/json;q=0, */*", ["application/json"]) is None
    True
    >>> best("application/x-ndjson, text/*;q=0.9", ["text/csv", "application/x-ndjson"])
    'application/x-ndjson'
    """
    if not header.strip():
        return offered[0]
    given = ranges(header)
    wanted = [(-quality, place, kind) for kind in offered for quality, place in _weights(given, kind)[:1] if quality]
    return min(wanted, key=lambda choice: choice[:2])[2] if wanted else None


def _weights(given: Sequence[MediaRange], kind: str) -> list[tuple[float, int]]:
    """The quality and place of the most specific ranges that match a type, the highest quality first."""
    for name in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        found = [(one.quality, place) for place, one in enumerate(given) if one.kind == name]
        if found:
            return sorted(found, key=lambda weight: (-weight[0], weight[1]))
    return []
