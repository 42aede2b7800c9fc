"""unlinked pages through the known entities that are not linked in a system."""

import pytest

MAPPINGS = "/externalIntegrationMapping"
ITEMS = {"entityType": "item", "integration": "hubspot"}


def row(entity_id: str, integration: str, external_id: str | None = None, **more: object) -> dict[str, object]:
    return {
        "entityType": "item",
        "entityId": entity_id,
        "integration": integration,
        "externalId": external_id,
        **more,
    }


@pytest.fixture
def linked(client):
    """Of items 1 to 5 in xero, 2 is in hubspot by its id, 3 by a link, and 4 is emptied there; 5 is emptied in xero."""
    rows = [row(n, "xero", f"x{n}") for n in "1234"]
    rows += [row("5", "xero"), row("2", "hubspot", "h2"), row("3", "hubspot", link="https://h.example/3")]
    rows += [row("4", "hubspot"), row("6", "hubspot", "h6"), row("1", "hubspot", "v1", entityType="vendor")]
    client.post(MAPPINGS, json=[{"link": None, **one} for one in rows]).raise_for_status()
    return client


def ids(client, params: dict[str, str] | None = None, **arguments: object) -> list[str]:
    answer = client.post("/rpc/unlinked", json=arguments, params=params)
    assert answer.status_code == 200, answer.text
    return [one["entityId"] for one in answer.json()]


def test_entities_that_are_mapped_elsewhere_or_emptied_here_are_unlinked(linked):
    assert linked.post("/rpc/unlinked", json=ITEMS).json() == [
        {"entityType": "item", "entityId": "1"},
        {"entityType": "item", "entityId": "4"},
        {"entityType": "item", "entityId": "5"},
    ]
    assert ids(linked, entityType="item", integration="sage") == ["1", "2", "3", "4", "5", "6"]
    assert ids(linked, entityType="vendor", integration="hubspot") == []
    assert ids(linked, entityType="nothing", integration="hubspot") == []


def test_linked_in_asks_for_those_that_are_linked_in_another_system(linked):
    assert ids(linked, **ITEMS, linkedIn="xero") == ["1", "4"]
    assert ids(linked, entityType="item", integration="xero", linkedIn="hubspot") == ["6"]
    assert ids(linked, **ITEMS, linkedIn="sage") == []
    assert ids(linked, **ITEMS, linkedIn=None) == ["1", "4", "5"]


def test_registered_elements_are_known_without_a_mapping(client, acme):
    for element_id in (9, 10, 100):
        acme.has_element(element_id)
    for entity_id, external_id in (("10", "A"), ("x", "B")):
        client.post(MAPPINGS, json=row(entity_id, "crm", external_id, entityType="element")).raise_for_status()
    assert sorted(ids(client, entityType="element", integration="crm")) == ["100", "9"]
    assert sorted(ids(client, entityType="element", integration="erp")) == ["10", "100", "9", "x"]
    assert ids(client, entityType="element", integration="erp", linkedIn="crm") == ["10", "x"]
    assert ids(client, entityType="item", integration="erp") == []


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_follow_each_other_by_the_last_id(client, acme, size):
    for element_id in (3, 21, 300):
        acme.has_element(element_id)
    rows = [row(n, "crm", f"c{n}", entityType="element") for n in ("1", "21", "22")]
    rows += [row(n, "erp", None, entityType="element") for n in ("22", "5")]
    client.post(MAPPINGS, json=rows).raise_for_status()
    arguments = {"entityType": "element", "integration": "erp"}
    whole = ids(client, **arguments)
    assert sorted(whole) == ["1", "21", "22", "3", "300", "5"]
    found, last = [], None
    while page := ids(client, {"limit": str(size)}, **arguments, after=last):
        assert len(page) <= size
        found += page
        last = page[-1]
    assert found == whole


def test_filters_orders_and_counts_are_about_all_of_them(linked):
    assert ids(linked, {"order": "entityId.desc", "limit": "1"}, **ITEMS) == ["5"]
    assert ids(linked, {"entityId": "gt.1", "limit": "1"}, **ITEMS) == ["4"]
    assert ids(linked, {"offset": "1", "limit": "1"}, **ITEMS) == ["4"]
    assert ids(linked, {"order": "entityId", "limit": "2"}, **ITEMS) == ["1", "4"]
    assert ids(linked, {"limit": "0"}, **ITEMS) == []
    counted = linked.post("/rpc/unlinked", json=ITEMS, params={"select": "count()"}).json()
    assert counted == [{"count": 3}]
    answer = linked.get("/rpc/unlinked", params={**ITEMS, "limit": "2"}, headers={"Prefer": "count=exact"})
    assert (answer.status_code, answer.headers["content-range"]) == (206, "0-1/3")


def test_a_page_is_no_longer_than_a_page_of_rows(client, acme):
    acme.database.execute(
        """insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration, "externalId")
        select %s, 'item', lpad(n::text, 5, '0'), 'xero', n::text from generate_series(1, 1500) n""",
        acme.id,
    )
    first = ids(client, **ITEMS)
    assert (len(first), first[-1]) == (1000, "01000")
    assert len(ids(client, **ITEMS, after=first[-1])) == 500


def test_the_answer_comes_by_get_by_a_form_and_as_csv(linked):
    assert linked.get("/rpc/unlinked", params={**ITEMS, "after": "1"}).json() == [
        {"entityType": "item", "entityId": "4"},
        {"entityType": "item", "entityId": "5"},
    ]
    assert linked.post("/rpc/unlinked", data={**ITEMS, "linkedIn": "xero"}).json()[0]["entityId"] == "1"
    table = linked.get("/rpc/unlinked", params={**ITEMS, "select": "entityId"}, headers={"Accept": "text/csv"})
    assert table.text == "entityId\n1\n4\n5"
    assert linked.get("/rpc/unlinked", params={"entityType": "item"}).status_code == 404


def test_nothing_of_another_company_is_unlinked(linked, other):
    other.has_element(5)
    with other.client() as theirs:
        assert ids(theirs, **ITEMS) == []
        assert ids(theirs, entityType="element", integration="crm") == ["5"]
        theirs.post(MAPPINGS, json=row("1", "hubspot", "theirs")).raise_for_status()
    assert ids(linked, **ITEMS) == ["1", "4", "5"]
    assert ids(linked, entityType="element", integration="crm") == []
