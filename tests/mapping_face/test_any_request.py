"""Any request gets an answer that is no server error and shows nothing of another company."""

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

MAPPINGS = "/externalIntegrationMapping"
THEIRS = "theirs-zqx"
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

resources = st.sampled_from(["externalIntegrationMapping", "company", "externalSystem", "mappingChange", "rpc/x", ""])
columns = st.sampled_from(["id", "metadata", "metadata->a", "createdAt", "allowDuplicateExternalId", "name", "nothing"])
operators = st.sampled_from(
    [
        "eq",
        "neq",
        "gt",
        "like",
        "match",
        "in",
        "is",
        "fts",
        "cs",
        "cd",
        "ov",
        "adj",
        "isdistinct",
        "eq(any)",
        "not.eq",
        "noop",
    ]
)
values = st.one_of(
    st.sampled_from(["", "a", "null", "(a,b)", "{a}", "1", "*", "2026-01-01", THEIRS, "\\", "["]), st.text()
)
filters = st.tuples(columns, st.builds("{}.{}".format, operators, values))
trees = st.recursive(
    st.builds("{}.{}.{}".format, columns, operators, values),
    lambda inner: st.builds("{}({})".format, st.sampled_from(["and", "not.or"]), st.lists(inner).map(",".join)),
    max_leaves=6,
)
items = st.one_of(
    columns,
    st.builds("{}:{}".format, st.text(max_size=5), columns),
    st.builds("{}::{}".format, columns, st.sampled_from(["text", "int", "date", "jsonb", "uuid", "regclass"])),
    st.builds("{}.{}()".format, columns, st.sampled_from(["sum", "max", "count"])),
    st.builds("company{}({})".format, st.sampled_from(["", "!inner"]), columns),
    st.builds("...externalIntegrationMapping({})".format, columns),
)
parameters = st.lists(
    st.one_of(
        filters,
        st.tuples(st.just("select"), st.lists(items).map(",".join)),
        st.tuples(st.just("order"), st.builds("{}.{}".format, columns, st.sampled_from(["desc", "nullslast", "x"]))),
        st.tuples(st.sampled_from(["limit", "offset"]), st.one_of(st.integers().map(str), st.text(max_size=3))),
        st.tuples(st.sampled_from(["or", "and", "not.or", "company.or"]), st.builds("({})".format, trees)),
        st.tuples(st.text(max_size=5), st.text(max_size=5)),
    ),
    max_size=4,
)
words = st.sampled_from(
    [
        "return=representation",
        "count=exact",
        "count=planned",
        "tx=rollback",
        "resolution=merge-duplicates",
        "missing=default",
        "handling=strict",
        "max-affected=1",
        "timezone=UTC",
        "timezone=x",
        "foo",
    ]
)
text = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=10).map(str.strip)
headers = st.fixed_dictionaries(
    {"Prefer": st.lists(words).map(", ".join)},
    optional={
        "Accept": st.sampled_from(["text/csv", "application/vnd.pgrst.object+json", "text/html", "*/*"]) | text,
        "Range": st.sampled_from(["0-1", "5-2", "x"]) | text,
        "Content-Type": st.sampled_from(["text/csv", "application/x-www-form-urlencoded"]) | text,
    },
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda v: st.lists(v) | st.dictionaries(columns, v)
)


def sent(client: httpx.Client, method: str, path: str, **given: object) -> httpx.Response:
    head = {name: value.encode("latin-1") for name, value in given.pop("headers", {}).items()}
    answer = client.request(method, f"/{path}", headers=head, **given)
    assert answer.status_code < 500, answer.text
    assert THEIRS not in answer.text.replace(f"eq.{THEIRS}", "") or answer.status_code >= 400
    return answer


@pytest.fixture
def neighbour(other) -> None:
    with other.client() as elsewhere:
        row = {"id": THEIRS, "entityType": THEIRS, "entityId": THEIRS, "integration": THEIRS, "externalId": THEIRS}
        elsewhere.post(MAPPINGS, json=row).raise_for_status()


@given(method=st.sampled_from(["GET", "HEAD", "OPTIONS"]), path=resources, params=parameters, headers=headers)
@EXAMPLES
def test_any_read_is_answered(client, neighbour, method, path, params, headers):
    sent(client, method, path, params=params, headers=headers)


@given(query=st.text("abid=&.,()%+;:!*'-_~@/?$09", max_size=60), path=resources)
@EXAMPLES
def test_any_query_string_is_answered(client, neighbour, query, path):
    url = client.base_url.copy_with(path=f"/{path}", query=query.encode())
    assert client.get(url).status_code < 500


@given(
    method=st.sampled_from(["POST", "PATCH", "PUT", "DELETE"]),
    path=resources,
    params=parameters,
    headers=headers,
    body=st.one_of(json_values, st.dictionaries(columns, json_values), st.lists(st.dictionaries(columns, json_values))),
)
@EXAMPLES
def test_any_write_is_answered_and_a_refused_one_changes_nothing(
    client, acme, neighbour, method, path, params, headers, body
):
    before = acme.changes()
    headers = {"Content-Type": "application/json", **headers}
    try:
        answer = sent(client, method, path, params=params, headers=headers, json=body)
    except (UnicodeEncodeError, ValueError):
        # Python cannot write this as JSON, so it cannot send it.
        return
    if answer.status_code >= 400 or "tx=rollback" in answer.headers.get("preference-applied", ""):
        assert acme.changes() == before


@given(
    body=st.binary(max_size=200),
    kind=st.sampled_from(["application/json", "text/csv", "application/x-www-form-urlencoded"]),
)
@EXAMPLES
def test_any_body_is_answered(client, body, kind):
    answer = client.post(MAPPINGS, content=body, headers={"Content-Type": kind, "Prefer": "tx=rollback"})
    assert answer.status_code < 500


patterns = st.recursive(
    st.sampled_from(["a", ".", "[a-z]", r"\w", "\\1", "^", "|", "[", ")", "\\", "*"]),
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("{}{{{},{}}}".format, inner, st.integers(0, 300), st.integers(0, 300)),
        st.builds("{}{}".format, inner, inner),
    ),
    max_leaves=6,
)
costly = st.one_of(
    st.tuples(st.sampled_from(["match.{}", "imatch.{}", "match(any).{{{}}}", "not.imatch.{}"]), patterns),
    st.tuples(st.sampled_from(["fts.{}", "wfts.{}", "like.{}", "eq.{}", "cs.{}", "in.({})"]), st.text(max_size=30)),
    st.tuples(
        st.sampled_from(["eq.{}", "gt.{}", "cs.{}"]),
        st.sampled_from(["9" * 400, "1e131071", "1e-16383", "[" * 3000, '{"a":' * 3000, "{" * 3000, "\ud7ff" * 500]),
    ),
)
names = st.sampled_from(["id", "externalId", "metadata", "metadata->>a", "metadata->0->1", "createdAt", "updatedBy"])
chosen = st.lists(
    st.one_of(
        names,
        st.builds("a{}:{}".format, st.integers(0, 99), names),
        st.builds("{}::{}".format, names, st.sampled_from(["numeric", "int2", "money", "bit", "tsquery", "jsonpath"])),
        st.builds("{}.{}()".format, names, st.sampled_from(["sum", "avg", "max", "count"])),
        st.recursive(
            st.builds("company({})".format, st.sampled_from(["id", "count()", "*", "id::int"])),
            lambda inner: st.builds("company(externalIntegrationMapping(id,{}))".format, inner),
            max_leaves=8,
        ),
        st.builds("...company(x:{})".format, st.sampled_from(["id", "externalIntegrationMapping(metadata)"])),
    ),
    max_size=5,
).map(",".join)


@given(name=names, test=costly, select=chosen, order=names, accept=st.sampled_from(["*/*", "text/csv"]))
@example(name="id", test=("match.{}", "((a{1,200}){1,200})"), select="id", order="id", accept="*/*")
@example(name="metadata", test=("cs.{}", "[" * 20_000), select="metadata", order="id", accept="text/csv")
@example(name="externalId", test=("eq.{}", "a"), select="a:id," * 2_000, order="id", accept="*/*")
@example(name="externalId", test=("eq.{}", "a"), select="id", order=",".join(["metadata->a"] * 1_700), accept="*/*")
@example(name="externalId", test=("eq.{}", "a"), select="metadata" + "->a" * 4_000, order="id", accept="*/*")
@EXAMPLES
def test_any_costly_read_is_answered(client, neighbour, name, test, select, order, accept):
    form, value = test
    params = {name: form.format(value), "select": select, "order": order}
    try:
        sent(client, "GET", "externalIntegrationMapping", params=params, headers={"Accept": accept})
    except UnicodeEncodeError:
        return


numbers = st.sampled_from(
    ["1e400", "1e1001", "1e131071", "1e400000", "-1e-16383", "0e-16383", "9" * 2_000, "1" * 140_000]
)
deep = st.builds(
    lambda open_, depth, close: open_ * depth + close * depth,
    st.sampled_from(["[", '{"a":']),
    st.sampled_from([20, 900, 3_000, 20_000]),
    st.sampled_from(["]", "}", ""]),
)


@given(
    target=st.sampled_from(
        ["externalIntegrationMapping", "externalSystem", "rpc/resolve", "rpc/claim", "rpc/link_many"]
    ),
    names=st.none() | st.lists(st.sampled_from(["integration", "externalIds", "metadata", "mappings"]), max_size=3),
    value=numbers | deep | st.builds("[{}]".format, numbers),
    method=st.sampled_from(["POST", "PATCH", "PUT"]),
)
@example(target="rpc/resolve", names=["integration", "externalIds"], value="[" * 2_000 + "]" * 2_000, method="POST")
@example(target="rpc/resolve", names=["externalIds", "integration"], value='{"a":' * 60 + "}" * 60, method="POST")
@example(target="rpc/link_many", names=["mappings"], value="[" * 990 + "]" * 990, method="POST")
@example(target="externalIntegrationMapping", names=None, value="[" + "1e131071," * 8_999 + "1]", method="POST")
@EXAMPLES
def test_any_costly_body_is_answered(client, target, names, value, method):
    query = "" if names is None else "?columns=" + ",".join(names)
    body = f"""{{"integration": {value}, "entityType": "a", "entityId": "b", "name": "n", "metadata": {value},
        "externalIds": {value}, "mappings": [{{"metadata": {value}}}]}}"""
    headers = {"Content-Type": "application/json", "Prefer": "tx=rollback"}
    answer = client.request(method, f"/{target}{query}", content=body, headers=headers)
    assert answer.status_code < 500, answer.text[:500]
    assert len(answer.content) < 20_000
