"""The external system that a link or unlink of the element face means."""

import pytest

from refusals import refused

ELEMENT = "/api/v2/elements/7"
LINK, UNLINK = f"{ELEMENT}/external-element/link", f"{ELEMENT}/external-element/unlink"


@pytest.fixture(autouse=True)
def element(acme):
    acme.has_element(7)


def linked_to(client, **given) -> str | None:
    response = client.post(LINK, json={"externalId": "A", **given})
    assert response.status_code == 200, response.text
    return response.json()["systemUrl"]


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ("https://crm.example", "https://crm.example/"),
        ("https://crm.example/", "https://crm.example"),
        ("https://crm.example", "HTTPS://CRM.Example"),
        ("HTTPS://CRM.Example/", "https://crm.example"),
        ("https://crm.example", "https://crm.example:443"),
        ("https://crm.example:443/", "https://crm.example"),
        ("http://crm.example", "http://crm.example:80/"),
        ("http://crm.example:80", "HTTP://crm.example"),
        ("https://crm.example:8443", "https://CRM.example:8443/"),
        ("https://crm.example/eu", "https://crm.example:443/eu/"),
        ("https://crm.example/EU/", "https://crm.example/EU"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
        ("https://crm.example/?site=A", "https://crm.example/?site=A"),
    ],
)
def test_addresses_are_the_same_but_for_case_of_scheme_and_host_default_port_and_trailing_slash(
    client, acme, stored, given
):
    acme.has_system("crm", stored)
    acme.has_system("erp", "https://erp.example", default=True)
    assert linked_to(client, systemUrl=given) == stored
    assert client.post(UNLINK, json={"systemUrl": given}).json()["systemUrl"] == stored


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ("https://crm.example", "http://crm.example"),
        ("https://crm.example", "https://crm.example:80"),
        ("http://crm.example", "http://crm.example:443"),
        ("https://crm.example:8443", "https://crm.example"),
        ("https://crm.example/EU", "https://crm.example/eu"),
        ("https://crm.example", "https://crm.example/eu"),
        ("https://crm.example", "https://www.crm.example"),
        ("https://crm.example", "https://crm.example?x"),
        ("https://crm.example", " https://crm.example"),
        ("https://crm.example", "crm.example"),
        ("https://crm.example", "crm"),
        ("https://crm.example", "%"),
        ("https://crm.example", "https://" + "x" * 100_000),
        ("https://crm.example:4430", "https://crm.example:0"),
    ],
)
def test_an_address_of_no_active_system_is_refused_and_never_falls_back(client, acme, stored, given):
    acme.has_system("crm", stored, default=True)
    for path, body in ((LINK, {"externalId": "A", "systemUrl": given}), (UNLINK, {"systemUrl": given})):
        problem = refused(client.post(path, json=body), 400, "input-parameter-error")
        (error,) = problem["errors"]
        assert (error["scope"], error["path"], error["code"]) == ("body", "systemUrl", "input-parameter-error")
    assert acme.changes() == []


def test_an_inactive_system_is_as_unknown_as_none(client, acme):
    acme.has_system("crm", "https://crm.example", active=False)
    acme.has_system("erp", "https://erp.example", default=True)
    response = client.post(LINK, json={"externalId": "A", "systemUrl": "https://crm.example"})
    refused(response, 400, "input-parameter-error")


def test_a_system_of_another_company_is_unknown(client, other):
    other.has_system("crm", "https://crm.example", default=True)
    response = client.post(LINK, json={"externalId": "A", "systemUrl": "https://crm.example"})
    refused(response, 400, "input-parameter-error")
    problem = refused(client.post(LINK, json={"externalId": "A"}), 400, "business-error")
    assert problem["candidates"] == []


def test_a_system_that_is_left_out_is_the_default_one(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_system("erp", "https://erp.example", default=True)
    assert linked_to(client) == "https://erp.example"
    assert client.post(UNLINK).json()["systemUrl"] == "https://erp.example"


def test_a_system_that_is_left_out_without_a_default_is_the_only_active_one(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_system("erp", "https://erp.example", active=False)
    assert linked_to(client) == "https://crm.example"


def test_a_default_that_is_inactive_is_no_default(client, acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_system("erp", "https://erp.example", active=False, default=True)
    assert linked_to(client) == "https://crm.example"
    acme.has_system("pim", "https://pim.example")
    refused(client.post(LINK, json={"externalId": "A"}), 400, "business-error")


def test_a_system_that_is_left_out_where_none_exists_is_refused(client):
    for path, body in ((LINK, {"externalId": "A"}), (UNLINK, {})):
        assert refused(client.post(path, json=body), 400, "business-error")["candidates"] == []


def test_a_system_that_is_left_out_among_several_without_a_default_lists_the_candidates(client, acme):
    acme.has_system("erp", "https://erp.example")
    acme.has_system("crm", "https://crm.example")
    acme.has_system("old", "https://old.example", active=False)
    for path, body in ((LINK, {"externalId": "A"}), (UNLINK, {})):
        problem = refused(client.post(path, json=body), 400, "business-error")
        assert problem["candidates"] == [
            {"integration": "crm", "name": "crm", "systemUrl": "https://crm.example"},
            {"integration": "erp", "name": "erp", "systemUrl": "https://erp.example"},
        ]
    assert acme.changes() == []


def test_the_element_is_asked_for_before_the_system(client):
    response = client.post("/api/v2/elements/9/external-element/link", json={"externalId": "A"})
    refused(response, 404, "resource-not-found")


def test_two_systems_cannot_have_one_address(acme):
    acme.has_system("crm", "https://crm.example")
    with pytest.raises(Exception, match="externalSystem_companyId_canonical_key"):
        acme.has_system("crm2", "HTTPS://CRM.example:443/")


@pytest.mark.parametrize("address", ["crm.example", "ftp://crm.example", "https://", "https://a b", ""])
def test_a_systems_address_is_an_http_address(acme, address):
    with pytest.raises(Exception, match="externalSystem_systemUrl_check"):
        acme.has_system("crm", address)
