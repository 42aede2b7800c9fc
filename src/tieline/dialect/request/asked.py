"""The parts of an HTTP request that the dialect reads."""

from collections.abc import Sequence

import msgspec

from tieline.dialect import problems
from tieline.dialect.request import prefer
from tieline.dialect.request.prefer import Preferences

SCHEMA = "public"
_HEADERS = frozenset({b"accept", b"content-type", b"range", b"accept-profile", b"content-profile"})


class Asked(msgspec.Struct, frozen=True):
    """A request. `path` has no leading slash; it is empty for the root. Headers that were not sent are None."""

    method: str
    path: str
    query: str
    wishes: Preferences
    accept: str | None = None
    content_type: str | None = None
    range: str | None = None
    body: bytes = b""


def ask(method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Asked:
    """The request of these parts. If a header is sent twice, the first counts; all Prefer headers do.

    >>> ask("GET", "company", b"id=eq.a", [(b"prefer", b"count=exact"), (b"accept", b"text/csv")], b"").accept
    'text/csv'

    Raises:
        Problem: another schema than ours is asked for (406), or the query is not UTF-8 (400).
    """
    given: dict[bytes, str] = {}
    wishes: list[str] = []
    for name, value in headers:
        if name == b"prefer":
            wishes.append(value.decode("latin-1"))
        elif name in _HEADERS and name not in given:
            given[name] = value.decode("latin-1")
    profile = given.get(b"accept-profile" if method in {"GET", "HEAD"} else b"content-profile", SCHEMA)
    if profile != SCHEMA:
        raise problems.schema_unknown(profile)
    try:
        text = query.decode()
    except UnicodeDecodeError as error:
        raise problems.invalid_bytes(query[error.start : error.end]) from None
    accept = given.get(b"accept") or None
    return Asked(
        method, path, text, prefer.parse(wishes), accept, given.get(b"content-type"), given.get(b"range"), body
    )
