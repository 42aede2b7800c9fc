"""Reading over HTTP: rows, their form, and refusals."""

import json

import psycopg
import pytest

MAPPINGS = "/externalIntegrationMapping"


@pytest.fixture
def rows(acme, client) -> None:
    """Three mappings of `acme`."""
    item = {"entityType": "item", "integration": "xero"}
    customer = {"entityType": "customer", "integration": "sage"}
    given = [
        {"id": "a", **item, "entityId": "1", "externalId": "A", "metadata": {"n": 1}},
        {"id": "b", **item, "entityId": "2", "externalId": "B", "metadata": {"n": 2}},
        {"id": "c", **customer, "entityId": "1", "externalId": "A", "metadata": None},
    ]
    client.post(MAPPINGS, json=given).raise_for_status()


def test_a_row_is_found_by_its_entity(client, rows):
    answer = client.get(MAPPINGS, params={"entityType": "eq.item", "entityId": "eq.2", "integration": "eq.xero"})
    assert answer.headers["content-range"] == "0-0/*"
    assert [row["id"] for row in answer.json()] == ["b"]


@pytest.mark.parametrize("prefix", ["", "/rest/v1"])
def test_resources_are_where_the_supabase_clients_look_too(client, rows, prefix):
    assert len(client.get(prefix + MAPPINGS).json()) == 3


def test_another_company_s_rows_are_not_there(client, rows, other):
    with other.client() as elsewhere:
        assert elsewhere.get(MAPPINGS, headers={"Prefer": "count=exact"}).headers["content-range"] == "*/0"
        for query in ("id=eq.a", "id=in.(a,b,c)", "or=(id.eq.a,id.is.not_null)", "select=id,company!inner(id)"):
            assert elsewhere.get(f"{MAPPINGS}?{query}").json() == []
        assert (
            elsewhere.delete(MAPPINGS, params={"id": "eq.a"}, headers={"Prefer": "count=exact"}).headers[
                "content-range"
            ]
            == "*/0"
        )
        companies = elsewhere.get("/company", params={"select": "id,externalIntegrationMapping(id)"}).json()
        assert companies == [{"id": other.id, "externalIntegrationMapping": []}]
        assert elsewhere.get("/mappingChange").json() == []


def test_row_level_security_alone_keeps_companies_apart_too(acme, client, rows, other, database):
    with psycopg.connect(database.dsn) as conn:
        conn.execute("set local role tieline_server")
        for company, count in ((acme.id, 3), (other.id, 0), ("", 0)):
            conn.execute("select set_config('tieline.company', %s, true)", (company,))
            found = conn.execute('select count(*) from tieline."externalIntegrationMapping"').fetchone()
            assert found == (count,)


def test_keys_of_an_answer_are_the_client_s_words_however_odd(client, rows):
    odd = {'q"uote': "id", "semi;colon": "entityId", "$1": "integration", "x' or 1=1 --": "externalId"}
    select = ",".join(f'"{alias.replace(chr(34), chr(92) + chr(34))}":{column}' for alias, column in odd.items())
    row = client.get(MAPPINGS, params={"select": select, "id": "eq.a"}).json()[0]
    assert row == {'q"uote': "a", "semi;colon": "1", "$1": "xero", "x' or 1=1 --": "A"}


def test_many_columns_make_one_object(client, rows):
    select = ",".join(f"k{n}:entityId" for n in range(120))
    assert client.get(MAPPINGS, params={"select": select, "id": "eq.a"}).json() == [{f"k{n}": "1" for n in range(120)}]


def test_the_database_s_time_is_told(client, rows):
    timing = client.get(MAPPINGS).headers["server-timing"]
    assert {part.split(";")[0].strip() for part in timing.split(",")} >= {"auth", "parse", "database"}


def test_the_root_describes_what_the_caller_may_do(client, acme):
    answer = client.get("/")
    assert answer.headers["content-type"] == "application/openapi+json; charset=utf-8"
    assert answer.json()["openapi"].startswith("3.1")
    assert "post" in answer.json()["paths"][MAPPINGS]
    with acme.client("api.read") as reader:
        assert "post" not in reader.get("/").json()["paths"][MAPPINGS]
    assert client.get("/", headers={"Accept": "image/png"}).status_code == 406
    assert client.post("/").status_code == 405
    assert client.options("/").headers["allow"] == "OPTIONS,GET,HEAD"


def test_a_resource_says_which_methods_it_takes(client):
    answer = client.options(MAPPINGS)
    assert (answer.status_code, answer.headers["allow"]) == (200, "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE")


def test_another_schema_is_not_exposed(client):
    assert client.get(MAPPINGS, headers={"Accept-Profile": "public"}).status_code == 200
    answer = client.get(MAPPINGS, headers={"Accept-Profile": "tieline"})
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST106")


@pytest.mark.parametrize("resource", ["apiKey", "element", "migration", "externalIntegrationMapping "])
def test_resources_that_are_not_in_the_catalogue_do_not_exist(client, resource):
    answer = client.get(f"/{resource}")
    assert (answer.status_code, answer.json()["code"]) == (404, "PGRST205")


@pytest.mark.parametrize("column", ["lastElementId", "transactionId", "xmin", "ctid", "tableoid"])
@pytest.mark.parametrize("query", ["select={}", "{}=eq.1", "order={}", "or=({}.eq.1,id.eq.2)"])
def test_columns_that_are_not_in_the_catalogue_do_not_exist(client, column, query):
    for resource in ("company", "externalIntegrationMapping", "mappingChange"):
        answer = client.get(f"/{resource}?{query.format(column)}")
        assert (answer.status_code, answer.json()["code"]) == (400, "42703")


@pytest.mark.parametrize(
    "query",
    [
        b"id=eq.%00",
        b"id=eq.%FF",
        b"%FF=eq.a",
        b"select=%00",
        b"or=(id.eq.%C3)",
        b"limit=99999999999999999999999",
        b"offset=99999999999999999999999",
        b"select=" + b"id," * 2000 + b"id",
        b"or=(" + b"id.eq.a," * 2000 + b"id.eq.a)",
        b"id=match.(((((((((",
        b"id=match." + b"(a*)*" * 50,
        b"metadata->a->>b->c=eq.1",
        b"select=id::regclass",
    ],
)
def test_an_odd_query_is_answered_or_the_client_s_mistake(client, rows, query):
    url = client.base_url.copy_with(raw_path=MAPPINGS.encode() + b"?" + query)
    answer = client.send(client.build_request("GET", url))
    assert answer.status_code < 500
    if answer.status_code != 200:
        assert set(json.loads(answer.content)) == {"code", "message", "details", "hint"}


def test_a_head_has_the_headers_of_a_get_and_no_body(client, rows):
    headers = {"Prefer": "count=exact"}
    get, head = client.get(MAPPINGS, headers=headers), client.head(MAPPINGS, headers=headers)
    assert head.content == b""
    for name in ("content-range", "content-type", "preference-applied"):
        assert head.headers[name] == get.headers[name]
