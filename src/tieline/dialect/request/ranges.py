"""The rows of a page: limit, offset and the Range header; the Content-Range header of the answer."""

import re
from collections.abc import Sequence

from tieline.dialect import problems
from tieline.dialect.request.syntax import Path, Span

_RANGE = re.compile(r"([0-9]+)-([0-9]*)", re.ASCII)
_DIGITS_MAX = 400


ALL = Span()
NO_ROWS = Span(0, -1)


def _both(a: Span, b: Span) -> Span:
    if a.is_empty or b.is_empty:
        # Any empty span that is not the one of limit=0.
        return Span(1, 0)
    lasts = [last for last in (a.last, b.last) if last is not None]
    return Span(max(a.first, b.first), min(lasts) if lasts else None)


def header_span(value: str | None) -> Span:
    """The rows of the Range header. A header that cannot be read stands for all rows.

    >>> header_span("2-4"), header_span("3-"), header_span("items=0-1")
    (Span(first=2, last=4), Span(first=3, last=None), Span(first=0, last=None))
    """
    found = None if value is None else _RANGE.fullmatch(value.strip()[:_DIGITS_MAX])
    if found is None:
        return ALL
    return Span(int(found.group(1)), int(found.group(2)) if found.group(2) else None)


def spans(limits: Sequence[tuple[Path, int | None]], offsets: Sequence[tuple[Path, int | None]]) -> dict[Path, Span]:
    """The spans of the embedded resources at these paths; the root's path is empty. The last of two numbers counts.

    >>> spans([((), 3)], [((), 10), (("company",), 2)])
    {(): Span(first=10, last=12), ('company',): Span(first=2, last=None)}
    """
    limit_of, offset_of = dict(limits), dict(offsets)
    found: dict[Path, Span] = {}
    for path in (*limit_of, *(p for p in offset_of if p not in limit_of)):
        limit, offset = limit_of.get(path), offset_of.get(path)
        if path in limit_of and path in offset_of:
            # As in PostgREST, an unreadable limit beside an offset means 0 rows.
            found[path] = Span(offset or 0, (offset or 0) + (limit or 0) - 1)
        elif path in limit_of:
            found[path] = ALL if limit is None else Span(0, limit - 1)
        else:
            found[path] = Span(offset or 0)
    return found


def top_span(query: Span | None, header: str | None, method: str) -> Span:
    """The rows of the request as a whole: those of its query which are also in the Range header, if it is a GET.

    >>> top_span(Span(0, 9), "4-", "GET")
    Span(first=4, last=9)
    """
    limit = query or ALL
    asked = header_span(header) if method == "GET" else ALL
    if limit.is_zero_limit:
        top = NO_ROWS
    else:
        top = _both(asked, limit)
        if top.is_empty:
            raise problems.range_upside_down() if asked.is_empty else problems.limit_negative()
    if method == "PUT" and top != ALL:
        raise problems.put_with_limit()
    return top


def restricted(span: Span, rows_max: int) -> Span:
    """The span, cut to the rows that a page may have."""
    if span.is_zero_limit:
        return NO_ROWS
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
    """The status of a page: 206 if it is known to be a part of all rows.

    >>> status(0, 3, 3), status(0, 2, 3), status(0, 2, None)
    (200, 206, 200)
    """
    if total is None:
        return 200
    if first > total:
        raise problems.offset_too_high(first, total)
    return 206 if rows < total else 200
