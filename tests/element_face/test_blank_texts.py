"""A blank text is refused by name, as the description of the face says."""

import pytest

from refusals import refused

LINK = "/api/v2/elements/7/external-element/link"
UNLINK = "/api/v2/elements/7/external-element/unlink"
BLANKS = ["", " ", "\t\n", "\u2003", "\u3000\x85"]


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/v2/elements", {"title": None}, "title"),
        ("PATCH", "/api/v2/elements/7", {"title": None}, "title"),
        ("POST", LINK, {"externalId": None}, "externalId"),
        ("POST", LINK, {"externalElement": {"externalId": None}}, "externalElement.externalId"),
        ("POST", LINK, {"link": None}, "link"),
        ("POST", LINK, {"externalId": "A", "systemUrl": None}, "systemUrl"),
        ("POST", UNLINK, {"systemUrl": None}, "systemUrl"),
    ],
)
def test_a_blank_text_in_a_body_is_refused_by_its_name(client, acme, method, path, body, field, blank):
    acme.has_element(7)
    acme.has_system("crm", "https://crm.example", default=True)
    given = {name: {"externalId": blank} if isinstance(value, dict) else value or blank for name, value in body.items()}
    problem = refused(client.request(method, path, json=given), 400, "validation-failed")
    error = {"scope": "body", "path": field, "code": "blank", "message": f"{field} must not be blank."}
    assert problem["errors"] == [error]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_blank_address_in_the_query_is_no_system(client, blank):
    answer = client.get("/api/v2/elements", params={"externalId": "A", "systemUrl": blank})
    assert refused(answer, 400, "input-parameter-error")["errors"][0]["scope"] == "query"


def test_an_unknown_system_is_named_where_it_was_given(client, acme):
    acme.has_element(7)
    for answer, scope in (
        (client.get("/api/v2/elements?externalId=A&systemUrl=https://x.example"), "query"),
        (client.post(LINK, json={"externalId": "A", "systemUrl": "https://x.example"}), "body"),
    ):
        assert refused(answer, 400, "input-parameter-error")["errors"][0]["scope"] == scope
