"""PgBouncer in transaction mode between Tieline and PostgreSQL: both faces, files and commands work as without it."""

import json
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from conftest import Database, free_port, serving
from pooler import PGBOUNCER, pooled

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")

MAPPINGS = "/externalIntegrationMapping"
# More than PgBouncer has connections.
AT_ONCE = 12
ROUNDS = 10
STATEMENT_TIMEOUT_MS = 1_500


@pytest.fixture(scope="module")
def through(database, open_folder):
    """The worker's database, by way of PgBouncer."""
    with pooled(database.dsn, open_folder) as dsn:
        yield Database(dsn)


@pytest.fixture(scope="module")
def server(through, open_folder):
    """A server that reaches its database through PgBouncer."""
    with serving(open_folder, through, TIELINE_STATEMENT_TIMEOUT_MS=str(STATEMENT_TIMEOUT_MS)) as running:
        yield running


def mapping(n: int, **more: object) -> dict[str, object]:
    return {"entityType": "item", "entityId": str(n), "integration": "crm", "externalId": f"C{n}", **more}


def tieline(dsn: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tieline", *arguments, "--database-url", dsn]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_server_says_that_it_is_there(server):
    assert "A pooler such as PgBouncer is in between" in server.log.read_text()
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_elements_are_linked_listed_and_unlinked(client, acme):
    acme.has_system("cms", "https://cms.example", default=True)
    acme.has_element(7)
    at = "/api/v2/elements/7/external-element"
    bound = {"externalElement": {"externalId": "A", "link": None}, "systemUrl": "https://cms.example"}
    assert client.post(f"{at}/link", json={"externalId": "A"}).json() == bound
    assert client.get("/api/v2/elements/7/external-elements").json() == [bound]
    assert client.post(f"{at}/unlink").json() == bound
    assert client.post(f"{at}/unlink").status_code == 404


def test_a_token_is_fetched_used_and_refreshed(client, acme):
    key_id = acme.database.execute(
        """select id from tieline."apiKey" where "companyId" = %s and name = 'api.write'""", acme.id
    )[0][0]
    given = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": acme.keys["api.write"]}
    token = client.post("/api/v2/auth/token", data=given).json()
    used = httpx.get(f"{acme.server.url}/company", headers={"apikey": token["access_token"]})
    assert [company["id"] for company in used.json()] == [acme.id]
    assert client.post("/api/v2/auth/refresh", json={"refresh_token": token["refresh_token"]}).status_code == 200


def test_mappings_are_written_read_changed_and_deleted(client, acme):
    wishes = {"prefer": "return=representation"}
    made = client.post(MAPPINGS, json=[mapping(1), mapping(2)], headers=wishes).json()
    assert [row["companyId"] for row in made] == [acme.id] * 2
    found = client.get(MAPPINGS, params={"entityType": "eq.item", "entityId": "eq.1", "integration": "eq.crm"})
    assert found.json() == [made[0]]
    changed = client.patch(MAPPINGS, params={"entityId": "eq.2"}, json={"externalId": "other"}, headers=wishes)
    assert changed.json()[0]["updatedBy"] is not None
    dry = client.delete(MAPPINGS, params={"entityId": "eq.1"}, headers={"prefer": "tx=rollback"})
    assert dry.status_code == 204
    assert client.delete(MAPPINGS, params={"entityId": "eq.2"}).status_code == 204
    assert [row["entityId"] for row in client.get(MAPPINGS).json()] == ["1"]
    assert [operation for operation, *_ in acme.changes()] == ["insert", "insert", "update", "delete"]


def test_times_are_in_utc_or_in_the_zone_that_one_request_asks_for(client):
    client.post(MAPPINGS, json=mapping(1, lastSyncedAt="2026-01-01T12:00:00Z"))

    def synced(**headers: str) -> str:
        return client.get(MAPPINGS, params={"select": "lastSyncedAt"}, headers=headers).json()[0]["lastSyncedAt"]

    assert synced(prefer="timezone=Asia/Kathmandu") == "2026-01-01T17:45:00+05:45"
    assert {synced() for _ in range(AT_ONCE)} == {"2026-01-01T12:00:00+00:00"}


def test_batches_and_files_land(client, acme):
    rows = [mapping(n) for n in range(1, 6)]
    outcomes = client.post("/rpc/link_many", json={"mappings": rows}).json()
    assert {row["outcome"] for row in outcomes} == {"created"}
    lines = "\n".join(json.dumps(mapping(n)) for n in range(4, 9))
    said = client.post("/import/mappings", content=lines, headers={"content-type": "application/x-ndjson"})
    assert (said.json()["created"], said.json()["unchanged"]) == (3, 2)
    assert client.get("/export/mappings").text.count("\ncrm,") + client.get("/export/mappings").text.count(",crm,") >= 8
    found = client.post("/rpc/resolve", json={"integration": "crm", "externalIds": ["C8", "none"]}).json()
    assert [row["status"] for row in found] == ["linked", "unknown"]


def test_companies_at_once_see_their_own_rows_alone(new_company):
    companies = [new_company() for _ in range(4)]
    for company in companies:
        with company.client() as client:
            assert client.post(MAPPINGS, json=mapping(1, externalId=company.id)).status_code == 201

    def look(number: int) -> None:
        company = companies[number % len(companies)]
        with company.client() as client:
            for _ in range(ROUNDS):
                key = {"entityType": "eq.item", "entityId": "eq.1", "integration": "eq.crm", "select": "externalId"}
                answer = client.get(MAPPINGS, params=key)
                assert (answer.status_code, answer.text) == (200, f'[{{"externalId":"{company.id}"}}]')
                assert client.get(MAPPINGS, params={"select": "companyId"}).json() == [{"companyId": company.id}]
                # An error aborts its neighbours' look-ups, which are sent again.
                assert client.get(MAPPINGS, params={**key, "select": "entityId::date"}).status_code == 400

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(look, range(AT_ONCE)))


def test_a_statement_has_its_time_limit(client, acme):
    client.post(MAPPINGS, json=mapping(1))
    with psycopg.connect(acme.database.dsn) as holder:
        holder.execute(
            'select 1 from tieline."externalIntegrationMapping" where "companyId" = %s for update', (acme.id,)
        )
        assert client.patch(MAPPINGS, params={"entityId": "eq.1"}, json={"externalId": "X"}).status_code == 504
    assert client.patch(MAPPINGS, params={"entityId": "eq.1"}, json={"externalId": "X"}).status_code == 204


def test_the_connections_of_pgbouncer_keep_nothing_of_ours(client, through):
    client.post(MAPPINGS, json=mapping(1))
    client.post("/rpc/link_many", json={"mappings": [mapping(2)]})
    kept = """select current_user = session_user, current_setting('search_path'),
        current_setting('tieline.company', true) || current_setting('tieline.candidates_max', true),
        (select count(*) from pg_prepared_statements) + (
            select count(*) from pg_settings
            where source = 'session' and name not in ('TimeZone', 'client_encoding', 'application_name')
        )"""
    with (
        psycopg.connect(through.dsn) as one,
        psycopg.connect(through.dsn) as two,
        psycopg.connect(through.dsn) as three,
    ):
        for conn in (one, two, three):
            is_itself, path, company, prepared = conn.execute(kept).fetchone()
            assert (is_itself, path, company or "", prepared) == (True, '"$user", public', "", 0)


def test_commands_migrate_import_and_examine_through_it(postgres, open_folder, tmp_path):
    name = f"pooled_{secrets.token_hex(6)}"
    with psycopg.connect(postgres, autocommit=True) as conn, pooled(postgres, open_folder) as dsn:
        conn.execute(f"create database {name}")
        own = make_conninfo(dsn, dbname=name)
        try:
            assert tieline(own, "migrate").returncode == 0
            assert tieline(own, "company", "add", "acme").returncode == 0
            file = tmp_path / "mappings.csv"
            file.write_text("entityType,entityId,integration,externalId\nitem,1,crm,C1\n")
            landed = tieline(own, "import", str(file), "--company", "acme", "--what", "mappings")
            assert "1 created" in landed.stdout + landed.stderr
            healthy = tieline(own, "doctor")
            assert healthy.returncode == 0, healthy.stdout
            assert "pooler\tone between Tieline and the database, such as PgBouncer" in healthy.stdout
        finally:
            conn.execute(f"drop database {name} with (force)")


def test_doctor_finds_none_where_there_is_none(database):
    assert "pooler\tnone between Tieline and the database" in tieline(database.dsn, "doctor").stdout


def test_its_statement_mode_is_refused_with_the_remedy(database, open_folder):
    with pooled(database.dsn, open_folder, mode="statement") as dsn:
        for command in (["serve", "--port", str(free_port())], ["migrate"]):
            refused = tieline(dsn, *command)
            assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
            assert refused.stderr.endswith("Set pool_mode = transaction in the pooler.\n")
        examined = tieline(dsn, "doctor")
        assert examined.returncode == 1
        assert "Set pool_mode = transaction in the pooler." in examined.stdout
