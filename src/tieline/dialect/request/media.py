"""Media types: the kind of a request's body, and the form of the answer that its Accept header picks."""

from enum import Enum

from tieline.dialect import problems
from tieline.wire import accept
from tieline.wire.accept import MediaRange


class Form(Enum):
    """A form of answer, by its media type.

    >>> Form.CSV.content_type, Form.CSV.is_singular
    ('text/csv; charset=utf-8', False)
    """

    JSON = "application/json"
    SINGULAR = "application/vnd.pgrst.object+json"
    SINGULAR_STRIPPED = "application/vnd.pgrst.object+json;nulls=stripped"
    STRIPPED = "application/vnd.pgrst.array+json;nulls=stripped"
    CSV = "text/csv"

    def __init__(self, media_type: str) -> None:
        """Keep the Content-Type of the answer. A singular form holds one row, the others a list."""
        self.content_type = f"{media_type}; charset=utf-8"
        self.is_singular = media_type.startswith("application/vnd.pgrst.object")


class BodyKind(Enum):
    """The kinds of bodies."""

    JSON = "application/json"
    CSV = "text/csv"
    FORM = "application/x-www-form-urlencoded"
    TEXT = "text/plain"


_CANONICAL = frozenset(
    {
        "application/json", "application/geo+json", "text/csv", "text/plain", "text/xml", "application/openapi+json",
        "application/x-www-form-urlencoded", "application/octet-stream", "*/*",
    }
)  # fmt: skip


def _parts(text: str) -> tuple[str, dict[str, str]]:
    kind, _, parameters = text.partition(";")
    found: dict[str, str] = {}
    for parameter in parameters.split(";") if parameters else ():
        name, _, value = parameter.partition("=")
        found[name.lower()] = value.strip('"')
    return kind.lower(), found


def canonical(text: str) -> str:
    """A media type as answers name it.

    >>> canonical("Application/JSON; charset=x"), canonical("application/vnd.pgrst.array+json;nulls=stripped")
    ('application/json', 'application/vnd.pgrst.array+json;nulls=stripped')
    >>> canonical("application/vnd.pgrst.plan+json"), canonical("Garbage")
    ('application/vnd.pgrst.plan+json; for="application/json"', 'Garbage')
    """
    kind, parameters = _parts(text)
    stripped = parameters.get("nulls") == "stripped"
    if kind in {"application/vnd.pgrst.object+json", "application/vnd.pgrst.object"}:
        return (Form.SINGULAR_STRIPPED if stripped else Form.SINGULAR).value
    if kind in {"application/vnd.pgrst.array+json", "application/vnd.pgrst.array"}:
        return (Form.STRIPPED if stripped else Form.JSON).value
    if kind.startswith("application/vnd.pgrst.plan"):
        suffix = kind.removeprefix("application/vnd.pgrst.plan") or "+text"
        if suffix in {"+text", "+json"}:
            return f'application/vnd.pgrst.plan{suffix}; for="{canonical(parameters.get("for", "application/json"))}"'
    return kind if kind in _CANONICAL else text


def _rank(one: MediaRange) -> tuple[float, int]:
    """PostgREST's order: by quality, then by parameters and asterisks. A quality of 0 comes last and still counts."""
    return -one.quality, one.text.count("*") - one.text.count(";")


def accepted(header: str) -> list[str]:
    """The media types of an Accept header, the preferred first, as answers name them.

    >>> accepted("text/csv;q=0.5, application/json")
    ['application/json', 'text/csv']
    """
    return [canonical(one.text) for one in sorted(accept.ranges(header), key=_rank)]


_GEOJSON = "application/geo+json"
_FORMS = {form.value: form for form in Form} | {"*/*": Form.JSON}


def form(header: str | None) -> Form:
    """The form of answer that the Accept header picks.

    >>> form("text/html, text/csv")
    <Form.CSV: 'text/csv'>
    """
    if header is None or header in {"*/*", "application/json"}:
        return Form.JSON
    wanted = accepted(header)
    found = next((kind for kind in wanted if kind in _FORMS or kind == _GEOJSON), None)
    if found is None:
        raise problems.not_acceptable(wanted)
    if found == _GEOJSON:
        # PostgREST makes GeoJSON by PostGIS. Without PostGIS it passes on PostgreSQL's error.
        raise problems.no_geography()
    return _FORMS[found]


def body_kind(header: str | None) -> BodyKind | str:
    """The kind of body that the Content-Type names, or its own words if we read no such kind.

    >>> body_kind("text/csv; charset=utf-8"), body_kind("image/png"), body_kind(None)
    (<BodyKind.CSV: 'text/csv'>, 'image/png', <BodyKind.JSON: 'application/json'>)
    """
    if header is None or header == "application/json":
        return BodyKind.JSON
    kind = canonical(header.strip())
    if _parts(header.strip())[0].startswith("application/vnd.pgrst.array"):
        return BodyKind.JSON if kind == "application/json" else kind
    return next((known for known in BodyKind if known.value == kind), kind)


def shown(kind: BodyKind | str) -> str:
    """The name of a kind of body."""
    return kind.value if isinstance(kind, BodyKind) else kind
