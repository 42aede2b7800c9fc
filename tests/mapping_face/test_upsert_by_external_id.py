"""`on_conflict=integration,externalId,entityType`: an upsert by the id over there, the key of a partial index."""

import itertools

import pytest

MAPPINGS = "/externalIntegrationMapping"
BY_EXTERNAL_ID = "integration,externalId,entityType"
MERGE = "resolution=merge-duplicates,return=representation"
IGNORE = "resolution=ignore-duplicates,return=representation"


def mapping(entity_id: str, external_id: str | None, **columns: object) -> dict[str, object]:
    return {"entityType": "item", "entityId": entity_id, "integration": "xero", "externalId": external_id, **columns}


def upsert(client, body, prefer=MERGE, on_conflict=BY_EXTERNAL_ID, **parameters):
    parameters = {"on_conflict": on_conflict, "select": "entityId,externalId,metadata,link", **parameters}
    return client.post(MAPPINGS, params=parameters, json=body, headers={"Prefer": prefer})


def rows(client, *columns):
    found = client.get(MAPPINGS, params={"select": ",".join(columns), "order": "entityId"}).json()
    return [tuple(row[column] for column in columns) for row in found]


@pytest.fixture
def first(client):
    """A mapping that has the external id A."""
    made = mapping("1", "A", metadata={"m": 1}, link="https://x.example/1")
    assert client.post(MAPPINGS, json=made).status_code == 201


@pytest.mark.parametrize("names", [
    *itertools.permutations(["integration", "externalId", "entityType"]),
    ("companyId", "integration", "externalId", "entityType"),
    ("entityType", "externalId", "companyId", "integration"),
], ids=",".join)  # fmt: skip
def test_the_row_of_the_external_id_is_merged_whatever_the_order_of_the_names(client, first, names):
    answer = upsert(client, mapping("2", "A"), on_conflict=",".join(names))
    assert answer.status_code == 200
    assert answer.json() == [{"entityId": "2", "externalId": "A", "metadata": {"m": 1}, "link": "https://x.example/1"}]
    assert rows(client, "entityId", "externalId") == [("2", "A")]


def test_a_duplicate_is_ignored(client, first):
    answer = upsert(client, [mapping("2", "A"), mapping("3", "C")], IGNORE)
    assert (answer.status_code, [row["entityId"] for row in answer.json()]) == (201, ["3"])
    assert rows(client, "entityId", "externalId") == [("1", "A"), ("3", "C")]


def test_a_batch_is_answered_in_its_own_order(client, first):
    batch = [mapping("9", "Z"), mapping("1", "A", metadata={"m": 2}), mapping("5", None), mapping("4", "B")]
    given = [{"metadata": None, **row} for row in batch]
    answer = upsert(client, given)
    assert answer.status_code == 201
    assert [row["entityId"] for row in answer.json()] == ["9", "1", "5", "4"]


def test_rows_that_share_their_id_meet_no_key_and_are_answered_in_order(client, first):
    batch = [
        mapping("7", "A", allowDuplicateExternalId=True),
        mapping("6", "A", allowDuplicateExternalId=True),
        mapping("1", "A", allowDuplicateExternalId=False),
    ]
    answer = upsert(client, batch)
    assert [row["entityId"] for row in answer.json()] == ["7", "6", "1"]
    assert rows(client, "entityId", "externalId") == [("1", "A"), ("6", "A"), ("7", "A")]


def test_columns_choose_what_is_merged(client, first):
    body = [mapping("1", "A", link="https://other.example")]
    answer = upsert(client, body, columns="entityType,entityId,integration,externalId")
    assert answer.json()[0]["link"] == "https://x.example/1"


def test_what_a_row_lacks_of_the_columns_is_its_default_if_that_is_asked_for(client, first):
    columns = "entityType,entityId,integration,externalId,allowDuplicateExternalId,link"
    answer = upsert(client, [mapping("1", "A")], f"{MERGE},missing=default", columns=columns)
    assert (answer.status_code, answer.json()[0]["link"]) == (200, None)
    refused = upsert(client, [mapping("1", "A")], MERGE, columns=columns)
    assert (refused.status_code, refused.json()["code"]) == (400, "23502")


def test_the_same_key_twice_in_one_merge_is_refused_whole_with_the_positions(client):
    batch = [
        mapping("1", "A", allowDuplicateExternalId=True),
        mapping("2", "A", allowDuplicateExternalId=False),
        mapping("3", "B", allowDuplicateExternalId=False),
        mapping("4", "A", allowDuplicateExternalId=False),
    ]
    answer = upsert(client, batch)
    assert (answer.status_code, answer.json()["code"]) == (400, "21000")
    assert answer.json()["details"] == "Rows 2 and 4 of the body have the same key."
    assert rows(client, "entityId") == []


def test_rows_without_an_external_id_are_no_duplicates(client):
    assert upsert(client, [mapping("1", None), mapping("2", None)]).status_code == 201


def test_a_taken_entity_is_named_with_its_mapping(client, first):
    client.post(MAPPINGS, json=mapping("2", "B", id="second"))
    answer = upsert(client, mapping("2", "A"))
    assert (answer.status_code, answer.json()["code"]) == (409, "23505")
    assert answer.json()["details"] == "Key (entityType, entityId, integration)=(item, 2, xero) already exists."
    assert answer.json()["hint"] == "It is held by the row whose id is second"


def test_the_holder_that_is_named_is_not_one_that_shares_the_id(client, first):
    client.post(MAPPINGS, json=mapping("8", "S", id="sharing", allowDuplicateExternalId=True))
    client.post(MAPPINGS, json=mapping("9", "T", id="alone"))
    batch = [
        mapping("2", "A", allowDuplicateExternalId=True),
        mapping("3", "T", allowDuplicateExternalId=False),
    ]
    answer = client.post(MAPPINGS, json=batch)
    assert answer.json()["hint"] == "It is held by the row whose id is alone"


def test_other_partial_keys_cannot_be_named(client):
    answer = client.post(
        "/externalSystem", params={"on_conflict": "isDefault"}, json={"integration": "a", "name": "A"},
        headers={"Prefer": MERGE},
    )  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (400, "42P10")
