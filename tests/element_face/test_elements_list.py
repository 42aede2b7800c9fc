"""GET /api/v2/elements."""

import base64
import hashlib

import pytest

from refusals import field_error, refused

ELEMENTS = "/api/v2/elements"


def ids(response) -> list[int]:
    assert response.status_code == 200, response.text
    return [element["id"] for element in response.json()["content"]]


def has_elements(company, *given: int) -> None:
    for element_id in given:
        company.has_element(element_id)


def walk(client, **parameters) -> list[int]:
    """All ids, read page by page."""
    found = []
    while True:
        response = client.get(ELEMENTS, params=parameters)
        found += ids(response)
        if not response.json()["hasMore"]:
            return found
        parameters["cursor"] = response.json()["nextCursor"]


def test_no_elements_are_an_empty_page(client):
    assert client.get(ELEMENTS).json() == {"content": [], "size": 20, "hasMore": False}


def test_a_page_has_20_elements_unless_asked_otherwise(client, acme):
    has_elements(acme, *range(1, 23))
    page = client.get(ELEMENTS).json()
    assert [element["id"] for element in page["content"]] == list(range(1, 21))
    assert page["size"] == 20
    assert page["hasMore"] is True
    rest = client.get(ELEMENTS, params={"cursor": page["nextCursor"]}).json()
    assert [element["id"] for element in rest["content"]] == [21, 22]
    assert rest["hasMore"] is False
    assert "nextCursor" not in rest


def test_an_element_of_the_list_is_the_element_itself(client, acme):
    acme.has_system("crm", "https://crm.example", default=True)
    acme.has_element(7)
    client.post(f"{ELEMENTS}/7/external-element/link", json={"externalId": "A-7"})
    assert client.get(ELEMENTS).json()["content"] == [client.get(f"{ELEMENTS}/7").json()]


def test_a_page_that_ends_with_the_last_element_says_so(client, acme):
    has_elements(acme, 1, 2)
    assert client.get(ELEMENTS, params={"size": 2}).json()["hasMore"] is False


def test_pages_come_in_the_order_of_the_ids(client, acme):
    has_elements(acme, 300, 2, 10, 2**63 - 1, 1)
    assert walk(client, size=2) == [1, 2, 10, 300, 2**63 - 1]


def test_pages_neither_skip_nor_repeat_while_rows_come_and_go(client, acme):
    has_elements(acme, *range(10, 101, 10))
    first = client.get(ELEMENTS, params={"size": 4}).json()
    # Behind the cursor, on it, and before it.
    for gone in (10, 40, 60):
        client.delete(f"{ELEMENTS}/{gone}")
    has_elements(acme, 5, 45, 55)
    assert walk(client, size=4, cursor=first["nextCursor"]) == [45, 50, 55, 70, 80, 90, 100]


@pytest.mark.parametrize("size", ["0", "-1", "101", "99999999999999999999", "1" * 5000])
def test_a_size_is_from_1_to_100(client, size):
    assert field_error(client.get(ELEMENTS, params={"size": size})) == ("query", "size", "out-of-range")


@pytest.mark.parametrize("size", ["", "ten", "1.5", "\u0665", " 5"])
def test_a_size_is_a_whole_number(client, size):
    response = client.get(ELEMENTS, params={"size": size})
    assert field_error(response, "type-mismatch") == ("query", "size", "type-mismatch")


def test_100_is_the_largest_page(client):
    assert client.get(ELEMENTS, params={"size": 100}).json()["size"] == 100


def changed_cursors(cursor: str) -> list[str]:
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[-1] ^= 1
    return [base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), cursor[1:], cursor + "A", cursor.swapcase()]


def test_a_cursor_that_was_changed_is_refused(client, acme):
    has_elements(acme, 1, 2, 3)
    cursor = client.get(ELEMENTS, params={"size": 1}).json()["nextCursor"]
    for changed in changed_cursors(cursor):
        assert field_error(client.get(ELEMENTS, params={"cursor": changed})) == ("query", "cursor", "invalid")


@pytest.mark.parametrize("cursor", ["", "1", "nonsense", "é", "=", "A" * 9000, "%00", "-1"])
def test_a_text_that_is_not_a_cursor_is_refused(client, cursor):
    assert field_error(client.get(ELEMENTS, params={"cursor": cursor})) == ("query", "cursor", "invalid")


@pytest.mark.parametrize("place", [b"9" * 5000, b"9" * 25, str(2**63).encode(), b"-1", b"007"])
def test_a_cursor_that_is_forged_for_no_place_is_refused(client, acme, place):
    check = hashlib.sha256(acme.id.encode() + b"\n" + place).digest()[:6]
    cursor = base64.urlsafe_b64encode(check + place).decode().rstrip("=")
    assert field_error(client.get(ELEMENTS, params={"cursor": cursor})) == ("query", "cursor", "invalid")


def test_a_cursor_of_another_company_is_refused(client, other):
    has_elements(other, 1, 2)
    with other.client() as theirs:
        cursor = theirs.get(ELEMENTS, params={"size": 1}).json()["nextCursor"]
    assert field_error(client.get(ELEMENTS, params={"cursor": cursor})) == ("query", "cursor", "invalid")


def test_elements_are_found_by_an_external_id_in_any_system(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_system("erp", "https://erp.example")
    has_elements(acme, 1, 2, 3)
    for element_id, url, external_id in ((1, "https://crm.example", "X"), (2, "https://erp.example", "X")):
        given = {"externalId": external_id, "systemUrl": url}
        assert client.post(f"{ELEMENTS}/{element_id}/external-element/link", json=given).status_code == 200
    assert ids(client.get(ELEMENTS, params={"externalId": "X"})) == [1, 2]
    assert ids(client.get(ELEMENTS, params={"externalId": "x"})) == []
    assert walk(client, externalId="X", size=1) == [1, 2]


def test_elements_are_found_by_an_external_id_in_one_system(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_system("erp", "https://erp.example")
    has_elements(acme, 1, 2)
    for element_id, url in ((1, "https://crm.example"), (2, "https://erp.example")):
        client.post(f"{ELEMENTS}/{element_id}/external-element/link", json={"externalId": "X", "systemUrl": url})
    assert ids(client.get(ELEMENTS, params={"externalId": "X", "systemUrl": "HTTPS://ERP.example:443/"})) == [2]


def test_elements_are_found_by_the_external_id_of_a_historical_binding(client, acme):
    acme.has_system("crm", "https://crm.example")
    has_elements(acme, 1)
    client.post(f"{ELEMENTS}/1/external-element/link", json={"externalId": "X"})
    acme.has_no_system("crm")
    assert ids(client.get(ELEMENTS, params={"externalId": "X"})) == [1]


@pytest.mark.parametrize("external_id", ["a+b c", "50%", '#1,2.(3):"4"', "0007", "水💧", "a&b=c"])
def test_an_external_id_to_look_for_may_hold_any_character(client, acme, external_id):
    acme.has_system("crm", "https://crm.example")
    has_elements(acme, 1)
    client.post(f"{ELEMENTS}/1/external-element/link", json={"externalId": external_id})
    assert ids(client.get(ELEMENTS, params={"externalId": external_id})) == [1]


def test_a_look_up_in_a_system_that_is_unknown_or_inactive_is_refused(client, acme):
    acme.has_system("crm", "https://crm.example", active=False)
    for url in ("https://crm.example", "https://nowhere.example", "nonsense", ""):
        refused(client.get(ELEMENTS, params={"externalId": "X", "systemUrl": url}), 400, "input-parameter-error")


def test_a_system_without_an_external_id_lacks_one(client):
    response = client.get(ELEMENTS, params={"systemUrl": "https://crm.example"})
    assert field_error(response, "missing-parameter") == ("query", "externalId", "missing-parameter")


def test_parameters_are_known_and_given_once(client):
    assert field_error(client.get(f"{ELEMENTS}?page=2")) == ("query", "page", "unknown")
    assert field_error(client.get(f"{ELEMENTS}?size=2&size=3")) == ("query", "size", "repeated")
    assert ids(client.get(f"{ELEMENTS}?&size=2&")) == []


def test_mappings_of_no_element_are_no_elements(client, acme):
    acme.has_system("crm", "https://crm.example")
    for entity_id in ("99", "007", "abc", "9" * 19, "1" * 400):
        acme.database.execute(
            'insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration,'
            " \"externalId\", \"allowDuplicateExternalId\") values (%s, 'element', %s, 'crm', 'X', true)",
            acme.id,
            entity_id,
        )
    assert ids(client.get(ELEMENTS, params={"externalId": "X"})) == []
