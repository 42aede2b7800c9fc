"""The embedded PostgreSQL's log: no statements, no values, however many requests fail with however much in them."""

import httpx
import psycopg
import pytest

from conftest import start_server, stop_server

VALUE = "sent-by-a-client-" * 6_000
REQUESTS = 20


@pytest.fixture(scope="module")
def served(open_folder):
    """A server with an embedded database of its own, and a client of it."""
    folder = open_folder / "logged"
    server = start_server(open_folder, "--data-dir", str(folder))
    key = (folder / "admin.key").read_text().strip()
    with httpx.Client(base_url=server.url, headers={"apikey": key}, timeout=60) as client:
        yield folder, client
    stop_server(server)


def database_log(folder):
    """All that the database has written to its logs."""
    files = [folder / "postgres" / "start.log", *(folder / "postgres" / "log").iterdir()]
    return "".join(file.read_text(errors="replace") for file in files)


def row(number, **more):
    return {"entityType": "item", "entityId": str(number), "integration": "xero", "externalId": f"A{number}", **more}


def test_what_fails_is_not_in_the_log_of_the_database(served):
    folder, client = served
    mapping = "/externalIntegrationMapping"
    client.post(mapping, json=row(1)).raise_for_status()
    failing = [
        lambda: client.post(mapping, json=row(2, externalId="A1", metadata={"n": VALUE[:50_000]})),
        lambda: client.post(mapping, json=row(3, createdAt=VALUE)),
        lambda: client.post(mapping, json=row(4, allowDuplicateExternalId=VALUE)),
        lambda: client.post(mapping, json=row(5, externalId=VALUE)),
        lambda: client.patch(f"{mapping}?entityId=eq.1", json={"lastSyncedAt": VALUE}),
        lambda: client.get(mapping, params={"createdAt": f"gt.{VALUE[:8_000]}"}),
        lambda: client.get(mapping, params={"metadata": f"cs.{VALUE[:8_000]}"}),
        lambda: client.get(mapping, params={"entityId": f"match.({VALUE[:8_000]}"}),
        lambda: client.post("/rpc/claim", json={**row(6), "externalId": VALUE}),
        lambda: client.post("/api/v2/elements", json={"id": 1, "title": VALUE}),
    ]
    statuses = {failing[number % len(failing)]().status_code for number in range(REQUESTS)}
    assert 409 in statuses
    assert max(statuses) < 500
    written = database_log(folder)
    assert "sent-by-a-client" not in written
    assert "STATEMENT" not in written
    assert "DETAIL" not in written
    assert len(written) < 20_000


def test_what_a_command_gets_wrong_is_not_there_either(served):
    folder, _ = served
    dsn = f"host={folder / 'postgres'} user=postgres dbname=tieline"
    with psycopg.connect(dsn, autocommit=True) as conn, pytest.raises(psycopg.Error):
        # Also a session that sets nothing of its own keeps its values.
        conn.execute("select %s::text::json", ("sent-by-a-client",))
    written = database_log(folder)
    assert "STATEMENT" not in written
    assert "parameters" not in written
