"""POST /api/v2/elements."""

import pytest

from refusals import field_error, refused

ELEMENTS = "/api/v2/elements"


def test_an_element_is_answered_whole_with_201_and_its_address(client):
    response = client.post(ELEMENTS, json={"title": "Water"})
    assert response.status_code == 201
    element = response.json()
    assert list(element) == ["id", "title", "creationTime", "modificationDate", "externalElement"]
    assert element["title"] == "Water"
    assert element["externalElement"] is None
    assert element["creationTime"] == element["modificationDate"]
    assert element["creationTime"].endswith("+00:00")
    assert response.headers["location"] == f"{ELEMENTS}/{element['id']}"
    assert client.get(response.headers["location"]).json() == element


def test_ids_are_made_from_1_on_and_never_again(client):
    made = [client.post(ELEMENTS, json={"title": "x"}).json()["id"] for _ in range(2)]
    client.delete(f"{ELEMENTS}/2")
    made.append(client.post(ELEMENTS, json={"title": "x"}).json()["id"])
    assert made == [1, 2, 3]


def test_a_given_id_is_kept_and_made_ids_go_on_behind_the_highest(client):
    assert client.post(ELEMENTS, json={"title": "x", "id": 298}).json()["id"] == 298
    assert client.post(ELEMENTS, json={"title": "x", "id": 7}).json()["id"] == 7
    assert client.post(ELEMENTS, json={"title": "x"}).json()["id"] == 299


def test_made_ids_go_on_behind_elements_that_came_by_sql(client, acme):
    acme.has_element(41)
    assert client.post(ELEMENTS, json={"title": "x"}).json()["id"] == 42


def test_the_highest_id_may_be_given_and_made_ids_stay_small(client):
    highest = 2**63 - 1
    response = client.post(ELEMENTS, json={"title": "x", "id": highest})
    assert response.status_code == 201
    assert f'"id":{highest},' in response.text
    assert client.get(f"{ELEMENTS}/{highest}").status_code == 200
    assert client.post(ELEMENTS, json={"title": "x"}).json()["id"] == 1


def test_an_id_that_is_taken_is_a_conflict(client):
    client.post(ELEMENTS, json={"title": "first", "id": 5})
    refused(client.post(ELEMENTS, json={"title": "second", "id": 5}), 409, "conflict")
    assert client.get(f"{ELEMENTS}/5").json()["title"] == "first"


def test_companies_count_their_ids_each_for_itself(client, other):
    client.post(ELEMENTS, json={"title": "x", "id": 5})
    with other.client() as theirs:
        assert theirs.post(ELEMENTS, json={"title": "x"}).json()["id"] == 1
        assert theirs.post(ELEMENTS, json={"title": "x", "id": 5}).status_code == 201


@pytest.mark.parametrize("given", [0, -1, 2**63, 10**40])
def test_an_id_out_of_range_is_invalid(client, given):
    assert field_error(client.post(ELEMENTS, json={"title": "x", "id": given}))[:2] == ("body", "id")


@pytest.mark.parametrize("given", ["5", 5.5, True, None, [5]])
def test_an_id_that_is_no_whole_number_is_invalid(client, given):
    assert field_error(client.post(ELEMENTS, json={"title": "x", "id": given})) == ("body", "id", "invalid")


@pytest.mark.parametrize("body", [{}, {"id": 5}])
def test_a_title_is_needed(client, body):
    assert field_error(client.post(ELEMENTS, json=body)) == ("body", "title", "missing")


@pytest.mark.parametrize("title", [5, None, ["x"], {"en": "x"}])
def test_a_title_is_a_text(client, title):
    assert field_error(client.post(ELEMENTS, json={"title": title})) == ("body", "title", "invalid")


@pytest.mark.parametrize(("title", "code"), [("", "blank"), (" \t", "blank"), ("x" * 1025, "too-long")])
def test_a_title_is_1_to_1024_characters_and_not_blank(client, title, code):
    assert field_error(client.post(ELEMENTS, json={"title": title})) == ("body", "title", code)


def test_a_title_of_1024_characters_of_any_script_is_kept_as_given(client):
    title = " 水\u200d💧\"/\\%'" + "é" * 1015
    assert client.post(ELEMENTS, json={"title": title}).json()["title"] == title


def test_an_unknown_field_is_named(client):
    assert field_error(client.post(ELEMENTS, json={"title": "x", "colour": "red"})) == ("body", "colour", "unknown")
