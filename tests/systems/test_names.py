"""A system without a name has its integration as its name, on every way in."""

import json
import subprocess
import sys

SYSTEM = "/externalSystem"
SHOWN = {"prefer": "return=representation"}


def names(client) -> dict[str, str]:
    return {row["integration"]: row["name"] for row in client.get(SYSTEM).json()}


def test_by_every_way_in(client, acme):
    assert client.post(SYSTEM, json={"integration": "one"}, headers=SHOWN).json()[0]["name"] == "one"
    several = [{"integration": "two"}, {"integration": "three", "name": None}, {"integration": "four", "name": ""}]
    for row in several:
        assert client.post(SYSTEM, json=row).status_code == 201
    given = {"integration": "five", "name": "The fifth"}
    assert client.post(SYSTEM, json=[given, {"integration": "six"}], params={"columns": "integration,name"}).is_success
    missing = {"prefer": "missing=default"}
    assert client.post(SYSTEM, json=[{"integration": "seven"}], headers=missing).is_success
    lines = json.dumps({"integration": "eight"})
    said = client.post("/import/systems", content=lines, headers={"content-type": "application/x-ndjson"})
    assert said.json()["created"] == 1
    command = [sys.executable, "-m", "tieline", "system", "set", "nine", "--company", acme.id]
    subprocess.run([*command, "--database-url", acme.database.dsn], check=True, capture_output=True)
    assert {integration: name for integration, name in names(client).items() if name != integration} == {
        "five": "The fifth"
    }
    assert len(names(client)) == 9


def test_an_upsert_and_a_change_leave_a_name_that_they_do_not_give(client):
    client.post(SYSTEM, json={"integration": "crm", "name": "The CRM"})
    merge = {"prefer": "resolution=merge-duplicates"}
    assert client.post(SYSTEM, json={"integration": "crm", "active": False}, headers=merge).is_success
    assert client.patch(SYSTEM, params={"integration": "eq.crm"}, json={"active": True}).is_success
    assert names(client) == {"crm": "The CRM"}
    assert client.patch(SYSTEM, params={"integration": "eq.crm"}, json={"name": None}).is_success
    assert names(client) == {"crm": "crm"}
