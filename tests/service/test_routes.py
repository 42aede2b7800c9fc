"""Each address leads to its endpoint, or is refused in the form of its face."""

import httpx
import pytest

from tieline.dialect.catalogue import RESOURCES
from tieline.web import routes
from tieline.web.face import Face

OF_SERVICE = [
    "/console",
    "/console/mappings",
    "/webhooks",
    "/changes",
    "/changes/7",
    "/import",
    "/export/",
    "/docs/x/y",
]
OF_ELEMENTS = ["/api/", "/api/v2", "/api/v3/elements", "/api/v2/elements/7/nothing"]


@pytest.mark.parametrize(
    ("method", "path", "face", "route", "parameters"),
    [
        ("GET", "/", Face.MAPPING, "/{resource}", {"resource": ""}),
        ("GET", "/company", Face.MAPPING, "/{resource}", {"resource": "company"}),
        ("PUT", "/rest/v1/company", Face.MAPPING, "/{resource}", {"resource": "company"}),
        ("GET", "/rest/v1", Face.MAPPING, "/{resource}", {"resource": ""}),
        ("GET", "/rest/v1/", Face.MAPPING, "/{resource}", {"resource": ""}),
        ("POST", "/rpc/claim", Face.MAPPING, "/{resource}", {"resource": "rpc/claim"}),
        ("GET", "/rest/v1/rpc/claim", Face.MAPPING, "/{resource}", {"resource": "rpc/claim"}),
        ("GET", "/nowhere", Face.MAPPING, "/{resource}", {"resource": "nowhere"}),
        ("GET", "/nowhere/7", Face.MAPPING, "/{resource}", {"resource": "nowhere/7"}),
        ("GET", "//api/v2/elements", Face.MAPPING, "/{resource}", {"resource": "/api/v2/elements"}),
        ("GET", "/healthz", Face.SERVICE, "/healthz", {}),
        ("POST", "/import/mappings", Face.SERVICE, "/import/{what}", {"what": "mappings"}),
        ("HEAD", "/api/v2/elements/7", Face.ELEMENT, "/api/v2/elements/{id}", {"id": "7"}),
        ("PUT", "/api/v2/elements/7", Face.ELEMENT, "/api/v2/elements/{id}", {"id": "7"}),
    ],
)
def test_an_address_leads_to_its_endpoint(method, path, face, route, parameters):
    match = routes.find(method, path)
    assert (match.endpoint.face, match.endpoint.path, match.parameters) == (face, route, parameters)


def test_no_resource_is_hidden_by_a_room():
    assert not routes.ROOMS & set(RESOURCES)
    assert not routes.ROOMS & {"rpc", "rest"}


@pytest.mark.parametrize("path", OF_SERVICE)
def test_a_room_of_the_service_is_no_resource_whoever_asks(client, acme, path):
    for answer in (client.get(path), httpx.get(acme.server.url + path), client.patch(path, json={})):
        assert answer.status_code == 404
        assert answer.json()["message"] == f"Nothing is served at {path}"


@pytest.mark.parametrize("path", OF_ELEMENTS)
def test_an_unknown_address_of_the_element_face_is_a_problem_detail_of_endpoint_not_found(client, acme, path):
    for answer in (client.get(path), httpx.get(acme.server.url + path)):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"].endswith("/docs/errors/endpoint-not-found")


def test_an_unknown_name_is_401_without_a_key_and_an_unknown_resource_with_one(client, acme):
    assert httpx.get(f"{acme.server.url}/compny").status_code == 401
    answer = client.get("/compny")
    assert (answer.status_code, answer.json()["code"]) == (404, "PGRST205")
    assert "public.company" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("path", "kind"), [("/api/v2/elements/7", "application/problem+json"), ("/readyz", "application/json")]
)
def test_another_method_is_405_in_the_form_of_the_endpoints_face(client, path, kind):
    answer = client.put(path)
    assert answer.status_code == 405
    assert answer.headers["content-type"].startswith(kind)
    assert "GET" in answer.headers["allow"]
