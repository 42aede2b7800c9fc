"""POST /api/v2/elements/{id}/external-element/unlink."""

import pytest

from refusals import field_error, refused

ELEMENT = "/api/v2/elements/7"
LINK, UNLINK = f"{ELEMENT}/external-element/link", f"{ELEMENT}/external-element/unlink"
CRM, ERP = "https://crm.example", "https://erp.example"


@pytest.fixture(autouse=True)
def systems(acme):
    """Element 7 and two systems; the CRM is the default."""
    acme.has_system("crm", CRM, default=True)
    acme.has_system("erp", ERP)
    acme.has_element(7)


def binding(external_id: str | None, link: str | None, system_url: str | None = CRM) -> dict:
    return {"externalElement": {"externalId": external_id, "link": link}, "systemUrl": system_url}


def bindings(client) -> list[dict]:
    return client.get(f"{ELEMENT}/external-elements").json()


@pytest.mark.parametrize("options", [{}, {"json": {}}, {"json": {"systemUrl": CRM}}, {"content": b""}])
def test_unlink_answers_the_binding_as_it_was_and_ends_it(client, options):
    client.post(LINK, json={"externalId": "A", "link": "https://crm.example/a"})
    client.post(LINK, json={"externalId": "E", "systemUrl": ERP})
    response = client.post(UNLINK, **options)
    assert response.status_code == 200
    assert response.json() == binding("A", "https://crm.example/a")
    assert bindings(client) == [binding("E", None, ERP)]


def test_unlink_shows_the_link_that_the_template_made(client, acme):
    acme.has_system("crm", CRM, default=True, template="https://crm.example/{externalId}")
    client.post(LINK, json={"externalId": "A"})
    assert client.post(UNLINK).json() == binding("A", "https://crm.example/A")


def test_unlink_with_no_body_does_not_mind_the_content_type(client):
    client.post(LINK, json={"externalId": "A"})
    assert client.post(UNLINK, headers={"content-type": "text/plain"}).status_code == 200


def test_unlink_of_an_element_that_is_not_linked_is_not_found(client):
    client.post(LINK, json={"externalId": "A"})
    refused(client.post(UNLINK, json={"systemUrl": ERP}), 404, "resource-not-found")
    client.post(UNLINK)
    refused(client.post(UNLINK), 404, "resource-not-found")


def test_unlink_keeps_the_binding_in_the_history(client, acme):
    client.post(LINK, json={"externalId": "A"})
    client.post(UNLINK)
    operation, before, after, actor = acme.changes()[-1]
    assert (operation, before["externalId"], after) == ("delete", "A", None)
    assert actor is not None


def test_unlink_of_an_element_that_is_not_there_is_not_found(client, other):
    other.has_element(8)
    for element_id in (8, 9):
        path = f"/api/v2/elements/{element_id}/external-element/unlink"
        refused(client.post(path), 404, "resource-not-found")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"systemUrl": 5}, ("body", "systemUrl", "invalid")),
        ({"system": "crm"}, ("body", "system", "unknown")),
        ({"externalId": "A"}, ("body", "externalId", "unknown")),
    ],
)
def test_a_field_that_cannot_be_taken_is_named_and_nothing_is_unlinked(client, body, where):
    client.post(LINK, json={"externalId": "A"})
    assert field_error(client.post(UNLINK, json=body)) == where
    assert len(bindings(client)) == 1


def test_null_as_the_system_means_the_one_historical_binding(client, acme):
    client.post(LINK, json={"externalId": "A"})
    client.post(LINK, json={"externalId": "E", "systemUrl": ERP})
    acme.has_no_system("erp")
    assert client.post(UNLINK, json={"systemUrl": None}).json() == binding("E", None, None)
    assert bindings(client) == [binding("A", None)]


def test_null_as_the_system_finds_nothing_when_all_bindings_are_current(client):
    client.post(LINK, json={"externalId": "A"})
    refused(client.post(UNLINK, json={"systemUrl": None}), 404, "resource-not-found")


def test_null_as_the_system_does_not_choose_among_several_historical_bindings(client, acme):
    client.post(LINK, json={"externalId": "A"})
    client.post(LINK, json={"externalId": "E", "systemUrl": ERP})
    acme.has_no_system("erp")
    acme.has_system("crm", CRM, active=False)
    problem = refused(client.post(UNLINK, json={"systemUrl": None}), 400, "business-error")
    assert problem["candidates"] == [
        {"integration": "crm", "externalId": "A", "link": None},
        {"integration": "erp", "externalId": "E", "link": None},
    ]
    assert len(bindings(client)) == 2


def test_a_historical_binding_is_not_reached_by_its_former_address(client, acme):
    client.post(LINK, json={"externalId": "E", "systemUrl": ERP})
    acme.has_no_system("erp")
    refused(client.post(UNLINK, json={"systemUrl": ERP}), 400, "input-parameter-error")
    assert len(bindings(client)) == 1


def test_an_unlinked_element_is_linked_anew_as_the_youngest(client):
    client.post(LINK, json={"externalId": "A"})
    client.post(LINK, json={"externalId": "E", "systemUrl": ERP})
    client.post(UNLINK)
    client.post(LINK, json={"externalId": "A"})
    assert [found["systemUrl"] for found in bindings(client)] == [ERP, CRM]
