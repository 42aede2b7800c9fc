"""GET /api/v2/elements/{id}/external-elements."""

import pytest

from refusals import field_error, refused

ELEMENT = "/api/v2/elements/7"


def test_an_element_without_bindings_has_an_empty_list(client, acme):
    acme.has_element(7)
    response = client.get(f"{ELEMENT}/external-elements")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == []


def test_bindings_come_oldest_first_and_stay_in_place_when_updated(client, acme):
    acme.has_element(7)
    for system in ("b", "a", "c"):
        acme.has_system(system, f"https://{system}.example")
        given = {"externalId": f"{system}-7", "systemUrl": f"https://{system}.example"}
        client.post(f"{ELEMENT}/external-element/link", json=given)
    client.post(f"{ELEMENT}/external-element/link", json={"externalId": "new", "systemUrl": "https://b.example"})
    assert client.get(f"{ELEMENT}/external-elements").json() == [
        {"externalElement": {"externalId": "new", "link": None}, "systemUrl": "https://b.example"},
        {"externalElement": {"externalId": "a-7", "link": None}, "systemUrl": "https://a.example"},
        {"externalElement": {"externalId": "c-7", "link": None}, "systemUrl": "https://c.example"},
    ]


def test_only_this_elements_bindings_of_this_company_are_listed(client, acme, other):
    for company in (acme, other):
        company.has_system("crm", "https://crm.example")
        for element_id in (7, 77):
            company.has_element(element_id)
            with company.client() as caller:
                given = {"externalId": f"{company.id}-{element_id}"}
                caller.post(f"/api/v2/elements/{element_id}/external-element/link", json=given)
    (found,) = client.get(f"{ELEMENT}/external-elements").json()
    assert found["externalElement"]["externalId"] == f"{acme.id}-7"


def test_mappings_of_other_entity_types_are_no_bindings(client, acme):
    acme.has_element(7)
    acme.database.execute(
        'insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration,'
        " \"externalId\") values (%s, 'item', '7', 'crm', 'A')",
        acme.id,
    )
    assert client.get(f"{ELEMENT}/external-elements").json() == []


def test_the_bindings_of_an_element_that_is_not_there_are_not_found(client, other):
    other.has_element(8)
    for element_id in (8, 9):
        refused(client.get(f"/api/v2/elements/{element_id}/external-elements"), 404, "resource-not-found")


@pytest.mark.parametrize("given", ["0", "-1", "9223372036854775808"])
def test_the_id_of_the_element_is_in_range(client, given):
    response = client.get(f"/api/v2/elements/{given}/external-elements")
    assert field_error(response) == ("path", "id", "out-of-range")


def test_bindings_that_are_more_than_an_answer_may_have_are_refused(client, acme):
    acme.has_element(7)
    acme.database.execute(
        """insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration, "externalId", link)
        select %s, 'element', '7', 's' || n, 'x', 'https://s.example/' || repeat('x', 7000)
        from generate_series(1, 1200) n""",
        acme.id,
    )
    problem = refused(client.get(f"{ELEMENT}/external-elements"), 413, "payload-too-large")
    assert "answer_bytes_max" in problem["detail"]


@pytest.mark.parametrize("verb", ["link", "unlink"])
def test_of_many_systems_to_choose_from_the_first_hundred_are_named(client, acme, verb):
    acme.has_element(7)
    rows = [{"integration": f"s{n:03}", "name": "s", "systemUrl": f"https://s{n}.example"} for n in range(120)]
    assert client.post("/externalSystem", json=rows).status_code == 201
    problem = client.post(f"{ELEMENT}/external-element/{verb}", json={"externalId": "x"} if verb == "link" else {})
    assert problem.status_code == 400
    assert [one["integration"] for one in problem.json()["candidates"]] == [f"s{n:03}" for n in range(100)]
