"""What PostgreSQL says of its tables, indexes and pages is told in our words."""

import secrets

import pytest

MAPPINGS, SYSTEMS = "/externalIntegrationMapping", "/externalSystem"
ROW = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}
SYSTEM = {"integration": "crm", "name": "CRM"}
ITS_OWN = ("btree", "index row", "constraint", "relation", "tuple", "buffer", "violates")
LONG = secrets.token_hex(3000)


@pytest.mark.parametrize(
    ("path", "row", "code", "said"),
    [
        (MAPPINGS, ROW | {"entityId": LONG}, "54000", "entityType, entityId, integration are too long"),
        (MAPPINGS, ROW | {"externalId": LONG}, "54000", "are too long"),
        (MAPPINGS, ROW | {"id": LONG}, "54000", "id is too long"),
        (SYSTEMS, SYSTEM | {"integration": LONG}, "54000", "integration is too long"),
        (SYSTEMS, SYSTEM | {"systemUrl": f"https://crm.example/{LONG}"}, "54000", "too long"),
        (SYSTEMS, SYSTEM | {"systemUrl": "nowhere"}, "23514", "systemUrl must be an absolute http or https address"),
        (SYSTEMS, SYSTEM | {"linkTemplate": "https://x"}, "23514", "linkTemplate must contain {externalId}"),
    ],
)
def test_a_value_that_no_column_takes_is_named(client, path, row, code, said):
    answers = [client.post(path, json=row), client.post(path, json=[row])]
    if path == MAPPINGS and "id" not in row:
        answers.append(client.post("/rpc/claim", json=row))
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert said in answer.json()["message"]
        assert not any(word in answer.text for word in ITS_OWN), answer.text


def test_a_change_is_refused_in_the_same_words(client):
    client.post(MAPPINGS, json=ROW).raise_for_status()
    answer = client.patch(f"{MAPPINGS}?entityId=eq.1", json={"externalId": LONG})
    assert answer.json()["message"].endswith("are too long: their key is longer than 2650 bytes")


def test_the_address_of_another_system_is_refused_however_it_is_written(client):
    client.post(SYSTEMS, json=SYSTEM | {"systemUrl": "https://crm.example/"}).raise_for_status()
    answer = client.post(SYSTEMS, json={"integration": "two", "name": "x", "systemUrl": "HTTPS://CRM.example:443"})
    assert (answer.status_code, answer.json()["code"]) == (409, "23505")
    assert answer.json()["message"].startswith("Another external system of the company has this systemUrl")


def test_a_filter_with_json_that_is_nested_too_deep_is_refused(client):
    answer = client.get(f"{MAPPINGS}?metadata=cs.{'[' * 8000}{']' * 8000}")
    assert answer.status_code in {200, 400}
    assert not any(word in answer.text for word in ("max_stack_depth", "stack depth"))
