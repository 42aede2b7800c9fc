"""No request makes the element face answer with a server error."""

import json

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

segments = st.one_of(
    st.sampled_from(["elements", "7", "8", "external-elements", "external-element", "link", "unlink", "0", "-1", ""]),
    st.text(max_size=12),
    st.integers().map(str),
)
paths = st.one_of(
    st.sampled_from(["/elements", "/elements/7", "/elements/7/external-elements", "/elements/7/external-element/link",
                     "/auth/token", "/auth/refresh", "/elements/7/external-element/unlink"]),
    st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts)),
)  # fmt: skip
names = st.one_of(st.sampled_from(["cursor", "size", "externalId", "systemUrl"]), st.text(max_size=5))
queries = st.lists(st.tuples(names, st.one_of(st.text(max_size=20), st.integers().map(str))), max_size=3)
texts = st.one_of(st.sampled_from(["A", "", " ", "https://crm.example", "\0", "\ud800"]), st.text())
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
fields = st.sampled_from(
    ["title", "id", "externalElement", "externalId", "link", "systemUrl", "colour", "grant_type", "refresh_token"]
)
nested = st.dictionaries(st.sampled_from(["externalId", "link", "x"]), st.one_of(texts, values), max_size=2)
objects = st.dictionaries(fields, st.one_of(texts, nested, values), max_size=4)
bodies = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.one_of(objects, values).map(lambda value: json.dumps(value).encode()),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(
            [
                "application/json",
                "text/plain",
                "",
                "application/json;charset=x",
                "application/x-www-form-urlencoded",
                "\u00ff",
            ]
        ),
        "accept": st.sampled_from(["*/*", "text/html", ",;=", "application/json;q=", "q=0"]),
        "x-request-id": st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200),
        "prefer": st.sampled_from(["return=minimal", "tx=rollback", "=", "\u00e9"]),
        "range": st.sampled_from(["0-1", "items=5-2", "x"]),
    },
).map(lambda given: {name: value.encode("latin-1") for name, value in given.items()})
methods = st.sampled_from(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"])


def sendable(url: str, query: list[tuple[str, str]]) -> httpx.URL | None:
    """True if httpx takes the text for an address. It refuses some before it sends them."""
    try:
        return httpx.URL(url, params=query) if query else httpx.URL(url)
    except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
        return None


def test_no_request_makes_the_service_fail(acme, client):
    acme.has_system("crm", "https://crm.example")

    @SETTINGS
    @given(method=methods, path=paths, query=queries, headers=headers, body=bodies)
    def holds(method, path, query, headers, body):
        url = sendable(f"{acme.server.url}/api/v2{path}", query)
        if url is None:
            return
        if method == "DELETE" and path.rstrip("/").endswith("/7"):
            path += "0"
        response = client.request(method, url, headers=headers, content=body)
        assert response.status_code < 500, response.text
        if response.status_code >= 400 and method != "HEAD":
            assert response.headers["content-type"] == "application/problem+json"
            problem = response.json()
            assert problem["status"] == response.status_code
            assert problem["traceId"] == response.headers["x-request-id"]

    acme.has_element(7)
    holds()
