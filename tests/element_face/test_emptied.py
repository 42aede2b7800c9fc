"""An emptied mapping, which has neither external id nor link, is no binding."""

import pytest

from refusals import refused

ELEMENTS = "/api/v2/elements"
ELEMENT = f"{ELEMENTS}/7"
LINK, UNLINK = f"{ELEMENT}/external-element/link", f"{ELEMENT}/external-element/unlink"
BINDINGS = f"{ELEMENT}/external-elements"
CRM, ERP = "https://crm.example", "https://erp.example"


@pytest.fixture(autouse=True)
def emptied(acme, client) -> str:
    """Element 7 is linked in the ERP; in the CRM, the default, its mapping is emptied. Gives that mapping's id."""
    acme.has_system("crm", CRM, default=True, template="https://crm.example/{externalId}")
    acme.has_system("erp", ERP)
    acme.has_element(7)
    client.post(LINK, json={"externalId": "A"}).raise_for_status()
    client.post(LINK, json={"externalId": "E", "systemUrl": ERP}).raise_for_status()
    mapping = {"entityId": "eq.7", "integration": "eq.crm"}
    client.patch("/externalIntegrationMapping", params=mapping, json={"externalId": None, "metadata": {"kept": True}})
    return client.get("/externalIntegrationMapping", params=mapping).json()[0]["id"]


def test_an_emptied_mapping_is_not_listed(client):
    assert [binding["systemUrl"] for binding in client.get(BINDINGS).json()] == [ERP]


def test_an_emptied_mapping_does_not_stand_for_the_element(client):
    shown = {"externalId": "E", "link": None, "systemUrl": ERP}
    assert client.get(ELEMENT).json()["externalElement"] == shown
    assert client.get(ELEMENTS).json()["content"][0]["externalElement"] == shown
    assert client.get(ELEMENTS, params={"externalId": "E"}).json()["content"][0]["externalElement"] == shown
    assert client.patch(ELEMENT, json={"title": "new"}).json()["externalElement"] == shown
    client.post(UNLINK, json={"systemUrl": ERP}).raise_for_status()
    assert client.get(ELEMENT).json()["externalElement"] is None


def test_unlinking_an_emptied_mapping_finds_nothing(client):
    refused(client.post(UNLINK), 404, "resource-not-found")


def test_a_historical_one_is_not_unlinked_either(client, acme):
    acme.has_no_system("crm")
    refused(client.post(UNLINK, json={"systemUrl": None}), 404, "resource-not-found")


def test_an_emptied_mapping_is_not_among_several_historical_ones(client, acme):
    acme.has_no_system("crm")
    acme.has_no_system("erp")
    assert client.post(UNLINK, json={"systemUrl": None}).json()["externalElement"]["externalId"] == "E"


@pytest.mark.parametrize("given", [{"externalId": "B"}, {"link": "https://crm.example/b"}])
def test_a_link_fills_an_emptied_mapping(client, emptied, given):
    response = client.post(LINK, json=given)
    assert response.status_code == 200
    assert response.json()["externalElement"]["link"].lower() == "https://crm.example/b"
    (row,) = client.get("/externalIntegrationMapping", params={"integration": "eq.crm"}).json()
    assert (row["id"], row["metadata"]) == (emptied, {"kept": True})


def test_its_former_external_id_is_free(client, acme):
    acme.has_element(8)
    assert client.post(f"{ELEMENTS}/8/external-element/link", json={"externalId": "A"}).status_code == 200
    assert [element["id"] for element in client.get(ELEMENTS, params={"externalId": "A"}).json()["content"]] == [8]
