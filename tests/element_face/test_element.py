"""GET, PATCH and DELETE /api/v2/elements/{id}."""

import pytest

from refusals import field_error, refused

ELEMENTS = "/api/v2/elements"
METHODS = ("GET", "PATCH", "DELETE")


def send(client, method: str, path: str):
    return client.request(method, path, json={"title": "x"} if method == "PATCH" else None)


@pytest.mark.parametrize("given", ["0", "-1", "9223372036854775808", "9" * 5000, "00", "-" + "9" * 40])
def test_an_id_is_at_least_1_and_at_most_the_highest(client, given):
    for method in METHODS:
        assert field_error(send(client, method, f"{ELEMENTS}/{given}")) == ("path", "id", "out-of-range")


@pytest.mark.parametrize(
    "given", ["abc", "1.0", "1e3", "0x1", "%D9%A5", "%C2%B2", "1%0A", "%001", "%FF", "1_000", "null", "%20"]
)
def test_an_id_is_a_whole_number(client, given):
    for method in METHODS:
        response = send(client, method, f"{ELEMENTS}/{given}")
        assert field_error(response, "type-mismatch") == ("path", "id", "type-mismatch")


@pytest.mark.parametrize("method", METHODS)
def test_an_element_that_is_not_there_is_not_found(client, method):
    refused(send(client, method, f"{ELEMENTS}/404"), 404, "resource-not-found")


@pytest.mark.parametrize("method", METHODS)
def test_an_element_of_another_company_is_as_absent_as_one_of_nobody(client, other, method):
    other.has_element(1, "theirs")
    foreign = refused(send(client, method, f"{ELEMENTS}/1"), 404, "resource-not-found")
    nobodys = refused(send(client, method, f"{ELEMENTS}/2"), 404, "resource-not-found")
    for problem in (foreign, nobodys):
        del problem["traceId"], problem["instance"]
    assert str(foreign).replace("element 1", "element 2") == str(nobodys)
    with other.client() as theirs:
        assert theirs.get(f"{ELEMENTS}/1").json()["title"] == "theirs"


def test_the_title_is_changed_and_the_time_of_it_noted(client):
    before = client.post(ELEMENTS, json={"title": "Water"}).json()
    after = client.patch(f"{ELEMENTS}/1", json={"title": "Ice"}).json()
    assert after["title"] == "Ice"
    assert after["creationTime"] == before["creationTime"]
    assert after["modificationDate"] > before["modificationDate"]
    assert client.get(f"{ELEMENTS}/1").json() == after


@pytest.mark.parametrize("body", [{}, {"title": "Water"}])
def test_a_change_that_changes_nothing_leaves_the_element_as_it_was(client, body):
    before = client.post(ELEMENTS, json={"title": "Water"}).json()
    response = client.patch(f"{ELEMENTS}/1", json=body)
    assert response.status_code == 200
    assert response.json() == before


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"title": None}, ("body", "title", "invalid")),
        ({"title": 5}, ("body", "title", "invalid")),
        ({"title": " "}, ("body", "title", "blank")),
        ({"id": 2}, ("body", "id", "unknown")),
        ({"externalElement": None}, ("body", "externalElement", "unknown")),
    ],
)
def test_a_change_that_cannot_be_taken_changes_nothing(client, body, where):
    before = client.post(ELEMENTS, json={"title": "Water"}).json()
    assert field_error(client.patch(f"{ELEMENTS}/1", json=body)) == where
    assert client.get(f"{ELEMENTS}/1").json() == before


def test_a_change_with_no_body_is_refused(client, acme):
    acme.has_element(1)
    refused(client.patch(f"{ELEMENTS}/1", headers={"content-type": "application/json"}), 400, "bad-request")


def test_a_deleted_element_is_gone(client, acme):
    acme.has_element(1)
    response = client.delete(f"{ELEMENTS}/1")
    assert response.status_code == 204
    assert response.content == b""
    refused(client.get(f"{ELEMENTS}/1"), 404, "resource-not-found")
    refused(client.delete(f"{ELEMENTS}/1"), 404, "resource-not-found")


def test_a_deleted_element_takes_its_mappings_into_the_history(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_system("erp", "https://erp.example")
    for element_id in (1, 11):
        acme.has_element(element_id)
        for system in ("crm", "erp"):
            given = {"externalId": f"{system}-{element_id}", "systemUrl": f"https://{system}.example"}
            client.post(f"{ELEMENTS}/{element_id}/external-element/link", json=given)
    client.delete(f"{ELEMENTS}/1")
    deleted = [before["externalId"] for operation, before, after, _ in acme.changes() if operation == "delete"]
    assert sorted(deleted) == ["crm-1", "erp-1"]
    assert len(client.get(f"{ELEMENTS}/11/external-elements").json()) == 2


def test_an_element_of_a_deleted_ones_id_starts_unlinked(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_element(1)
    client.post(f"{ELEMENTS}/1/external-element/link", json={"externalId": "A"})
    client.delete(f"{ELEMENTS}/1")
    assert client.post(ELEMENTS, json={"id": 1, "title": "new"}).json()["externalElement"] is None
    assert client.get(f"{ELEMENTS}/1/external-elements").json() == []


def test_head_answers_as_get_without_the_body(client, acme):
    acme.has_element(1)
    for path in (ELEMENTS, f"{ELEMENTS}/1", f"{ELEMENTS}/1/external-elements"):
        head, get = client.head(path), client.get(path)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == get.headers["content-length"]
    assert client.head(f"{ELEMENTS}/2").status_code == 404


# externalElement is the binding in the default system, else the oldest current one, else the oldest historical one,
# else null.
def test_the_projection_prefers_the_default_system_then_the_oldest_current_then_the_oldest_historical(client, acme):
    acme.has_element(1)
    for system in ("a", "b", "c", "d"):
        acme.has_system(system, f"https://{system}.example")
        given = {"externalId": f"{system}-1", "systemUrl": f"https://{system}.example"}
        client.post(f"{ELEMENTS}/1/external-element/link", json=given)

    def shown() -> tuple[str, str | None]:
        projection = client.get(f"{ELEMENTS}/1").json()["externalElement"]
        assert list(projection) == ["externalId", "link", "systemUrl"]
        return projection["externalId"], projection["systemUrl"]

    assert shown() == ("a-1", "https://a.example")
    acme.has_system("c", "https://c.example", default=True)
    assert shown() == ("c-1", "https://c.example")
    acme.has_no_system("c")
    acme.has_system("a", "https://a.example", active=False)
    assert shown() == ("b-1", "https://b.example")
    acme.has_no_system("b")
    acme.has_no_system("d")
    assert shown() == ("a-1", None)
    # An inactive default is no default.
    acme.has_system("d", "https://d.example")
    acme.has_system("a", "https://a.example", active=False, default=True)
    assert shown() == ("d-1", "https://d.example")
