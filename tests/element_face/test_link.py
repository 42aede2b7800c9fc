"""POST /api/v2/elements/{id}/external-element/link."""

import json
import random

import pytest

from refusals import field_error, refused

ELEMENT = "/api/v2/elements/7"
LINK = f"{ELEMENT}/external-element/link"
CRM = "https://crm.example"


@pytest.fixture(autouse=True)
def crm(acme):
    """Element 7 and one external system, which the requests of these tests mean."""
    acme.has_system("crm", CRM)
    acme.has_element(7)


def binding(external_id: str | None, link: str | None, system_url: str | None = CRM) -> dict:
    return {"externalElement": {"externalId": external_id, "link": link}, "systemUrl": system_url}


def bindings(client) -> list[dict]:
    return client.get(f"{ELEMENT}/external-elements").json()


def nested(**external_element) -> dict:
    return {"externalElement": external_element}


def test_a_link_answers_with_the_binding(client):
    response = client.post(LINK, json={**nested(externalId="A-7", link="https://crm.example/a/7"), "systemUrl": CRM})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == binding("A-7", "https://crm.example/a/7")
    assert bindings(client) == [response.json()]


def test_the_flat_form_says_the_same(client):
    given = {"externalId": "A-7", "link": "https://crm.example/a/7", "systemUrl": CRM}
    assert client.post(LINK, json=given).json() == binding("A-7", "https://crm.example/a/7")


@pytest.mark.parametrize(
    "body",
    [
        {**nested(externalId="A"), "externalId": "A"},
        {**nested(externalId="A"), "link": "https://x.example"},
        {**nested(), "externalId": "A"},
        {**nested(externalId="A"), "externalId": None},
    ],
)
def test_both_forms_at_once_are_refused(client, body):
    assert field_error(client.post(LINK, json=body)) == ("body", "externalElement", "two-forms")
    assert bindings(client) == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "externalId"),
        ({"systemUrl": CRM}, "externalId"),
        (nested(), "externalElement.externalId"),
        ({**nested(), "systemUrl": CRM}, "externalElement.externalId"),
    ],
)
def test_at_least_one_of_external_id_and_link_is_needed(client, body, path):
    assert field_error(client.post(LINK, json=body)) == ("body", path, "missing")


@pytest.mark.parametrize(
    "body", [nested(externalId=None), nested(link=None), {"externalId": None, "link": None}, {"link": None}]
)
def test_a_first_link_of_nothing_but_nulls_is_refused(client, acme, body):
    refused(client.post(LINK, json=body), 400, "business-error")
    assert bindings(client) == []
    assert acme.changes() == []


def test_a_link_alone_is_a_binding_without_an_external_id(client):
    assert client.post(LINK, json={"link": "https://crm.example/a"}).json() == binding(None, "https://crm.example/a")


def test_linking_again_updates_and_makes_no_second_binding(client, acme):
    client.post(LINK, json={"externalId": "A"})
    assert client.post(LINK, json={"externalId": "B"}).json() == binding("B", None)
    assert bindings(client) == [binding("B", None)]
    assert [operation for operation, *_ in acme.changes()] == ["insert", "update"]


def test_linking_the_same_again_is_fine_and_no_change(client, acme):
    client.post(LINK, json={"externalId": "A"})
    assert client.post(LINK, json={"externalId": "A"}).json() == binding("A", None)
    assert [operation for operation, *_ in acme.changes()] == ["insert"]


@pytest.mark.parametrize(
    ("update", "after"),
    [
        ({"externalId": "B"}, binding("B", "https://crm.example/a")),
        ({"link": "https://crm.example/b"}, binding("A", "https://crm.example/b")),
        ({"externalId": None}, binding(None, "https://crm.example/a")),
        ({"link": None}, binding("A", None)),
        ({"externalId": None, "link": "https://crm.example/b"}, binding(None, "https://crm.example/b")),
    ],
)
def test_on_update_a_field_that_is_left_out_stays_and_null_clears_it(client, update, after):
    client.post(LINK, json={"externalId": "A", "link": "https://crm.example/a"})
    assert client.post(LINK, json=nested(**update)).json() == after
    assert bindings(client) == [after]


@pytest.mark.parametrize(
    ("first", "update"),
    [
        ({"externalId": "A"}, {"externalId": None}),
        ({"link": "https://crm.example/a"}, {"link": None}),
        ({"externalId": "A", "link": "https://crm.example/a"}, {"externalId": None, "link": None}),
    ],
)
def test_an_update_that_leaves_nothing_is_refused_and_changes_nothing(client, acme, first, update):
    before = client.post(LINK, json=first).json()
    refused(client.post(LINK, json=update), 400, "business-error")
    assert bindings(client) == [before]
    assert len(acme.changes()) == 1


@pytest.mark.parametrize(
    "external_id",
    [
        "a/b", "a+b", "#1", "100%", "%41", "a,b", "a.b", "a:b", "(x)", 'say "x"', "two  words", " led and trailed ",
        "007", "00000000000000000000000000001", "1e5", "水💧", "e\u0301", "\\", "\\u0000", "{externalId}", "null",
        "*", "a\tb\nc", "a\u2028b", "x" * 1024, "💧" * 640, "<script>", "'; drop table x --", "$1",
    ],
)  # fmt: skip
def test_an_external_id_is_kept_exactly_as_given(client, acme, external_id):
    assert client.post(LINK, json=nested(externalId=external_id)).json() == binding(external_id, None)
    assert bindings(client) == [binding(external_id, None)]
    stored = acme.database.execute(
        'select "externalId" from tieline."externalIntegrationMapping" where "companyId" = %s', acme.id
    )
    assert stored == [(external_id,)]


@pytest.mark.parametrize(
    ("external_id", "code"),
    [("", "blank"), (" ", "blank"), ("\t\n\u00a0\u2003", "blank"), ("x" * 1025, "too-long"), ("a\0b", "not-storable")],
)
def test_an_external_id_is_1_to_1024_characters_and_not_blank(client, external_id, code):
    assert field_error(client.post(LINK, json={"externalId": external_id})) == ("body", "externalId", code)
    response = client.post(LINK, json=nested(externalId=external_id))
    assert field_error(response) == ("body", "externalElement.externalId", code)


def test_an_external_id_of_more_bytes_than_an_index_holds_is_refused_and_not_called_taken(client):
    # Random characters of three bytes each, which PostgreSQL cannot compress.
    text = "".join(chr(random.randrange(0x4E00, 0x9FA5)) for _ in range(1024))
    answer = client.post(LINK, json={"externalId": text})
    assert field_error(answer) == ("body", "externalId", "too-long")
    assert bindings(client) == []


@pytest.mark.parametrize("external_id", [7, 7.5, True, ["A"], {"id": "A"}, 10**400])
def test_an_external_id_is_a_text_and_never_a_number(client, external_id):
    response = client.post(LINK, json=nested(externalId=external_id))
    assert field_error(response) == ("body", "externalElement.externalId", "invalid")
    assert bindings(client) == []


@pytest.mark.parametrize(
    "link",
    [
        "http://x", "https://crm.example:8443/a?b=c#d", "HTTPS://CRM.example", "https://[::1]:8443/", "https://10.0.0.1/",
        "https://crm.example/" + "x" * 2028, "https://bücher.example/ü", "https://u:p@crm.example/%20",
    ],
)  # fmt: skip
def test_a_link_is_an_absolute_http_address(client, link):
    assert client.post(LINK, json={"link": link}).json()["externalElement"]["link"] == link


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("", "blank"),
        ("/a/7", "not-an-address"),
        ("crm.example/a", "not-an-address"),
        ("ftp://crm.example/a", "not-an-address"),
        ("javascript:alert(1)", "not-an-address"),
        ("mailto:a@b.example", "not-an-address"),
        ("https://", "not-an-address"),
        ("https:///a", "not-an-address"),
        ("https://:80/", "not-an-address"),
        ("https://crm.example:99999/", "not-an-address"),
        ("https://crm.example:x/", "not-an-address"),
        ("https://[::1/", "not-an-address"),
        ("https://crm.example/a b", "not-an-address"),
        (" https://crm.example/a", "not-an-address"),
        ("https://crm.example/a\n", "not-an-address"),
        ("https://crm.example/\x7f", "not-an-address"),
        ("https://crm.example/" + "x" * 2029, "too-long"),
    ],
)
def test_a_link_that_is_not_an_absolute_http_address_is_refused(client, link, code):
    assert field_error(client.post(LINK, json={"link": link})) == ("body", "link", code)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"externalId": "A", "system": "crm"}, ("body", "system", "unknown")),
        (nested(externalId="A", id="A"), ("body", "externalElement.id", "unknown")),
        ({"externalElement": "A"}, ("body", "externalElement", "invalid")),
        ({"externalElement": None}, ("body", "externalElement", "invalid")),
        ({"externalElement": [{"externalId": "A"}]}, ("body", "externalElement", "invalid")),
        ({"externalId": "A", "systemUrl": 5}, ("body", "systemUrl", "invalid")),
        ({"externalId": "A", "systemUrl": None}, ("body", "systemUrl", "invalid")),
        ({"link": 5}, ("body", "link", "invalid")),
    ],
)
def test_a_field_that_cannot_be_taken_is_named(client, body, where):
    assert field_error(client.post(LINK, json=body)) == where
    assert bindings(client) == []


def test_an_external_id_of_another_element_is_a_conflict_that_names_that_element(client, acme):
    acme.has_element(8)
    client.post("/api/v2/elements/8/external-element/link", json={"externalId": "A"})
    problem = refused(client.post(LINK, json={"externalId": "A"}), 409, "conflict")
    assert problem["conflictingElementId"] == 8
    assert "element 8" in problem["detail"]
    assert bindings(client) == []


def test_a_conflict_on_update_leaves_the_binding_as_it_was(client, acme):
    acme.has_element(8)
    client.post("/api/v2/elements/8/external-element/link", json={"externalId": "A"})
    before = client.post(LINK, json={"externalId": "B", "link": "https://crm.example/b"}).json()
    response = client.post(LINK, json={"externalId": "A", "link": "https://crm.example/a"})
    assert refused(response, 409, "conflict")["conflictingElementId"] == 8
    assert bindings(client) == [before]


def test_the_same_external_id_in_another_system_is_no_conflict(client, acme):
    acme.has_system("erp", "https://erp.example")
    acme.has_element(8)
    given = {"externalId": "A", "systemUrl": "https://erp.example"}
    client.post("/api/v2/elements/8/external-element/link", json=given)
    assert client.post(LINK, json={"externalId": "A", "systemUrl": CRM}).status_code == 200


def test_the_same_external_id_in_another_company_is_no_conflict(client, other):
    other.has_system("crm", CRM)
    other.has_element(8)
    with other.client() as theirs:
        theirs.post("/api/v2/elements/8/external-element/link", json={"externalId": "A"})
    assert client.post(LINK, json={"externalId": "A"}).status_code == 200


def test_an_external_id_is_free_again_after_unlink(client, acme):
    acme.has_element(8)
    client.post("/api/v2/elements/8/external-element/link", json={"externalId": "A"})
    client.post("/api/v2/elements/8/external-element/unlink")
    assert client.post(LINK, json={"externalId": "A"}).status_code == 200


def test_external_ids_that_differ_in_case_or_form_are_different(client, acme):
    for element_id, external_id in enumerate(("a", "A", "a ", "\u00e9", "e\u0301"), start=20):
        acme.has_element(element_id)
        path = f"/api/v2/elements/{element_id}/external-element/link"
        assert client.post(path, json={"externalId": external_id}).status_code == 200


@pytest.mark.parametrize("entity_id", ["9" * 5000, "007", "abc", "-"])
def test_a_conflict_with_a_mapping_that_is_not_an_elements_names_no_element(client, acme, entity_id):
    acme.database.execute(
        'insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration,'
        " \"externalId\") values (%s, 'element', %s, 'crm', 'A')",
        acme.id,
        entity_id[:2000],
    )
    problem = refused(client.post(LINK, json={"externalId": "A"}), 409, "conflict")
    assert "conflictingElementId" not in problem


def test_an_element_that_shares_its_external_id_is_a_holder_like_any_other(client, acme):
    acme.database.execute(
        'insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration,'
        " \"externalId\", \"allowDuplicateExternalId\") values (%s, 'element', '8', 'crm', 'A', true)",
        acme.id,
    )
    refused = client.post(LINK, json={"externalId": "A"})
    assert (refused.status_code, refused.json()["conflictingElementId"]) == (409, 8)


def test_an_element_that_is_not_there_cannot_be_linked(client, acme, other):
    other.has_element(8)
    for element_id in (8, 9):
        path = f"/api/v2/elements/{element_id}/external-element/link"
        refused(client.post(path, json={"externalId": "A"}), 404, "resource-not-found")
    assert acme.changes() == []


@pytest.mark.parametrize("given", ["0", "-1", "9223372036854775808"])
def test_the_id_of_the_element_is_in_range(client, given):
    response = client.post(f"/api/v2/elements/{given}/external-element/link", json={"externalId": "A"})
    assert field_error(response) == ("path", "id", "out-of-range")


def test_an_id_written_with_zeros_in_front_means_the_same_element(client):
    client.post("/api/v2/elements/007/external-element/link", json={"externalId": "A"})
    assert bindings(client) == [binding("A", None)]


# Links out of the system's template.


@pytest.mark.parametrize(
    ("external_id", "encoded"),
    [
        ("A-7_.~", "A-7_.~"),
        ("a b/c?d#e%f&g+h", "a%20b%2Fc%3Fd%23e%25f%26g%2Bh"),
        ("é水💧", "%C3%A9%E6%B0%B4%F0%9F%92%A7"),
        ("(1,2):'\"\\", "%281%2C2%29%3A%27%22%5C"),
        ("{externalId}", "%7BexternalId%7D"),
    ],
)
def test_a_link_is_made_from_the_systems_template_with_the_external_id_percent_encoded(
    client, acme, external_id, encoded
):
    acme.has_system("crm", CRM, template="https://crm.example/{externalId}/show?id={externalId}")
    made = f"https://crm.example/{encoded}/show?id={encoded}"
    assert client.post(LINK, json={"externalId": external_id}).json() == binding(external_id, made)
    assert bindings(client) == [binding(external_id, made)]
    assert client.get(ELEMENT).json()["externalElement"]["link"] == made


def test_a_stored_link_goes_before_the_template_until_it_is_cleared(client, acme):
    acme.has_system("crm", CRM, template="https://crm.example/{externalId}")
    given = {"externalId": "A", "link": "https://elsewhere.example/a"}
    assert client.post(LINK, json=given).json() == binding("A", "https://elsewhere.example/a")
    assert client.post(LINK, json={"link": None}).json() == binding("A", "https://crm.example/A")


def test_a_binding_without_an_external_id_has_no_link_from_the_template(client, acme):
    acme.has_system("crm", CRM, template="https://crm.example/{externalId}")
    client.post(LINK, json={"externalId": "A", "link": "https://crm.example/a"})
    client.post(LINK, json={"externalId": None})
    assert bindings(client) == [binding(None, "https://crm.example/a")]


def test_a_mapping_linked_here_is_seen_as_a_mapping(client, acme):
    client.post(LINK, json={"externalId": "A", "link": "https://crm.example/a"}, headers={"x-request-id": "r-1"})
    rows = acme.database.execute(
        'select "entityType", "entityId", integration, "externalId", link, "allowDuplicateExternalId", metadata'
        ' from tieline."externalIntegrationMapping" where "companyId" = %s',
        acme.id,
    )
    assert rows == [("element", "7", "crm", "A", "https://crm.example/a", False, None)]


def test_a_link_leaves_other_columns_of_its_mapping_alone(client, acme):
    client.post(LINK, json={"externalId": "A"})
    acme.database.execute(
        'update tieline."externalIntegrationMapping" set metadata = %s, "lastSyncedAt" = now() where "companyId" = %s',
        json.dumps({"note": 1}),
        acme.id,
    )
    client.post(LINK, json={"externalId": "B"})
    rows = acme.database.execute(
        'select metadata, "lastSyncedAt" is null from tieline."externalIntegrationMapping" where "companyId" = %s',
        acme.id,
    )
    assert rows == [({"note": 1}, False)]
