"""Which rows are asked for: limit, offset and the Range header, and what Content-Range says about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tieline.dialect import problems

_RANGE = re.compile(r"([0-9]+)-([0-9]*)", re.ASCII)
_DIGITS_MAX = 400


@dataclass(frozen=True, slots=True)
class Span:
    """Rows from `first` to `last`, both included and counted from 0; no last: to the end."""

    first: int = 0
    last: int | None = None

    @property
    def is_empty(self) -> bool:
        return self.last is not None and self.last < self.first

    @property
    def is_zero_limit(self) -> bool:
        """limit=0 is the one empty span that may be asked for."""
        return self.last == -1

    @property
    def rows_max(self) -> int | None:
        return None if self.last is None else self.last - self.first + 1


ALL = Span()
NO_ROWS = Span(0, -1)


def _both(a: Span, b: Span) -> Span:
    if a.is_empty or b.is_empty:
        # Any empty span will do, but for the one that limit=0 makes.
        return Span(1, 0)
    lasts = [last for last in (a.last, b.last) if last is not None]
    return Span(max(a.first, b.first), min(lasts) if lasts else None)


def header_span(value: str | None) -> Span:
    """The Range header's rows; one that cannot be read asks for all.

    >>> header_span("2-4"), header_span("3-"), header_span("items=0-1")
    (Span(first=2, last=4), Span(first=3, last=None), Span(first=0, last=None))
    """
    found = None if value is None else _RANGE.fullmatch(value.strip()[:_DIGITS_MAX])
    if found is None:
        return ALL
    return Span(int(found.group(1)), int(found.group(2)) if found.group(2) else None)


def spans(limits: Sequence[tuple[str, int | None]], offsets: Sequence[tuple[str, int | None]]) -> dict[str, Span]:
    """The spans by the name of their limit parameter; of several of one name the last counts.

    >>> spans([("limit", 3)], [("limit", 10), ("company.limit", 2)])
    {'limit': Span(first=10, last=12), 'company.limit': Span(first=2, last=None)}
    """
    limit_of, offset_of = dict(limits), dict(offsets)
    found: dict[str, Span] = {}
    for name in (*limit_of, *(n for n in offset_of if n not in limit_of)):
        limit, offset = limit_of.get(name), offset_of.get(name)
        if name in limit_of and name in offset_of:
            # An unreadable limit beside an offset counts as none at all: 0 rows.
            found[name] = Span(offset or 0, (offset or 0) + (limit or 0) - 1)
        elif name in limit_of:
            found[name] = ALL if limit is None else Span(0, limit - 1)
        else:
            found[name] = Span(offset or 0)
    return found


def top_span(query: Span | None, header: Span, method: str) -> Span:
    """The rows that the request as a whole asks for.

    >>> top_span(Span(0, 9), Span(4, None), "GET")
    Span(first=4, last=9)
    """
    limit = query or ALL
    asked = header if method == "GET" else ALL
    if limit.is_zero_limit:
        top = NO_ROWS
    else:
        top = _both(asked, limit)
        if top.is_empty:
            raise problems.range_upside_down() if asked.is_empty else problems.limit_negative()
    if method == "PUT" and top != ALL:
        raise problems.put_with_limit()
    return top


def restricted(span: Span, rows_max: int | None) -> Span:
    """The span, with no more rows than a page may have."""
    if rows_max is None or span.is_zero_limit:
        return NO_ROWS if span.is_zero_limit else span
    last = span.first + rows_max - 1
    return Span(span.first, last if span.last is None else min(span.last, last))


def content_range(first: int, rows: int, total: int | None) -> str:
    """The Content-Range header.

    >>> content_range(5, 2, 10), content_range(0, 0, None)
    ('5-6/10', '*/*')
    """
    shown = f"{first}-{first + rows - 1}" if rows > 0 and total != 0 else "*"
    return f"{shown}/{'*' if total is None else total}"


def status(first: int, rows: int, total: int | None) -> int:
    """200; 206 for a part of what is known to be there.

    >>> status(0, 3, 3), status(0, 2, 3), status(0, 2, None)
    (200, 206, 200)
    """
    if total is None:
        return 200
    if first > total:
        raise problems.offset_too_high(first, total)
    return 206 if rows < total else 200
