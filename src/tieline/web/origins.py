"""Web pages of other origins (CORS): those that the setting names may call the service, the others are told so."""

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from tieline.settings import Settings

ALL = "*"
MAX_AGE_SECONDS = 86_400
EXPOSED_HEADERS = (
    "Content-Range",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Server-Timing",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
)


def allowed(settings: Settings) -> frozenset[str]:
    """The origins that may call the service. A browser sends them without a slash at the end."""
    return frozenset(filter(None, (origin.strip().rstrip("/") for origin in settings.cors_origins.split(","))))


def layer(app: ASGIApp, origins: frozenset[str]) -> ASGIApp:
    """The application with the headers that browsers ask for."""
    named = sorted(origins)
    return CORSMiddleware(app, named, ["*"], ["*"], expose_headers=EXPOSED_HEADERS, max_age=MAX_AGE_SECONDS)


def refused(method: str, headers: Iterable[tuple[bytes, bytes]], origins: frozenset[str]) -> str | None:
    """The origin of a page that may not call, if this is the request by which a browser asks for it beforehand.

    >>> asks = [(b"origin", b"https://a.example"), (b"access-control-request-method", b"GET")]
    >>> refused("OPTIONS", asks, frozenset({"https://b.example"}))
    'https://a.example'
    >>> refused("OPTIONS", asks, frozenset({"https://a.example"})), refused("GET", asks, frozenset())
    (None, None)
    """
    if method != "OPTIONS" or ALL in origins:
        return None
    given = dict(headers)
    origin = given.get(b"origin", b"").decode("latin-1")
    return origin if origin and origin not in origins and b"access-control-request-method" in given else None
