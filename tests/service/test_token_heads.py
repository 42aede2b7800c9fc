"""A token with a header that we did not write is no token, whatever stands in the header."""

import base64
import json

import httpx
import pytest


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


@pytest.mark.parametrize(
    "head",
    [
        b'{"a":' * 1200 + b"1" + b"}" * 1200,
        b"[" * 5000,
        b"[" * 2500 + b"]" * 2500,
        b'{"alg":"HS256","kid":' + b"[" * 2000 + b"]" * 2000 + b"}",
        json.dumps({"alg": "HS256", "crit": 5}).encode(),
        json.dumps({"alg": "HS256", "kid": "\ud800"}).encode(),
        json.dumps({"alg": [], "kid": {}}).encode(),
        b'{"alg":"HS256","kid":' + b"1" * 5000 + b"}",
        b"null",
        b"\xff",
        b"",
    ],
    ids=lambda head: head[:24].decode("latin-1"),
)
@pytest.mark.parametrize("path", ["/externalIntegrationMapping", "/api/v2/elements", "/import/mappings"])
def test_a_token_with_a_strange_header_is_unauthorized(acme, head, path):
    token = f"{part(head)}.{part(b'{}')}.{part(b'x' * 32)}"
    for headers in ({"authorization": f"Bearer {token}"}, {"apikey": token}):
        method = "POST" if path.startswith("/import") else "GET"
        assert httpx.request(method, acme.server.url + path, headers=headers).status_code == 401
