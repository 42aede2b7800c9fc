"""A strict company takes mappings of its own external systems only, by every way in."""

import psycopg
import pytest

MAPPINGS = "/externalIntegrationMapping"
ROW = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}
STRAY = {**ROW, "entityId": "2", "externalId": "B", "integration": "hubpsot"}
CSV = {"content-type": "text/csv"}


@pytest.fixture
def strict(acme, client):
    """`acme` is strict; it has hubspot, Sage (inactive) and xero, and a mapping of a system that is gone."""
    acme.has_system("xero", "https://xero.example")
    acme.has_system("hubspot", "https://hubspot.example")
    acme.has_system("Sage", "https://sage.example", active=False)
    assert client.post(MAPPINGS, json={**ROW, "id": "gone", "integration": "gone"}).status_code == 201
    assert client.patch("/company", params={"id": f"eq.{acme.id}"}, json={"isStrict": True}).status_code == 204
    return client


def refused(answer, name="hubpsot", hint="Did you mean 'hubspot'?") -> None:
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert (told["code"], told["hint"]) == ("TL104", hint)
    assert name in told["message"]


def test_every_write_of_the_mapping_face_is_refused(strict):
    strict.post(MAPPINGS, json={**ROW, "id": "m1"})
    merge = {"Prefer": "resolution=merge-duplicates"}
    refused(strict.post(MAPPINGS, json=STRAY))
    refused(strict.post(MAPPINGS, json=[{**ROW, "entityId": "3", "externalId": "C"}, STRAY]))
    refused(strict.post(MAPPINGS, params={"on_conflict": "id"}, json={**STRAY, "id": "m1"}, headers=merge))
    refused(strict.patch(MAPPINGS, params={"id": "eq.m1"}, json={"integration": "hubpsot"}))
    refused(strict.put(MAPPINGS, params={"id": "eq.m1"}, json={**STRAY, "id": "m1"}))
    refused(strict.put(MAPPINGS, params={"id": "eq.m2"}, json={**STRAY, "id": "m2"}))
    refused(strict.post(MAPPINGS, content=b"entityType,entityId,integration\nitem,2,hubpsot\n", headers=CSV))
    refused(strict.post(MAPPINGS, json=STRAY, headers={"Prefer": "tx=rollback"}))
    assert {row["integration"] for row in strict.get(MAPPINGS).json()} == {"gone", "xero"}


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("XERO", "Did you mean 'xero'?"),
        (" xero ", "Did you mean 'xero'?"),
        ("sage", "Did you mean 'Sage'?"),
        ("quickbooks", "Add the system first, or let the company not be strict (isStrict)."),
    ],
)
def test_systems_that_look_alike_are_named(strict, given, hint):
    refused(strict.post(MAPPINGS, json={**STRAY, "integration": given}), given, hint)


def test_functions_that_look_up_refuse_an_unknown_system_and_filters_do_not(strict):
    refused(strict.get("/rpc/resolve", params={"integration": "hubpsot", "externalIds": "A"}))
    refused(strict.get("/rpc/locate", params={"integration": "hubpsot", "entityType": "item", "entityIds": "1"}))
    refused(strict.get("/rpc/translate", params={"from": "hubpsot", "to": "xero", "externalIds": "A"}))
    refused(strict.get("/rpc/crosswalk", params={"integration": "hubpsot", "externalIds": "A"}))
    items = {"entityType": "item", "integration": "hubpsot"}
    refused(strict.get("/rpc/unlinked", params=items))
    refused(strict.get("/rpc/unlinked", params={**items, "integration": "xero", "linkedIn": "hubpsot"}))
    refused(strict.post("/rpc/unlink_many", json={**items, "entityIds": ["1"]}))
    refused(strict.post("/rpc/unlink_many", json={**items, "externalIds": ["A"]}))
    assert strict.get("/rpc/unlinked", params={**items, "integration": "Sage"}).json()[0]["entityId"] == "1"
    assert strict.post("/rpc/unlink_many", json={"mappingIds": ["gone"]}).json()[0]["outcome"] == "deleted"
    assert strict.get("/rpc/whoami").json()["isStrict"] is True
    refused(strict.get("/rpc/translate", params={"from": "xero", "to": "hubpsot", "externalIds": "A"}))
    refused(strict.post("/rpc/claim", json=STRAY))
    assert strict.get(MAPPINGS, params={"integration": "eq.hubpsot"}).json() == []
    assert strict.get("/rpc/resolve", params={"integration": "Sage", "externalIds": "A"}).status_code == 200


def test_rows_of_batches_are_refused_one_by_one(strict):
    rows = [{**ROW, "entityId": "5", "externalId": "5"}, STRAY, {**STRAY, "integration": "xero"}]
    told = strict.post("/rpc/link_many", json={"mappings": rows}).json()
    assert [result["outcome"] for result in told] == ["created", "invalid", "created"]
    assert (told[1]["problem"]["code"], told[1]["problem"]["hint"]) == ("TL104", "Did you mean 'hubspot'?")
    lines = b"entityType,entityId,integration,externalId\nitem,8,xero,8\nitem,9,hubpsot,9\nitem,10,Sage,10\n"
    report = strict.post("/import/mappings", content=lines, headers=CSV).json()
    assert (report["created"], report["refused"]) == (2, 1)
    assert (report["refusals"][0]["line"], report["refusals"][0]["code"]) == (3, "TL104")


def test_an_atomic_batch_lands_nothing(strict):
    answer = strict.post("/rpc/link_many", json={"mappings": [{**ROW, "entityId": "5"}, STRAY], "atomic": True})
    assert answer.status_code == 400
    assert strict.get(MAPPINGS, params={"integration": "eq.xero"}).json() == []


def test_an_inactive_system_is_known_and_another_company_s_is_not(strict, other):
    other.has_system("hubpsot", "https://hubspot.example")
    assert strict.post(MAPPINGS, json={**STRAY, "integration": "Sage"}).status_code == 201
    refused(strict.post(MAPPINGS, json=STRAY))
    with other.client() as free:
        assert free.post(MAPPINGS, json={**STRAY, "integration": "anything"}).status_code == 201


def test_a_mapping_of_a_system_that_is_gone_can_be_changed(strict):
    assert strict.patch(MAPPINGS, params={"id": "eq.gone"}, json={"externalId": "Z"}).status_code == 204
    told = strict.post(
        "/rpc/link_many", json={"mappings": [{**ROW, "integration": "gone", "metadata": 1}, STRAY]}
    ).json()
    assert [result["outcome"] for result in told] == ["updated", "invalid"]
    put = {**ROW, "id": "gone", "integration": "gone", "externalId": "Y"}
    assert strict.put(MAPPINGS, params={"id": "eq.gone"}, json=put).status_code == 204


def test_the_table_itself_refuses_an_unknown_system(strict, acme):
    with psycopg.connect(acme.database.dsn) as conn, pytest.raises(psycopg.Error) as raised:
        conn.execute(
            'insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)'
            " values (%s, 'item', '1', 'hubpsot')",
            (acme.id,),
        )
    assert raised.value.sqlstate == "TL104"


def test_a_strict_company_is_asked_for_by_name_and_not_by_a_star(strict):
    assert strict.get("/company", params={"select": "isStrict"}).json() == [{"isStrict": True}]
    assert set(strict.get("/company").json()[0]) == {"id", "name", "createdAt"}


def test_only_an_administrator_changes_name_and_strictness_and_nothing_else(acme, other, client):
    own = {"id": f"eq.{acme.id}"}
    assert client.patch("/company", params=own, json={"name": "Acme", "isStrict": True}).status_code == 204
    assert client.get("/company", params={"select": "name,isStrict"}).json() == [{"name": "Acme", "isStrict": True}]
    with acme.client("api.write") as writer:
        assert writer.patch("/company", params=own, json={"name": "Mine"}).status_code == 403
    for column in ("id", "createdAt"):
        refusal = client.patch("/company", params=own, json={"name": "A", column: "2020-01-01"})
        assert (refusal.status_code, refusal.json()["code"]) == (403, "42501")
    assert client.patch("/company", json={"name": "All"}).json()["code"] == "21000"
    client.patch("/company", params={"id": f"eq.{other.id}"}, json={"name": "Theirs"})
    with other.client() as theirs:
        assert theirs.get("/company", params={"select": "name"}).json() == [{"name": "A company"}]
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, "/company", params=own, json={"id": acme.id, "name": "A"}).status_code == 403
