"""Every answer of every face has a request id, timings and a line in the log."""

import json
import re
import time

import httpx
import pytest

from refusals import refused

PATHS = ["/healthz", "/readyz", "/api/v2/elements", "/api/v2/nowhere", "/externalIntegrationMapping", "/nowhere"]
MADE = re.compile("[0-9a-f]{24}")


def log_lines(acme, request_id: str) -> list[dict]:
    """The server's log lines of a request, as soon as they are there."""
    for _ in range(100):
        lines = [json.loads(line) for line in acme.server.log.read_text().splitlines() if request_id in line]
        if lines:
            return lines
        time.sleep(0.02)
    return []


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_carries_a_request_id_and_server_timing(client, path):
    response = client.get(path)
    assert MADE.fullmatch(response.headers["x-request-id"])
    timings = dict(entry.split(";dur=") for entry in response.headers["server-timing"].split(", "))
    assert float(timings["total"]) > 0
    assert all(float(duration) >= 0 for duration in timings.values())


def test_two_requests_have_different_ids(client):
    assert client.get("/healthz").headers["x-request-id"] != client.get("/healthz").headers["x-request-id"]


@pytest.mark.parametrize("given", ["abc", "a.b_c~d+e/f=g:h-1", "x" * 128, "00-4bf92f3577b34da6a3ce929d0e0e4736-00"])
def test_a_sane_request_id_is_taken_over(client, given):
    response = client.get("/api/v2/elements/404", headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given
    assert response.json()["traceId"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a,b", 'a"b', "<script>", "a\tb"])
def test_a_request_id_that_is_not_sane_is_replaced(client, given):
    response = client.get("/healthz", headers={"x-request-id": given})
    assert response.headers["x-request-id"] != given
    assert MADE.fullmatch(response.headers["x-request-id"])


def test_the_request_id_stands_beside_the_change_that_the_request_made(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_element(7)
    path = "/api/v2/elements/7/external-element/link"
    client.post(path, json={"externalId": "A"}, headers={"x-request-id": "from-the-client"})
    kept = acme.database.execute('select "requestId" from tieline."mappingChange" where "companyId" = %s', acme.id)
    assert kept == [("from-the-client",)]


def test_health_needs_no_key_and_is_not_kept_by_caches(acme):
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        response = httpx.get(acme.server.url + path)
        assert response.status_code == 200
        assert response.json()["status"] == status
        assert response.headers["cache-control"] == "no-store"
        assert httpx.post(acme.server.url + path).status_code == 405


def test_a_request_is_one_log_line_with_who_what_and_how_long(client, acme):
    client.get("/api/v2/elements/404?externalId=x", headers={"x-request-id": f"log-{acme.id}"})
    (line,) = log_lines(acme, f"log-{acme.id}")
    assert line["event"] == "A request was answered."
    assert (line["level"], line["method"], line["route"], line["status"]) == (
        "info",
        "GET",
        "/api/v2/elements/{id}",
        404,
    )
    assert line["company"] == acme.id
    assert line["key_id"].startswith("key_")
    assert line["duration_ms"] > 0
    assert line["timestamp"].endswith("Z")


def test_no_key_body_or_id_of_a_record_is_in_the_log(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_element(7)
    mark = f"secret-{acme.id}"
    client.post("/api/v2/elements/7/external-element/link", json={"externalId": mark})
    client.get("/api/v2/elements", params={"externalId": mark})
    client.get(f"/externalIntegrationMapping?externalId=eq.{mark}")
    client.get(f"/{mark}")
    client.get("/api/v2/elements", headers={"authorization": f"Bearer tl_{mark}"})
    client.get("/api/v2/elements", headers={"x-request-id": f"end-{acme.id}"})
    assert log_lines(acme, f"end-{acme.id}")
    written = acme.server.log.read_text()
    assert mark not in written
    for key in acme.keys.values():
        assert key not in written
        assert key[:12] not in written


def test_a_secret_is_in_no_answer(client, acme):
    for headers in ({"authorization": "Bearer tl_never-shown"}, {"apikey": "tl_never-shown"}):
        response = httpx.get(f"{acme.server.url}/api/v2/elements", headers=headers)
        assert "never-shown" not in response.text + str(response.headers)
    (stored,) = {row[0] for row in acme.database.execute(
        """select count(*) from tieline."apiKey" k where to_jsonb(k)::text like '%%' || %s || '%%'""",
        acme.keys["api.admin"])}  # fmt: skip
    assert stored == 0


def test_an_unknown_address_of_the_api_is_not_found_with_or_without_a_key(client, acme):
    for path in ("/api/", "/api/v2", "/api/v3/elements", "/api/v2/elements/7/nothing"):
        refused(client.get(path), 404, "endpoint-not-found")
        assert httpx.get(acme.server.url + path).status_code == 404


def test_the_address_of_a_problem_is_below_the_address_that_the_client_used(client):
    response = client.get("/api/v2/nowhere", headers={"host": "tieline.example:8443"})
    assert response.json()["type"] == "http://tieline.example:8443/docs/errors/endpoint-not-found"
    odd = client.get("/api/v2/nowhere", headers={"host": 'x"><script>'})
    assert "<script>" not in odd.text


def test_no_answer_names_the_server_software(client):
    assert "server" not in client.get("/healthz").headers
