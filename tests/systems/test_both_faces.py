"""Both faces show the same external systems and mappings."""

import pytest

from refusals import refused

ELEMENT = "/api/v2/elements/7"
SYSTEM, MAPPING = "/externalSystem", "/externalIntegrationMapping"
CRM = {"integration": "crm", "name": "The CRM", "systemUrl": "https://crm.example"}


@pytest.fixture(autouse=True)
def element(acme):
    acme.has_element(7)


def made(client, path: str, row: dict) -> None:
    response = client.post(path, json=row)
    assert response.status_code == 201, response.text


def link(client, external_id: str, **given):
    return client.post(f"{ELEMENT}/external-element/link", json={"externalId": external_id, **given})


def shown(client) -> list[tuple[str | None, str | None, str | None]]:
    found = client.get(f"{ELEMENT}/external-elements").json()
    return [(b["externalElement"]["externalId"], b["externalElement"]["link"], b["systemUrl"]) for b in found]


def test_a_system_made_on_the_mapping_face_can_be_linked_to_at_once(client):
    made(client, SYSTEM, {**CRM, "linkTemplate": "https://crm.example/{externalId}"})
    assert link(client, "A 1").json()["externalElement"]["link"] == "https://crm.example/A%201"


def test_a_system_changed_on_the_mapping_face_changes_the_bindings(client):
    made(client, SYSTEM, CRM)
    link(client, "A")
    for change, after in (
        ({"active": False}, ("A", None, None)),
        ({"active": True}, ("A", None, "https://crm.example")),
        ({"systemUrl": "https://new.example"}, ("A", None, "https://new.example")),
        ({"linkTemplate": "https://new.example/{externalId}"}, ("A", "https://new.example/A", "https://new.example")),
    ):
        assert client.patch(f"{SYSTEM}?integration=eq.crm", json=change).status_code == 204
        assert shown(client) == [after]
    assert client.delete(f"{SYSTEM}?integration=eq.crm").status_code == 204
    assert shown(client) == [("A", None, None)]


def test_the_time_after_which_mappings_are_old_is_set_on_the_mapping_face(client):
    made(client, SYSTEM, {**CRM, "staleAfterSeconds": 3600})
    shown_ = {"select": "staleAfterSeconds"}
    assert client.get(SYSTEM, params=shown_).json() == [{"staleAfterSeconds": 3600}]
    for seconds in (0, -5, 2**31, "soon"):
        refused = client.patch(f"{SYSTEM}?integration=eq.crm", json={"staleAfterSeconds": seconds})
        assert refused.status_code == 400, refused.text
    client.patch(f"{SYSTEM}?integration=eq.crm", json={"staleAfterSeconds": None}).raise_for_status()
    assert client.get(SYSTEM, params=shown_).json() == [{"staleAfterSeconds": None}]


def test_a_second_default_system_is_refused(client):
    made(client, SYSTEM, {**CRM, "isDefault": True})
    erp = {"integration": "erp", "name": "ERP", "isDefault": True}
    assert client.post(SYSTEM, json=erp).json()["code"] == "23505"


def test_a_mapping_made_on_the_mapping_face_is_a_binding(client):
    made(client, SYSTEM, CRM)
    row = {"entityType": "element", "entityId": "7", "integration": "crm", "externalId": "A"}
    made(client, MAPPING, {**row, "link": "https://crm.example/a"})
    made(client, MAPPING, {**row, "integration": "elsewhere"})
    assert shown(client) == [("A", "https://crm.example/a", "https://crm.example"), ("A", None, None)]


def test_a_mapping_of_the_mapping_face_takes_the_external_id_from_an_element(client):
    made(client, SYSTEM, CRM)
    made(client, MAPPING, {"entityType": "element", "entityId": "8", "integration": "crm", "externalId": "A"})
    assert refused(link(client, "A"), 409, "conflict")["conflictingElementId"] == 8


def test_mappings_of_other_entity_types_do_not_take_external_ids_from_elements(client):
    made(client, SYSTEM, CRM)
    made(client, MAPPING, {"entityType": "item", "entityId": "8", "integration": "crm", "externalId": "A"})
    assert link(client, "A").status_code == 200


def test_a_binding_is_a_mapping_with_who_made_and_changed_it(client, acme):
    made(client, SYSTEM, CRM)
    link(client, "A")
    link(client, "B")
    (row,) = client.get(f"{MAPPING}?entityType=eq.element&entityId=eq.7").json()
    assert (row["integration"], row["externalId"], row["companyId"]) == ("crm", "B", acme.id)
    assert row["createdBy"] == row["updatedBy"]
    assert row["updatedAt"] > row["createdAt"]
    history = client.get("/mappingChange?select=operation,after->>externalId&order=position").json()
    assert history == [{"operation": "insert", "externalId": "A"}, {"operation": "update", "externalId": "B"}]


def test_an_active_system_without_an_address_is_linked_to_as_the_default(client):
    """The element face cannot name it, but a request without a system means the default one."""
    made(client, SYSTEM, {"integration": "crm", "name": "CRM", "isDefault": True})
    assert link(client, "A").json()["systemUrl"] is None
    response = client.post(f"{ELEMENT}/external-element/unlink", json={"systemUrl": None})
    refused(response, 404, "resource-not-found")
    assert client.post(f"{ELEMENT}/external-element/unlink").status_code == 200


def test_unlink_answers_the_binding_as_the_mapping_face_left_it(client):
    made(client, SYSTEM, CRM)
    link(client, "A")
    client.patch(f"{MAPPING}?externalId=eq.A", json={"externalId": "B", "link": "https://crm.example/b"})
    assert client.post(f"{ELEMENT}/external-element/unlink").json()["externalElement"] == {
        "externalId": "B",
        "link": "https://crm.example/b",
    }
