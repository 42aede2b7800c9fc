"""A text that is white space alone is refused, and the description says the same."""

import re

import pytest

from tieline.web.element_openapi import describe
from tieline.wire.blanks import WHITE_SPACE

ELEMENT = "/api/v2/elements/7"
LINK, UNLINK = f"{ELEMENT}/external-element/link", f"{ELEMENT}/external-element/unlink"
BLANKS = ["", " ", "\u3000\n", WHITE_SPACE]
# No white space to Unicode.
TEXTS = ["\u200b", "\x1c", " a "]
SCHEMAS = describe()["components"]["schemas"]


@pytest.fixture(autouse=True)
def element(acme):
    acme.has_element(7)
    acme.has_system("crm", "https://crm.example", default=True)


def described_as_text(schema: str, field: str, value: str) -> bool:
    """True if the description allows the text."""
    wanted = SCHEMAS[schema]["properties"][field]
    return len(value) >= wanted["minLength"] and re.search(wanted.get("pattern", ""), value) is not None


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(
    ("method", "path", "schema", "body"),
    [
        ("POST", "/api/v2/elements", "NewElement", {"title": None}),
        ("PATCH", ELEMENT, "ElementChange", {"title": None}),
        ("POST", LINK, "ExternalElement", {"externalElement": {"externalId": None}}),
        ("POST", LINK, "LinkByExternalId", {"externalId": None}),
        ("POST", LINK, "LinkByExternalId", {"externalId": "A", "systemUrl": None}),
        ("POST", UNLINK, "Unlink", {"systemUrl": None}),
    ],
)
def test_blanks_in_bodies(client, method, path, schema, body, blank):
    def filled(value):
        return {name: filled(inner) for name, inner in value.items()} if isinstance(value, dict) else value or blank

    assert client.request(method, path, json=filled(body)).status_code == 400
    inner = body.get("externalElement", body)
    field = next(name for name, value in inner.items() if value is None)
    assert not described_as_text(schema, field, blank)


@pytest.mark.parametrize("parameter", ["cursor", "systemUrl"])
def test_blanks_in_the_query(client, parameter):
    assert client.get("/api/v2/elements", params={parameter: "", "externalId": "A"}).status_code == 400


@pytest.mark.parametrize("text", TEXTS)
def test_other_texts_are_taken_as_they_are(client, text):
    assert client.post("/api/v2/elements", json={"title": text}).json()["title"] == text
    assert client.post(LINK, json={"externalId": text}).json()["externalElement"]["externalId"] == text
    assert described_as_text("NewElement", "title", text)
    assert described_as_text("LinkByExternalId", "externalId", text)
