"""The page for Prometheus: requests, durations, connections, and no ids."""

import re

import httpx
from prometheus_client.parser import text_string_to_metric_families

# So many requests would start the garbage collector, if each of them left a circle.
REQUESTS = 6_000


def numbers(server):
    """Each sample by its name and labels."""
    answer = httpx.get(f"{server.url}/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_need_no_key_and_are_prometheus_text_that_is_not_kept(server):
    answer = httpx.get(f"{server.url}/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert httpx.post(f"{server.url}/metrics").status_code == 405


def test_requests_are_counted_by_route_method_and_status(client, acme):
    element = ("tieline_requests_total", "method=GET", "route=/api/v2/elements/{id}", "status=404")
    mapping = ("tieline_requests_total", "method=GET", "route=/{resource}", "status=200")
    before = numbers(acme.server)
    for _ in range(3):
        client.get("/api/v2/elements/404")
    client.get("/externalIntegrationMapping")
    after = numbers(acme.server)
    assert after[element] == before.get(element, 0) + 3
    assert after[mapping] == before.get(mapping, 0) + 1


def test_durations_are_a_histogram_by_route(client, acme):
    client.get("/api/v2/elements/404")
    found = numbers(acme.server)
    route = "route=/api/v2/elements/{id}"
    count = found[("tieline_request_duration_seconds_count", route)]
    assert count == found[("tieline_request_duration_seconds_bucket", "le=+Inf", route)] > 0
    assert 0 < found[("tieline_request_duration_seconds_sum", route)] < count * 60


def test_requests_under_way_and_waiting_are_counted(server):
    found = numbers(server)
    # The request for the metrics itself.
    assert found[("tieline_requests_in_flight",)] == 1
    assert found[("tieline_database_connections", "lane=point")] == 2
    assert found[("tieline_database_connections", "lane=single")] == 8
    assert found[("tieline_database_connections_in_use", "lane=single")] >= 0
    assert found[("tieline_database_waiting",)] == 0
    assert found[("process_resident_memory_bytes",)] > 0


def test_nothing_of_a_request_becomes_a_label(client, acme):
    mark = f"mark{acme.id}"
    client.get(f"/{mark}")
    client.get(f"/api/v2/{mark}")
    client.get(f"/api/v2/elements?externalId={mark}", headers={"x-request-id": mark, "user-agent": mark})
    client.request("PROPFIND", "/api/v2/elements")
    text = httpx.get(f"{acme.server.url}/metrics").text
    assert mark not in text
    assert acme.id not in text
    assert not any(key in text for key in acme.keys.values())
    assert set(re.findall(r'method="([A-Z]+|other)"', text)) <= {
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
    }  # fmt: skip
    assert 'method="other"' in text


def test_requests_leave_nothing_to_the_collector_which_would_hold_up_everybody(client, acme):
    key = {"entityType": "item", "integration": "xero"}
    client.post("/externalIntegrationMapping", json={**key, "entityId": "1", "externalId": "x"})

    def collected():
        found = numbers(acme.server)
        return sum(found[("python_gc_objects_collected_total", f"generation={n}")] for n in range(3))

    before = collected()
    for _ in range(REQUESTS // 3):
        assert client.get("/externalIntegrationMapping?id=eq.x").status_code == 200
        assert client.get("/nothing").status_code == 404
        taken = client.post("/externalIntegrationMapping", json={**key, "entityId": "2", "externalId": "x"})
        assert taken.status_code == 409
    assert collected() - before < REQUESTS
