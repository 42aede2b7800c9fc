"""Links and templates of links lead to http and https addresses only, by any way in."""

import psycopg
import pytest

MAPPINGS = "/externalIntegrationMapping"
ROW = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}
BAD = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "\x01javascript:1",
    "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//x.example", "/path", "x.example", "", "https://",
    "https://a b", "https:///x", "mailto:a@x.example", "https://x.example/\u3000", "https://x.example\njavascript:1",
]  # fmt: skip
GOOD = ["https://x.example", "HTTP://x.example:8080/a?b=c#d", "https://x.example/Größe/日本", "https://[::1]/x"]


@pytest.mark.parametrize("link", BAD, ids=ascii)
def test_a_link_that_is_no_address_is_refused(client, link):
    for answer in (
        client.post(MAPPINGS, json={**ROW, "link": link}),
        client.post(MAPPINGS, params={"on_conflict": "id"}, json={**ROW, "id": "m", "link": link},
                    headers={"Prefer": "resolution=merge-duplicates"}),
        client.put(MAPPINGS, params={"id": "eq.m"}, json={**ROW, "id": "m", "link": link}),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (400, "23514")
        assert answer.json()["message"] == "link must be an absolute http or https address"
    told = client.post("/rpc/link_many", json={"mappings": [{**ROW, "link": link}]}).json()[0]
    assert (told["outcome"], told["problem"]["code"]) == ("invalid", "23514")


@pytest.mark.parametrize("link", GOOD, ids=ascii)
def test_an_address_is_taken(client, link):
    answer = client.post(MAPPINGS, json={**ROW, "link": link}, headers={"Prefer": "return=representation"})
    assert answer.json()[0]["link"] == link
    told = client.post("/rpc/link_many", json={"mappings": [{**ROW, "link": link + "/2"}]}).json()[0]
    assert told["outcome"] == "updated"


@pytest.mark.parametrize("value", [9007199254740993, True, ["javascript:1"], {"a": 1}])
def test_the_json_text_of_other_values_is_stored_as_postgrest_stores_it(client, value):
    assert client.post(MAPPINGS, json={**ROW, "link": value}).status_code == 201


def test_a_link_is_not_changed_into_one_that_is_no_address(client):
    client.post(MAPPINGS, json={**ROW, "link": "https://x.example"})
    answer = client.patch(MAPPINGS, params={"entityId": "eq.1"}, json={"link": "javascript:1"})
    assert (answer.status_code, answer.json()["code"]) == (400, "23514")


TEMPLATES = ["javascript:{externalId}", "{externalId}", "//x.example/{externalId}", "https://x y/{externalId}"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_that_is_no_address_is_refused(client, template):
    answer = client.post("/externalSystem", json={"integration": "a", "name": "A", "linkTemplate": template})
    assert (answer.status_code, answer.json()["code"]) == (400, "23514")
    assert answer.json()["message"].startswith("linkTemplate must be an absolute http or https address")
    rows = f"integration,linkTemplate\na,{template}\n"
    report = client.post("/import/systems", content=rows.encode(), headers={"content-type": "text/csv"}).json()
    assert report["refusals"][0]["reason"].startswith("linkTemplate must be an absolute http or https address")


def test_a_system_with_an_old_template_can_be_changed_otherwise(acme, client):
    acme.has_system("crm", "https://crm.example")
    with psycopg.connect(acme.database.dsn, autocommit=True) as conn:
        conn.execute("set session_replication_role = replica")
        conn.execute(
            'update tieline."externalSystem" set "linkTemplate" = %s where "companyId" = %s',
            ("javascript:{externalId}", acme.id),
        )
    changed = client.patch("/externalSystem", params={"integration": "eq.crm"}, json={"name": "Customers"})
    assert changed.status_code == 204
    rows = b"integration,name\ncrm,Other\n"
    report = client.post("/import/systems", content=rows, headers={"content-type": "text/csv"}).json()
    assert report["updated"] == 1
