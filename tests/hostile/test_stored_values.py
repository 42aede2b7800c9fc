"""What is stored can be shown again: values are bounded on every way in, and older ones stop no answer and no file."""

import dataclasses
import json

import pytest
from load import MAPPINGS, watching

from conftest import serving

SYSTEMS = "/externalSystem"
BYTES_MAX = 64_000
DIGITS_MAX = 1_000
ROW = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}
UNFIT = {
    "huge numbers": "[" + ",".join(["1e131071"] * 9_000) + "]",
    "one huge number": '{"a": [{"b": 1e1001}]}',
    "a small number with many digits": '{"a": 1e-1001}',
    "zero with many digits": '{"a": 0e-16383}',
    "a long text": json.dumps("x" * BYTES_MAX),
    "many small values": json.dumps(list(range(20_000))),
    "a text that grows": json.dumps("\u0001" * 11_000),
}
FIT = ["1e400", "-1e-400", f"1e{DIGITS_MAX - 1}", json.dumps("x" * (BYTES_MAX - 2)), '{"retries": 0, "price": 1.50}']


def with_metadata(metadata: str, **columns: object) -> str:
    """A row as JSON; numbers stay as they are written."""
    return json.dumps({**columns, "metadata": None})[: -len("null}")] + metadata + "}"


def refused(answer, status=400) -> None:
    assert answer.status_code == status, answer.text
    assert "metadata" in answer.text
    assert "_max" in answer.text


@pytest.mark.parametrize("metadata", UNFIT.values(), ids=UNFIT)
def test_metadata_that_could_not_be_shown_again_is_refused_on_every_way_in(client, acme, metadata):
    client.post(MAPPINGS, json=ROW).raise_for_status()
    as_json = {"content-type": "application/json"}
    other = {**ROW, "entityId": "2", "externalId": "B"}
    key = "on_conflict=entityType,entityId,integration"
    merge = {**as_json, "prefer": "resolution=merge-duplicates"}
    refused(client.post(MAPPINGS, content=with_metadata(metadata, **other), headers=as_json))
    refused(client.post(f"{MAPPINGS}?{key}", content=with_metadata(metadata, **ROW), headers=merge))
    refused(client.patch(f"{MAPPINGS}?entityId=eq.1", content=with_metadata(metadata), headers=as_json))
    put = with_metadata(metadata, id="m1", **other)
    refused(client.put(f"{MAPPINGS}?id=eq.m1", content=put, headers=as_json))
    refused(client.post(SYSTEMS, content=with_metadata(metadata, integration="s", name="S"), headers=as_json))
    unfit = with_metadata(metadata, **{**ROW, "entityId": "3", "externalId": "C"})
    both = f'{{"mappings": [{json.dumps(other)}, {unfit}]}}'
    answer = client.post("/rpc/link_many", content=both, headers=as_json)
    assert [row["outcome"] for row in answer.json()] == ["created", "invalid"]
    assert "metadata" in answer.json()[1]["problem"]["message"]
    file = with_metadata(metadata, **{**ROW, "entityId": "4", "externalId": "D"})
    refused(client.post("/import/mappings", content=file, headers={"content-type": "application/x-ndjson"}), 200)
    assert {row["entityId"] for row in client.get(MAPPINGS).json()} == {"1", "2"}


@pytest.mark.parametrize("metadata", FIT)
def test_metadata_within_the_limits_is_stored(client, metadata):
    row = with_metadata(metadata, **ROW)
    answer = client.post(MAPPINGS, content=row, headers={"content-type": "application/json"})
    assert answer.status_code == 201, answer.text
    assert client.get(f"{MAPPINGS}?select=metadata").status_code == 200


@pytest.mark.parametrize(
    ("path", "row", "column"),
    [
        (MAPPINGS, {**ROW, "link": "https://x.example/" + "x" * 8_000}, "link"),
        (SYSTEMS, {"integration": "s", "name": "n" * 8_001}, "name"),
        (SYSTEMS, {"integration": "s", "name": "s", "linkTemplate": "https://x.example/{externalId}" + "x" * 8_000},
         "linkTemplate"),
        (SYSTEMS, {"integration": "s", "name": "s", "linkTemplates": {
            f"type{n}": "https://x.example/{externalId}" + "x" * 900 for n in range(100)
        }}, "linkTemplates"),
        (MAPPINGS, {**ROW, "externalId": "a" * 100_000}, "externalId"),
        (MAPPINGS, {**ROW, "entityId": "a" * 100_000}, "entityId"),
    ],
)  # fmt: skip
def test_texts_are_bounded_too(client, path, row, column):
    answer = client.post(path, json=row)
    assert (answer.status_code, column in answer.json()["message"]) == (400, True), answer.text


@pytest.fixture
def older(acme, client):
    """A company with rows, one of which is older than the limits: PostgreSQL could not write its metadata as text."""
    for n in range(5):
        client.post(MAPPINGS, json={**ROW, "entityId": f"{n}", "externalId": f"x{n}"}).raise_for_status()
    with_both = "metadata = %s::jsonb"
    acme.database.execute(
        f"""set session_replication_role = replica;
        update tieline."externalIntegrationMapping" set {with_both.replace("%s", "'" + UNFIT["huge numbers"] + "'")}
        where "companyId" = '{acme.id}' and "entityId" = '2';
        update tieline."mappingChange" c set after = to_jsonb(m)
        from tieline."externalIntegrationMapping" m
        where c."companyId" = '{acme.id}' and m."companyId" = c."companyId" and m.id = c."mappingId"
            and m."entityId" = '2'"""
    )
    return acme


def test_a_row_that_is_older_than_the_limits_stops_no_list_history_or_export(older, client, server, database):
    with watching(server, database) as watch:
        rows = client.get(f"{MAPPINGS}?order=entityId").json()
        csv = client.get(MAPPINGS, headers={"accept": "text/csv"})
        path = client.get(f"{MAPPINGS}?select=metadata->a,metadata->>b&entityId=eq.2")
        embedded = client.get("/company?select=externalIntegrationMapping(*)")
        changes = client.get("/mappingChange?order=position").json()
        exported = [client.get("/export/mappings", params={"format": form}) for form in ("csv", "ndjson")]
        claimed = client.post("/rpc/claim", json={**ROW, "entityId": "2", "externalId": "x2"})
        one = client.get(f"{MAPPINGS}?id=eq.{rows[2]['id']}")
        changed = client.patch(
            f"{MAPPINGS}?entityId=eq.2", json={"link": "https://x.example"}, headers={"prefer": "return=representation"}
        )
    assert [row["entityId"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert "metadata_shown_bytes_max" in rows[2]["metadata"]["tieline"]
    assert [change["after"]["entityId"] for change in changes] == ["0", "1", "2", "3", "4"]
    assert "metadata_shown_bytes_max" in changes[2]["after"]["metadata"]["tieline"]
    assert {a.status_code for a in (csv, path, embedded, claimed, one, changed, *exported)} == {200}
    assert all(file.text.count("metadata_shown_bytes_max") == 1 for file in exported)
    assert claimed.json()["outcome"] == "existing"
    watch.check()


def test_files_in_and_out_keep_to_the_limits_of_the_settings(acme, open_folder):
    long = with_metadata(json.dumps("x" * 2 * BYTES_MAX), **ROW)
    more = {"TIELINE_METADATA_BYTES_MAX": "300000", "TIELINE_METADATA_SHOWN_BYTES_MAX": "300000"}
    with (
        serving(open_folder, acme.database, **more) as server,
        dataclasses.replace(acme, server=server).client() as client,
    ):
        said = client.post("/import/mappings?format=ndjson", content=long)
        assert (said.json()["created"], said.json()["refused"]) == (1, 0)
        wider = with_metadata(json.dumps("x" * 4 * BYTES_MAX), **ROW)
        assert client.post("/import/mappings?format=ndjson", content=wider).json()["updated"] == 1
        assert len(client.get("/export/mappings?format=ndjson").content) > 4 * BYTES_MAX
