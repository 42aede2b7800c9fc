"""Inserting, upserting, changing and deleting over HTTP: rows, answers and refusals."""

from secrets import token_hex

import pytest

REPRESENTATION = "return=representation"
MAPPINGS = "/externalIntegrationMapping"
# Random, so that it cannot be compressed to a length that an index takes.
TOO_LONG_FOR_AN_INDEX = token_hex(10_000).encode()


def mapping(**columns: object) -> dict[str, object]:
    return {"entityType": "item", "entityId": "E1", "integration": "xero", "externalId": "X1", **columns}


@pytest.fixture
def first(client) -> dict[str, object]:
    """A mapping that is there already."""
    answer = client.post(MAPPINGS, json=mapping(id="first"), headers={"Prefer": REPRESENTATION})
    assert answer.status_code == 201
    return answer.json()[0]


def test_an_insert_answers_the_row_as_it_is_stored(client, acme):
    answer = client.post(MAPPINGS, json=mapping(metadata={"n": 1.50}), headers={"Prefer": REPRESENTATION})
    row = answer.json()[0]
    assert row["companyId"] == acme.id
    assert row["metadata"] == {"n": 1.50}
    assert row["createdBy"] == row["updatedBy"] is not None
    assert list(row)[:5] == ["id", "entityType", "entityId", "integration", "externalId"]


def test_ids_that_we_make_are_in_the_order_of_time(client):
    rows = [mapping(entityId=f"E{n}", externalId=f"X{n}") for n in range(20)]
    answer = client.post(MAPPINGS, json=rows, params={"select": "id"}, headers={"Prefer": REPRESENTATION})
    ids = [row["id"] for row in answer.json()]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("taken", "key", "shown"),
    [
        ({"id": "first", "entityId": "E2", "externalId": "X2"}, "id", "first"),
        ({"externalId": "X2"}, "entityType, entityId, integration", "item, E1, xero"),
        ({"entityId": "E2"}, "integration, entityType, externalId", "xero, item, X1"),
    ],
)
def test_a_taken_key_is_named_with_the_row_that_holds_it(client, first, taken, key, shown):
    answer = client.post(MAPPINGS, json=mapping(**taken))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "23505")
    assert problem["details"] in {
        f"Key ({key})=({shown}) already exists.",
        # If the client gave no id, the answer does not name the key that the server made.
        None,
    }
    assert problem["hint"] == "It is held by the row whose id is first"


def test_a_changed_row_that_takes_a_key_is_told_who_holds_it(client, first):
    client.post(MAPPINGS, json=mapping(id="second", entityId="E2", externalId="X2"))
    answer = client.patch(MAPPINGS, params={"id": "eq.second"}, json={"externalId": "X1"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "23505")
    assert problem["details"] == "Key (integration, entityType, externalId)=(xero, item, X1) already exists."
    assert problem["hint"] == "It is held by the row whose id is first"


def test_a_key_taken_by_another_company_is_free(client, other):
    with other.client() as elsewhere:
        assert elsewhere.post(MAPPINGS, json=mapping(id="same")).status_code == 201
    assert client.post(MAPPINGS, json=mapping(id="same")).status_code == 201


def test_a_key_taken_twice_within_a_body_has_no_holder(client):
    answer = client.post(MAPPINGS, json=[mapping(id="a"), mapping(id="b")])
    problem = answer.json()
    assert (answer.status_code, problem["hint"]) == (409, None)
    assert problem["details"] == "Key (entityType, entityId, integration)=(item, E1, xero) already exists."
    assert client.get(MAPPINGS).json() == []


def test_the_same_key_twice_in_a_merge_is_refused_with_the_positions(client):
    rows = [mapping(entityId="E0", externalId="a"), mapping(externalId="b"), mapping(externalId="c")]
    answer = client.post(
        MAPPINGS,
        json=rows,
        params={"on_conflict": "entityType,entityId,integration"},
        headers={"Prefer": "resolution=merge-duplicates"},
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "21000")
    assert problem["details"] == "Rows 2 and 3 of the body have the same key."
    assert client.get(MAPPINGS).json() == []


@pytest.mark.parametrize("target", ["entityType,entityId,integration", "companyId,integration,entityType,entityId"])
def test_the_company_is_implied_in_every_conflict_target(client, first, target):
    answer = client.post(
        MAPPINGS,
        json=mapping(externalId="X9"),
        params={"on_conflict": target, "select": "id,externalId"},
        headers={"Prefer": f"resolution=merge-duplicates, {REPRESENTATION}"},
    )
    assert (answer.status_code, answer.json()) == (200, [{"id": "first", "externalId": "X9"}])


def test_an_upsert_leaves_the_columns_alone_that_it_does_not_give(client):
    client.post(MAPPINGS, json=mapping(id="a", link="https://x.example/1", metadata={"keep": True}))
    merged = {"id": "a", "entityType": "item", "entityId": "E1", "integration": "xero", "externalId": "X2"}
    client.post(MAPPINGS, json=merged, headers={"Prefer": "resolution=merge-duplicates"})
    row = client.get(MAPPINGS, params={"id": "eq.a"}).json()[0]
    assert (row["externalId"], row["link"], row["metadata"]) == ("X2", "https://x.example/1", {"keep": True})


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("prefer", ["", "max-affected=5", "handling=strict"])
def test_a_write_of_all_rows_is_refused_unless_it_is_bounded(client, first, method, prefer):
    answer = client.request(method, MAPPINGS, json={"link": "https://x.example"}, headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["code"]) == (400, "21000")
    assert client.get(MAPPINGS, params={"select": "link"}).json() == [{"link": None}]


def test_a_write_of_all_rows_happens_only_within_its_bound(client, first):
    client.post(MAPPINGS, json=mapping(entityId="E2", externalId="X2"))
    headers = {"Prefer": "handling=strict, max-affected=1"}
    refused = client.delete(MAPPINGS, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "PGRST124")
    assert len(client.get(MAPPINGS).json()) == 2
    assert client.delete(MAPPINGS, headers={"Prefer": "handling=strict, max-affected=2"}).status_code == 204
    assert client.get(MAPPINGS).json() == []


def test_a_singular_write_of_several_rows_does_not_happen(client, first):
    client.post(MAPPINGS, json=mapping(entityId="E2", externalId="X2"))
    answer = client.patch(
        MAPPINGS,
        params={"entityType": "eq.item"},
        json={"link": "https://x.example"},
        headers={"Prefer": REPRESENTATION, "Accept": "application/vnd.pgrst.object+json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST116")
    assert [row["link"] for row in client.get(MAPPINGS).json()] == [None, None]


@pytest.mark.parametrize(
    ("method", "params", "body"),
    [
        ("POST", {}, mapping(id="dry", entityId="E2", externalId="X2")),
        ("PATCH", {"id": "eq.first"}, {"link": "https://x.example"}),
        ("PUT", {"id": "eq.first"}, mapping(id="first", externalId="X5")),
        ("DELETE", {"id": "eq.first"}, None),
    ],
)
def test_a_dry_run_answers_as_if_and_changes_nothing(client, acme, first, method, params, body):
    before, changes = client.get(MAPPINGS).json(), acme.changes()
    answer = client.request(
        method, MAPPINGS, params=params, json=body, headers={"Prefer": f"tx=rollback, {REPRESENTATION}"}
    )
    assert answer.status_code in {200, 201}
    assert len(answer.json()) == 1
    assert "tx=rollback" in answer.headers["preference-applied"]
    assert (client.get(MAPPINGS).json(), acme.changes()) == (before, changes)


def test_a_write_is_in_the_history_with_who_made_it(client, acme, first):
    client.patch(MAPPINGS, params={"id": "eq.first"}, json={"externalId": "X2"})
    client.delete(MAPPINGS, params={"id": "eq.first"})
    changes = client.get("/mappingChange", params={"order": "position"}).json()
    assert [c["operation"] for c in changes] == ["insert", "update", "delete"]
    assert changes[1]["before"]["externalId"] == "X1"
    assert changes[1]["after"]["externalId"] == "X2"
    assert {c["actor"] for c in changes} == {first["createdBy"]}


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("resource", ["company", "mappingChange"])
def test_read_only_resources_cannot_be_written(client, acme, resource, method):
    identity = {"id": f"eq.{acme.id}"} if resource == "company" else {"position": "eq.1"}
    body = {"id": acme.id, "name": "x"} if resource == "company" else {"position": 1}
    answer = client.request(method, f"/{resource}", params={} if method == "POST" else identity, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "42501")


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_key_that_may_only_read_cannot_write(acme, method):
    with acme.client("api.read") as reader:
        answer = reader.request(method, MAPPINGS, params={"id": "eq.a"}, json=mapping(id="a"))
        assert (answer.status_code, answer.json()["code"]) == (403, "42501")
        assert "api.write" in answer.json()["message"]
        assert reader.get(MAPPINGS).json() == []


def test_external_systems_are_written_the_same_way(client, acme):
    system = {"integration": "xero", "name": "Xero", "systemUrl": "https://xero.example"}
    made = client.post("/externalSystem", json=system, headers={"Prefer": "return=headers-only"})
    assert (made.status_code, made.headers["location"]) == (201, "/externalSystem?integration=eq.xero")
    merged = client.put(
        "/externalSystem",
        params={"integration": "eq.xero"},
        json={**system, "name": "X"},
        headers={"Prefer": REPRESENTATION},
    )
    assert (merged.status_code, merged.json()[0]["name"], merged.json()[0]["active"]) == (200, "X", True)
    taken = client.post("/externalSystem", json={**system, "integration": "sage"})
    assert (taken.status_code, taken.json()["hint"]) == (409, "It is held by the row whose integration is xero")
    assert client.get("/company", params={"select": "id,externalSystem(integration)"}).json() == [
        {"id": acme.id, "externalSystem": [{"integration": "xero"}]}
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"entityType": "a\\u0000b", "entityId": "1", "integration": "x"}',
        b'{"entityType": "\\ud800", "entityId": "1", "integration": "x"}',
        b'{"entityType": "\xff", "entityId": "1", "integration": "x"}',
        b'{"entityType": "\0", "entityId": "1", "integration": "x"}',
        b'{"entityType": "' + TOO_LONG_FOR_AN_INDEX + b'", "entityId": "1", "integration": "x"}',
        b"[" * 50_000,
        b'{"metadata": ' + b"[" * 50_000,
        b'{"lastSyncedAt": 1e400}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_a_body_that_cannot_be_stored_is_the_client_s_mistake(client, body):
    answer = client.post(MAPPINGS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert client.get(MAPPINGS).json() == []
