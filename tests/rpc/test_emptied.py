"""An emptied mapping, whose external id was taken and which has no link, counts as unlinked."""

import pytest

MAPPINGS = "/externalIntegrationMapping"
KEY = {"entityType": "item", "entityId": "1", "integration": "xero"}


def call(client, function: str, **arguments: object):
    answer = client.post(f"/rpc/{function}", json=arguments)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def emptied(client) -> dict:
    """Item 1 is B in hubspot, and emptied in xero."""
    client.post(MAPPINGS, json={**KEY, "integration": "hubspot", "externalId": "B"}).raise_for_status()
    made = client.post(
        MAPPINGS,
        json={**KEY, "externalId": "A", "metadata": {"kept": True}, "allowDuplicateExternalId": True},
        headers={"Prefer": "return=representation"},
    )
    client.patch(MAPPINGS, params={"id": f"eq.{made.json()[0]['id']}"}, json={"externalId": None}).raise_for_status()
    return client.get(MAPPINGS, params={"integration": "eq.xero"}).json()[0]


def test_locate_leaves_an_emptied_mapping_out(client, emptied):
    assert call(client, "locate", integration="xero", entityType="item", entityIds=["1"]) == [
        {"entityId": "1", "status": "unlinked", "externalId": None, "link": None, "mappingId": None}
    ]


def test_locate_makes_no_link_for_an_emptied_mapping(client, acme, emptied):
    acme.has_system("xero", "https://xero.example", template="https://xero.example/{externalId}")
    (answer,) = call(client, "locate", integration="xero", entityType="item", entityIds=["1"])
    assert (answer["status"], answer["link"]) == ("unlinked", None)


def test_translate_knows_the_entity_and_finds_it_unlinked(client, emptied):
    arguments = {"from": "hubspot", "to": "xero", "externalIds": ["B"]}
    assert call(client, "translate", **arguments) == [{"externalId": "B", "status": "unlinked", "translations": []}]


def test_translate_leaves_an_emptied_mapping_out_among_several(client, emptied):
    for entity_id in ("2", "3"):
        row = {**KEY, "entityId": entity_id, "integration": "hubspot", "externalId": "S"}
        client.post(MAPPINGS, json={**row, "allowDuplicateExternalId": True}).raise_for_status()
        client.post(MAPPINGS, json={**KEY, "entityId": entity_id, "externalId": None}).raise_for_status()
    arguments = {"from": "hubspot", "to": "xero", "externalIds": ["S"]}
    assert call(client, "translate", **arguments) == [{"externalId": "S", "status": "unlinked", "translations": []}]
    client.patch(MAPPINGS, params={"entityId": "eq.3", "integration": "eq.xero"}, json={"link": "https://xero.example"})
    (answer,) = call(client, "translate", **arguments)
    assert answer["status"] == "ambiguous"
    assert [translation["entityId"] for translation in answer["translations"]] == ["3"]


def test_claim_fills_an_emptied_mapping(client, acme, emptied):
    answer = call(client, "claim", **KEY, externalId="C")
    assert answer["outcome"] == "created"
    assert answer["mapping"] == {
        **emptied,
        "externalId": "C",
        "allowDuplicateExternalId": False,
        "updatedAt": answer["mapping"]["updatedAt"],
    }
    assert [operation for operation, *_ in acme.changes()][-1] == "update"
    assert call(client, "claim", **KEY, externalId="D")["outcome"] == "existing"


def test_claim_does_not_fill_an_emptied_mapping_with_an_id_that_another_entity_has(client, emptied):
    client.post(MAPPINGS, json={**KEY, "entityId": "2", "externalId": "C"}).raise_for_status()
    answer = call(client, "claim", **KEY, externalId="C")
    assert (answer["outcome"], answer["mapping"]["entityId"]) == ("conflict", "2")


def test_a_mapping_that_has_nothing_but_a_link_is_linked(client, emptied):
    client.patch(MAPPINGS, params={"id": f"eq.{emptied['id']}"}, json={"link": "https://xero.example/1"})
    (answer,) = call(client, "locate", integration="xero", entityType="item", entityIds=["1"])
    assert (answer["status"], answer["mappingId"]) == ("linked", emptied["id"])
    assert call(client, "claim", **KEY, externalId="C")["outcome"] == "existing"
