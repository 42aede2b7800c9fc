"""A body of any kind, to any address that reads one, is answered with no server error, and none is lost half-way."""

import gzip
import json
import zlib

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
PLACES = [
    *("/externalIntegrationMapping", "/externalSystem", "/company", "/mappingChange"),
    *("/externalIntegrationMapping?columns=entityId,metadata", "/rpc/resolve?columns=integration,externalIds"),
    *("/rpc/resolve", "/rpc/locate", "/rpc/translate", "/rpc/claim", "/rpc/link_many", "/rpc/unlink_many"),
    *("/rpc/crosswalk", "/rpc/unlinked", "/rpc/coverage", "/rpc/whoami", "/rpc/nothing"),
    *("/api/v2/elements", "/api/v2/elements/7", "/api/v2/elements/7/external-element/link"),
    *("/api/v2/elements/7/external-element/unlink", "/api/v2/auth/token", "/api/v2/auth/refresh"),
    *("/import/mappings?dryRun=true", "/import/elements?dryRun=true", "/import/systems?dryRun=true"),
]
KINDS = [
    *("application/json", "text/csv", "application/x-www-form-urlencoded", "text/plain", "application/x-ndjson", ""),
    *("multipart/form-data; boundary=x", "text/tab-separated-values", "application/octet-stream", "image/png"),
    "application/json; charset=utf-16",
]
NAMES = st.sampled_from(
    [
        *("entityType", "entityId", "integration", "externalId", "externalIds", "entityIds", "metadata", "mappings"),
        *("link", "id", "companyId", "title", "systemUrl", "externalElement", "name", "grant_type", "client_secret"),
        *("lastSyncedAt", "allowDuplicateExternalId", "from", "to", "mappingIds", "onConflict", "", "a\0"),
    ]
)
TEXTS = st.sampled_from(
    [
        "",
        " ",
        "A",
        "\0",
        "\ud83d",
        "\U0001f600",
        "{a,b}",
        '{"a',
        "[1]",
        "now",
        "NULL",
        "true",
        "1e999999",
        "x" * 3000,
        '"',
        ";",
    ]
) | st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=10,
)
ROWS = st.dictionaries(NAMES, VALUES, max_size=6)
JSON = (VALUES | ROWS | st.lists(ROWS, max_size=4)).map(lambda value: json.dumps(value).encode())
LINES = st.lists(JSON, max_size=4).map(b"\n".join)


def encoded(text: str) -> bytes:
    return text.encode(errors="replace")


CSV = st.builds(
    lambda rows, border, end: encoded(end.join(border.join(row) for row in rows)),
    st.lists(st.lists(NAMES | TEXTS, max_size=5), max_size=5),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
)
FORMS = st.lists(st.tuples(NAMES, TEXTS), max_size=5).map(
    lambda pairs: encoded("&".join(f"{name}={value}" for name, value in pairs))
)
BODIES = JSON | LINES | CSV | FORMS | st.binary(max_size=80)
CODINGS = st.sampled_from(["", "", "", "gzip", "cut", "deflate", "br"])


def sent(body: bytes, coding: str) -> tuple[bytes, dict[str, str]]:
    """The body as this coding, and the header that names it."""
    if coding == "gzip":
        return gzip.compress(body), {"content-encoding": "gzip"}
    if coding == "cut":
        return gzip.compress(body)[:-3], {"content-encoding": "gzip"}
    if coding == "deflate":
        return zlib.compress(body), {"content-encoding": "deflate"}
    return body, {"content-encoding": coding} if coding else {}


DEEP = b'{"integration":"x","externalIds":' + b"[" * 5000 + b"]" * 5000 + b"}"


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_any_body_is_answered(client, acme, method):
    acme.has_element(7)
    acme.has_system("crm", "https://crm.example", default=True)

    @EXAMPLES
    @example(place="/rpc/resolve?columns=integration,externalIds", kind="application/json", body=DEEP, coding="")
    @example(place="/rpc/link_many?columns=mappings", kind="application/json", body=DEEP, coding="gzip")
    @example(place="/rpc/claim?columns=entityId", kind="application/json", body=b'{"entityId":"1"}', coding="")
    @given(place=st.sampled_from(PLACES), kind=st.sampled_from(KINDS), body=BODIES, coding=CODINGS)
    def holds(place, kind, body, coding):
        content, headers = sent(body, coding)
        answer = client.request(method, place, content=content, headers={"content-type": kind, **headers})
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.json()

    holds()
