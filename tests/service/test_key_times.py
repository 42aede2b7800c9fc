"""The expiry of keys, also in forms that the command does not write."""

import httpx
import pytest

from conftest import make_key


@pytest.mark.parametrize(
    ("expires_at", "status"),
    [
        ("infinity", 200),
        ("-infinity", 401),
        ("4713-01-01 BC", 401),
        ("20000-01-01", 200),
        ("2999-01-01", 200),
        ("2001-01-01", 401),
        (None, 200),
    ],
)
def test_a_key_holds_until_any_time_that_the_database_can_hold(acme, expires_at, status):
    key = make_key(acme.database, acme.id, "api.read", name="timed", expiresAt=expires_at)
    for path in ("/api/v2/elements", "/externalIntegrationMapping"):
        assert httpx.get(acme.server.url + path, headers={"apikey": key}).status_code == status
    [(key_id,)] = acme.database.execute(
        """select id from tieline."apiKey" where "companyId" = %s and name = 'timed'""", acme.id
    )
    given = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": key}
    answer = httpx.post(f"{acme.server.url}/api/v2/auth/token", json=given)
    assert answer.status_code == status
    if status == 200:
        token = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert httpx.get(f"{acme.server.url}/api/v2/elements", headers=token).status_code == 200
