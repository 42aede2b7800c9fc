"""A value is checked alike by link_many and by the import of files of all forms: it lands by both, or by none."""

import csv
import io
import json
import secrets

import pytest

JSON = {"content-type": "application/json"}
ROW = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}
GOOD = {"entityType": "item", "entityId": "2", "integration": "xero", "externalId": "B"}


def by_call(client, text: str) -> tuple[str, str]:
    body = f'{{"mappings": [{text}, {json.dumps(GOOD)}]}}'
    first, second = client.post("/rpc/link_many", content=body, headers=JSON).json()
    assert second["outcome"] in {"created", "unchanged"}
    return first["outcome"], "" if first["problem"] is None else first["problem"]["message"].rstrip(".")


def by_import(client, content: str, media_type: str) -> tuple[str, str]:
    answer = client.post("/import/mappings", content=content, headers={"content-type": media_type}).json()
    if answer["refused"]:
        assert answer["created"] + answer["unchanged"] == 1
        return "invalid", answer["refusals"][0]["reason"]
    return "created" if answer["created"] == 2 else "unchanged", ""


def by_lines(client, text: str) -> tuple[str, str]:
    return by_import(client, f"{text}\n{json.dumps(GOOD)}\n", "application/x-ndjson")


def by_csv(client, row: dict[str, object]) -> tuple[str, str]:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(row), restval="")
    writer.writeheader()
    writer.writerows([row, {name: value for name, value in GOOD.items() if name in row}])
    return by_import(client, file.getvalue(), "text/csv")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("lastSyncedAt", "now", "lastSyncedAt is not an ISO 8601 time"),
        ("lastSyncedAt", "03/01/2026", "lastSyncedAt is not an ISO 8601 time"),
        ("remoteUpdatedAt", "yesterday", "remoteUpdatedAt is not an ISO 8601 time"),
        ("lastSyncedAt", "2026-W09-7", ""),
        ("lastSyncedAt", "2026-03-01T10:00:00.123456789Z", ""),
        ("lastSyncedAt", "2026-02-30", "lastSyncedAt is not an ISO 8601 time"),
        ("externalId", secrets.token_hex(1500), "externalId is too long: its key is longer than 2650 bytes"),
        ("entityId", secrets.token_hex(1500), "entityId is too long: its key is longer than 2650 bytes"),
        ("externalId", "\u3000", "externalId must not be blank"),
        ("entityType", "\u2003", "entityType must not be blank"),
        ("link", " ", "link must not be blank"),
        ("companyId", "another", "companyId is another company's"),
        ("allowDuplicateExternalId", "maybe", None),
    ],
)
def test_a_value_is_taken_or_refused_by_every_way_in(new_company, column, value, said):
    row = ROW | {column: value}
    told = []
    for send, given in ((by_call, json.dumps(row)), (by_lines, json.dumps(row)), (by_csv, row)):
        with new_company().client() as client:
            told.append(send(client, given))
    outcomes = {outcome for outcome, _ in told}
    if said is None:
        assert outcomes == {"invalid"}
    else:
        assert set(told) == {("invalid" if said else "created", said)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"metadata": {"n": "\\ud83d"}', "metadata contains half of a surrogate pair, which PostgreSQL cannot store"),
        ('"metadata": {"n": "\\u0000"}', "metadata contains a NUL character, which PostgreSQL cannot store"),
        ('"externalId": "x\\ud83d"', "externalId contains half of a surrogate pair, which PostgreSQL cannot store"),
        ('"link": ""', "link must not be blank"),
        ('"externalId": 7', "externalId is a number; write it as a string, so that no digit is lost"),
        ('"colour": "red"', "colour is not one of the columns"),
        (
            '"metadata": 1e400000',
            "metadata contains a number with more digits than the setting number_digits_max allows",
        ),
    ],
)
def test_json_is_taken_or_refused_by_call_and_by_file(new_company, text, said):
    row = json.dumps({name: value for name, value in ROW.items() if f'"{name}"' not in text})[:-1] + f", {text}}}"
    for send in (by_call, by_lines):
        with new_company().client() as client:
            assert send(client, row) == ("invalid", said)


TITLES = [("", "title must not be blank"), ("\u2003", "title must not be blank"), ("x" * 1025, "1024 characters")]


@pytest.mark.parametrize(("title", "said"), TITLES)
def test_a_title_is_refused_by_import_and_by_the_element_face(client, title, said):
    lines = f"{json.dumps({'id': 7, 'title': title})}\n{json.dumps({'id': 8, 'title': 'x' * 1024})}\n"
    answer = client.post("/import/elements", content=lines, headers={"content-type": "application/x-ndjson"}).json()
    assert (answer["created"], answer["refused"]) == (1, 1)
    assert said in answer["refusals"][0]["reason"]
    assert said in client.post("/api/v2/elements", json={"title": title}).json()["detail"]
    assert said in client.patch("/api/v2/elements/8", json={"title": title}).json()["detail"]
