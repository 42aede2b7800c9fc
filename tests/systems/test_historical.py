"""Historical bindings: their system is not, or no longer, among the company's active ones."""

import pytest

ELEMENT = "/api/v2/elements/7"
CRM = "https://crm.example"


@pytest.fixture(autouse=True)
def linked(acme, client):
    """Element 7, linked to A in the CRM."""
    acme.has_element(7)
    acme.has_system("crm", CRM)
    assert client.post(f"{ELEMENT}/external-element/link", json={"externalId": "A"}).status_code == 200


def shown(client) -> list[tuple[str | None, str | None]]:
    found = client.get(f"{ELEMENT}/external-elements").json()
    return [(binding["externalElement"]["externalId"], binding["systemUrl"]) for binding in found]


def test_a_binding_turns_historical_when_its_system_is_removed_and_back_when_it_returns(client, acme):
    acme.has_no_system("crm")
    assert shown(client) == [("A", None)]
    acme.has_system("crm", CRM)
    assert shown(client) == [("A", CRM)]


def test_a_binding_turns_historical_when_its_system_is_inactive_and_back_when_it_is_active(client, acme):
    acme.has_system("crm", CRM, active=False)
    assert shown(client) == [("A", None)]
    assert client.get(ELEMENT).json()["externalElement"]["systemUrl"] is None
    acme.has_system("crm", CRM)
    assert shown(client) == [("A", CRM)]


def test_a_system_that_returns_with_another_address_shows_that_one(client, acme):
    acme.has_no_system("crm")
    acme.has_system("crm", "https://new.example")
    assert shown(client) == [("A", "https://new.example")]


def test_another_system_of_the_former_address_does_not_take_the_binding_over(client, acme):
    acme.has_no_system("crm")
    acme.has_system("crm2", CRM)
    assert shown(client) == [("A", None)]
    client.post(f"{ELEMENT}/external-element/link", json={"externalId": "B"})
    assert shown(client) == [("A", None), ("B", CRM)]


def test_a_historical_binding_keeps_its_link_and_a_made_one_as_long_as_the_settings_are_there(client, acme):
    def link() -> str | None:
        return client.get(f"{ELEMENT}/external-elements").json()[0]["externalElement"]["link"]

    acme.has_system("crm", CRM, active=False, template="https://crm.example/{externalId}")
    assert link() == "https://crm.example/A"
    acme.has_no_system("crm")
    assert link() is None
    acme.has_system("crm", CRM)
    client.post(f"{ELEMENT}/external-element/link", json={"link": "https://crm.example/stored"})
    acme.has_no_system("crm")
    assert link() == "https://crm.example/stored"


def test_settings_that_change_are_no_change_of_a_mapping(acme):
    acme.has_system("crm", CRM, active=False)
    acme.has_no_system("crm")
    acme.has_system("crm", CRM)
    assert [operation for operation, *_ in acme.changes()] == ["insert"]


def test_the_external_id_of_a_historical_binding_stays_taken_in_its_system(client, acme):
    acme.has_no_system("crm")
    acme.has_element(8)
    acme.has_system("crm", CRM)
    response = client.post("/api/v2/elements/8/external-element/link", json={"externalId": "A"})
    assert response.json()["conflictingElementId"] == 7
