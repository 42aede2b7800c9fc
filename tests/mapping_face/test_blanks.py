"""Texts that name something do not become blank, by any way in; what is blank already can be changed otherwise."""

import sys

import psycopg
import pytest

from tieline.wire.blanks import WHITE_SPACE, is_blank

MAPPINGS = "/externalIntegrationMapping"
COLUMNS = ["entityType", "entityId", "integration", "externalId"]
ROW = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}
BLANKS = ["", " ", "\u3000\t\n", "\u2028"]
# Separators of information: control characters, and no White_Space although Python counts them as blank.
NOT_BLANK = ["\x1c", "\x1f", "\u200b", "\ufeff"]
JSON = {"content-type": "application/json"}


@pytest.fixture
def blank(acme, client):
    """A mapping that has had a blank external id for a long time."""
    with psycopg.connect(acme.database.dsn, autocommit=True) as conn:
        conn.execute("set session_replication_role = replica")
        conn.execute(
            'insert into tieline."externalIntegrationMapping"'
            ' ("companyId", id, "entityType", "entityId", integration, "externalId", link)'
            " values (%s, 'old', 'item', '1', 'xero', '', 'javascript:1')",
            (acme.id,),
        )


def test_python_and_sql_have_one_list(database):
    blank = database.execute(
        "select n from generate_series(1, %s) n where n not between 55296 and 57343 and tieline.is_blank(chr(n))",
        sys.maxunicode,
    )
    assert {chr(code) for (code,) in blank} == set(WHITE_SPACE)
    assert all(is_blank(character) for character in WHITE_SPACE)
    # White_Space is what Unicode calls spaces and line breaks, without the separators of information.
    assert {c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace()} - set(WHITE_SPACE) == set("\x1c\x1d\x1e\x1f")


def refused(answer, column: str) -> None:
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["message"]) == ("23514", f"{column} must not be blank")


@pytest.mark.parametrize("value", BLANKS, ids=ascii)
@pytest.mark.parametrize("column", COLUMNS)
def test_the_mapping_face_refuses_a_blank(client, column, value):
    client.post(MAPPINGS, json={**ROW, "id": "m1", "entityId": "9", "externalId": "Z"})
    row = {**ROW, column: value}
    refused(client.post(MAPPINGS, json=row), column)
    refused(client.post(MAPPINGS, json=[{**ROW, "entityId": "8", "externalId": "Y"}, row]), column)
    refused(client.patch(MAPPINGS, params={"id": "eq.m1"}, json={column: value}), column)
    refused(client.put(MAPPINGS, params={"id": "eq.m1"}, json={**row, "id": "m1"}), column)
    upsert = {"Prefer": "resolution=merge-duplicates"}
    refused(client.post(MAPPINGS, params={"on_conflict": "id"}, json={**row, "id": "m1"}, headers=upsert), column)
    form = client.post(MAPPINGS, data=row)
    refused(form, column)
    assert client.get(MAPPINGS, params={"select": "id"}).json() == [{"id": "m1"}]


@pytest.mark.parametrize("value", BLANKS, ids=ascii)
@pytest.mark.parametrize("column", COLUMNS)
def test_functions_and_files_refuse_a_blank(client, column, value):
    row = {**ROW, column: value}
    refused(client.post("/rpc/claim", json=row), column)
    told = client.post("/rpc/link_many", json={"mappings": [row]}).json()[0]
    assert (told["outcome"], told["problem"]["code"]) == ("invalid", "23514")
    assert told["problem"]["message"] == f"{column} must not be blank."
    lines = "".join(f'"{name}":{_json(text)},' for name, text in row.items()).rstrip(",")
    report = client.post(
        "/import/mappings", content=f"{{{lines}}}\n".encode(), headers={"content-type": "application/x-ndjson"}
    ).json()
    assert (report["refused"], report["refusals"][0]["code"]) == (1, "23514")
    assert client.get(MAPPINGS).json() == []


def _json(text: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'


@pytest.mark.parametrize("value", NOT_BLANK, ids=ascii)
def test_other_characters_that_are_not_seen_are_not_blank(acme, client, value):
    assert client.post(MAPPINGS, json={**ROW, "externalId": value}).status_code == 201
    assert client.post("/rpc/claim", json={**ROW, "entityId": "2", "integration": value}).json()["outcome"] == "created"
    acme.has_element(5)
    acme.has_system("crm", "https://crm.example", default=True)
    link = "/api/v2/elements/5/external-element/link"
    assert client.post(link, json={"externalId": value}).status_code == 200


def test_the_element_face_refuses_the_blanks_of_the_mapping_face(acme, client):
    acme.has_element(5)
    acme.has_system("crm", "https://crm.example", default=True)
    for value in BLANKS:
        answer = client.post("/api/v2/elements/5/external-element/link", json={"externalId": value})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "externalId")


@pytest.mark.parametrize("column", COLUMNS)
def test_whoever_writes_to_the_table_itself_is_refused(acme, column):
    row = {**ROW, column: "\u2003", "companyId": acme.id}
    names, values = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
    with pytest.raises(psycopg.errors.CheckViolation, match=f"{column} must not be blank") as raised:
        acme.database.execute(
            f'insert into tieline."externalIntegrationMapping" ({names}) values ({values})', *row.values()
        )
    assert raised.value.diag.column_name == column


def test_a_row_that_is_blank_already_can_be_changed_in_its_other_columns(client, blank):
    shown = {"Prefer": "return=representation"}
    changed = client.patch(MAPPINGS, params={"id": "eq.old"}, json={"metadata": 1}, headers=shown)
    assert (changed.status_code, changed.json()[0]["metadata"]) == (200, 1)
    put = {"id": "old", "entityType": "item", "entityId": "1", "integration": "xero", "externalId": "", "metadata": 2}
    assert client.put(MAPPINGS, params={"id": "eq.old"}, json=put).status_code == 204
    merge = {"Prefer": "resolution=merge-duplicates"}
    assert client.post(MAPPINGS, params={"on_conflict": "id"}, json={**put, "metadata": 3}, headers=merge).is_success
    rows = [{"entityType": "item", "entityId": "1", "integration": "xero", "metadata": 4}]
    assert client.post("/rpc/link_many", json={"mappings": rows}).json()[0]["outcome"] == "updated"
    (row,) = client.get(MAPPINGS).json()
    assert (row["id"], row["externalId"], row["metadata"], row["link"]) == ("old", "", 4, "javascript:1")
    refused(client.patch(MAPPINGS, params={"id": "eq.old"}, json={"externalId": " "}), "externalId")
    assert client.patch(MAPPINGS, params={"id": "eq.old"}, json={"externalId": "B"}).status_code == 204


@pytest.mark.parametrize("value", ["", " \u3000"], ids=ascii)
def test_the_key_of_an_external_system_does_not_become_blank(client, value):
    answer = client.post("/externalSystem", json={"integration": value, "name": "X"})
    assert (answer.status_code, answer.json()["code"]) == (400, "23514")
