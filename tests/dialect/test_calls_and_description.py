"""Function calls and the OpenAPI description: from what is registered in the catalogue."""

from collections.abc import Iterator

import pytest

from tieline.dialect.catalogue import MAPPING, RESOURCES, RESULTS, Argument, Column, Function
from tieline.dialect.functions import FUNCTIONS
from tieline.dialect.openapi import describe
from tieline.dialect.request import prefer
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.prefer import NONE
from tieline.dialect.sql.conflict import key_of
from tieline.dialect.statement import prepare
from tieline.problems import Problem

LIMITS = Limits(depth_max=9, page_rows_max=10)


@pytest.fixture
def greet() -> Iterator[Function]:
    columns = {c.name: c for c in (Column("greeting", "text"), Column("position", "bigint"))}
    arguments = (Argument("names", "text[]"), Argument("politely", "boolean", is_required=False))
    function = Function("greet", arguments, columns, "select $1 as greeting, 1 as position, $2")
    FUNCTIONS["greet"] = function
    yield function
    del FUNCTIONS["greet"]
    RESULTS.pop("greet", None)


def call(method: str, query: str, body: bytes = b"", content_type: str | None = None, **kinds: str) -> Asked:
    wishes = prefer.parse([kinds["prefer"]]) if "prefer" in kinds else NONE
    return Asked(method, "rpc/greet", query, wishes, kinds.get("accept"), content_type, None, body)


@pytest.mark.parametrize(
    ("asked", "arguments"),
    [
        (call("GET", "names={a,b}&greeting=eq.x&select=g:greeting&order=position"), '{"names":["a","b"]}'),
        (call("HEAD", "names=a&politely=true"), '{"names":["a"],"politely":true}'),
        (call("GET", "names=eq.1&names=b"), '{"names":["eq.1","b"]}'),
        (call("POST", "", b'{"names": ["a"]}'), '{"names": ["a"]}'),
        (call("POST", "", b"names=%7Ba%7D", "application/x-www-form-urlencoded"), '{"names":["a"]}'),
    ],
)
def test_arguments_reach_the_function_as_one_object(greet, asked, arguments):
    made = prepare(asked, "c1", LIMITS)
    assert made.function is greet
    assert made.arguments.decode() == arguments
    assert made.sql.parameters[:2] == ("c1", made.arguments)
    assert "with called as (select $1 as greeting" in made.sql.text
    assert "g:" not in made.sql.text


def test_a_result_can_be_counted_and_made_csv(greet):
    asked = call("GET", "names=a&limit=1", prefer="count=exact", accept="text/csv")
    sql = prepare(asked, "c1", LIMITS).sql
    assert "(select count(*) from (select 1 from called" in sql.text
    assert "greeting,position" in sql.parameters


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (call("GET", ""), "PGRST202"),
        (call("GET", "names=a&other=b"), "PGRST202"),
        (call("POST", "", b""), "PGRST202"),
        (call("POST", "", b"x", "text/plain"), "PGRST202"),
        (call("POST", "", b'{"names": 1, "x": 2}'), "PGRST202"),
        (call("POST", "", b"[1]"), "PGRST102"),
        (call("POST", "", b"x", "application/octet-stream"), "PGRST202"),
        (call("POST", "", b'[{"names": "a"}]'), "PGRST102"),
        (call("POST", "", b"[]"), "PGRST202"),
        (call("POST", "", b"{bad"), "PGRST102"),
        (call("PUT", "names=a"), "PGRST101"),
        (call("GET", "names=a&select=nothing"), "42703"),
        (call("GET", "names=a&select=company(name)"), "PGRST200"),
    ],
)
def test_calls_that_do_not_fit_are_refused(greet, asked, code):
    with pytest.raises(Problem) as raised:
        prepare(asked, "c1", LIMITS)
    assert raised.value.code == code


def test_a_caller_that_may_not_write_is_not_told_how(greet):
    reader, writer = describe({"api.read"}, "1"), describe({"api.read", "api.write"}, "1")
    for name, resource in RESOURCES.items():
        assert set(reader["paths"][f"/{name}"]) == {"get"}
        writes = {"post", "patch", "put", "delete"} if resource.is_writable else set()
        assert set(writer["paths"][f"/{name}"]) == {"get", *writes}
    assert set(reader["paths"]["/rpc/greet"]) == {"get", "post"}


def test_every_reference_of_the_description_leads_somewhere(greet):
    description = describe({"api.write"}, "1")

    def references(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "$ref":
                    yield inner
                else:
                    yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in set(references(description)):
        found = description
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_operations_have_names_of_their_own(greet):
    description = describe({"api.write"}, "1")
    names = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_keys_are_known_by_their_constraints():
    assert key_of(MAPPING, "externalIntegrationMapping_pkey") is MAPPING.keys[0]
    assert key_of(MAPPING, None) is None


@pytest.mark.parametrize(
    ("query", "method", "code"),
    [
        ("select=id::nothing", "GET", "42704"),
        ("select=id.count()::nothing", "GET", "42704"),
        ("select=a:company(id),company(id)", "GET", None),
        ("select=company(id),company(name)", "GET", "42712"),
        ("id=eq.a", "PUT", "42703"),
        ("select=nothing", "POST", "42703"),
        ("select=*,id", "POST", None),
        ("company.id=eq.1", "DELETE", "PGRST108"),
        ("", "DELETE", "21000"),
        ("limit=1", "PATCH", "21000"),
    ],
)
def test_requests_are_refused_for_what_no_table_has(query, method, code):
    asked = Asked(
        method, "externalIntegrationMapping", query, prefer.parse(["return=headers-only"]), body=b'{"link":"x"}'
    )
    if code is None:
        assert prepare(asked, "c1", LIMITS).sql.parameters[0] == "c1"
        return
    with pytest.raises(Problem) as raised:
        prepare(asked, "c1", LIMITS)
    assert raised.value.code == code


def test_a_function_that_writes_is_described_to_those_who_may(greet):
    arguments = (Argument("name", "text"),)
    rows = "select $1 as greeting, $2"
    FUNCTIONS["greet"] = Function("greet", arguments, greet.columns, rows, is_read_only=False, is_single=True)
    assert "/rpc/greet" not in describe({"api.read"}, "1")["paths"]
    path = describe({"api.write"}, "1")["paths"]["/rpc/greet"]
    assert set(path) == {"post"}
    schema = path["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/greetResult"}
