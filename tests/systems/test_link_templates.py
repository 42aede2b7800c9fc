"""A system's templates for single entity types: set by every door, used by every answer that shows a link."""

import json

import pytest

ITEM = "https://xero.example/items/{externalId}"
OTHER = "https://xero.example/{externalId}"
ELEMENT = "https://xero.example/stories/{externalId}"


@pytest.fixture
def systems(client):
    """A system with a template for items, one for elements, and one for all others."""
    row = {"integration": "xero", "systemUrl": "https://xero.example", "isDefault": True, "linkTemplate": OTHER}
    templates = {"item": ITEM, "element": ELEMENT}
    client.post("/externalSystem", json={**row, "name": "Xero", "linkTemplates": templates}).raise_for_status()
    for entity_type in ("item", "po", "element"):
        body = {"entityType": entity_type, "entityId": "7", "integration": "xero", "externalId": "A 1"}
        client.post("/externalIntegrationMapping", json=body).raise_for_status()
    client.post("/api/v2/elements", json={"id": 7, "title": "Seven"}).raise_for_status()


def called(client, function, **arguments):
    return client.post(f"/rpc/{function}", json=arguments).raise_for_status().json()


def test_the_template_of_the_entity_type_makes_the_link(client, systems):
    item, other = "https://xero.example/items/A%201", "https://xero.example/A%201"
    element = "https://xero.example/stories/A%201"
    for entity_type, link in (("item", item), ("po", other), ("element", element)):
        [located] = called(client, "locate", integration="xero", entityType=entity_type, entityIds=["7"])
        assert located["link"] == link
        [crossed] = called(client, "crosswalk", entityType=entity_type, entityIds=["7"])
        assert crossed["links"]["xero"]["link"] == link
    given = {"from": "xero", "to": "xero", "entityType": "item", "externalIds": ["A 1"]}
    [translated] = called(client, "translate", **given)
    assert [one["link"] for one in translated["translations"]] == [item]
    [bound] = client.get("/api/v2/elements/7/external-elements").json()
    assert bound["externalElement"]["link"] == element
    assert client.get("/api/v2/elements/7").json()["externalElement"]["link"] == element
    linked = client.post("/api/v2/elements/7/external-element/link", json={"externalId": "B"}).json()
    assert linked["externalElement"]["link"] == "https://xero.example/stories/B"
    unlinked = client.post("/api/v2/elements/7/external-element/unlink").json()
    assert unlinked["externalElement"]["link"] == "https://xero.example/stories/B"


@pytest.mark.parametrize(
    "templates",
    ["text", ["https://a.example/{externalId}"], {"item": 1}, {"item": "https://a.example/"}, {"item": None},
     {"item": "javascript:{externalId}"}, {"item": ITEM, "po": "x{externalId}"}],
    ids=str,
)  # fmt: skip
def test_templates_that_cannot_be_are_refused_by_every_door(client, templates):
    row = {"integration": "xero", "name": "Xero", "linkTemplates": templates}
    refused = client.post("/externalSystem", json=row)
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("linkTemplates must be an object of http or https addresses")
    imported = client.post(
        "/import/systems", content=json.dumps(row) + "\n", headers={"content-type": "application/x-ndjson"}
    ).json()
    assert (imported["created"], imported["refused"]) == (0, 1)
    assert "linkTemplates" in imported["refusals"][0]["reason"]


def test_templates_go_out_with_an_export_and_come_back(client, systems):
    for form in ("text/csv", "application/x-ndjson"):
        exported = client.get("/export/systems", headers={"accept": form})
        client.patch("/externalSystem?integration=eq.xero", json={"linkTemplates": None}).raise_for_status()
        there = client.post("/import/systems", content=exported.content, headers={"content-type": form}).json()
        assert (there["updated"], there["refused"]) == (1, 0)
        [system] = client.get("/externalSystem?select=linkTemplates").json()
        assert system["linkTemplates"] == {"item": ITEM, "element": ELEMENT}
        again = client.post("/import/systems", content=exported.content, headers={"content-type": form}).json()
        assert again["unchanged"] == 1
