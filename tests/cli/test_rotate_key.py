# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
import base64
import json
import time

import httpx
import pytest
from installed import command, folder, new_folder, tieline  # noqa: F401 -- fixtures

from conftest import make_key, start_server, stop_server

BELIEVED_SECONDS = 1


@pytest.fixture
def start(database, open_folder):
    """Start servers that look for a new signing key after a second."""
    servers = []

    def one(milliseconds=1000 * BELIEVED_SECONDS):
        data = str(open_folder / "rotate-data")
        options = ("--database-url", database.dsn, "--data-dir", data)
        servers.append(start_server(open_folder, *options, TIELINE_SIGNING_KEYS_MS=str(milliseconds)))
        return servers[-1]

    yield one
    for server in servers:
        stop_server(server)


def login(server, company, key):
    [(key_id,)] = company.database.execute(
        """select id from tieline."apiKey" where "companyId" = %s and name = 'rotated'""", company.id
    )
    given = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": key}
    return httpx.post(f"{server.url}/api/v2/auth/token", json=given).json()["access_token"]


def signed_by(token):
    head = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]


def status(server, token):
    return httpx.get(f"{server.url}/api/v2/elements", headers={"authorization": f"Bearer {token}"}).status_code


def test_a_rotated_key_signs_new_tokens_while_those_of_the_old_one_stay_valid(command, start, acme):
    key = make_key(acme.database, acme.id, "api.read", name="rotated")
    server = start()
    old = login(server, acme, key)
    done = command("token", "rotate-key")
    assert done.code == 0
    made = done.out.split()[4]
    assert done.out.startswith(f"Made the signing key {made} and retired ")
    assert "are valid until they expire" in done.err
    time.sleep(BELIEVED_SECONDS)
    new = login(server, acme, key)
    assert (signed_by(old) != made, signed_by(new)) == (True, made)
    assert (status(server, old), status(server, new)) == (200, 200)


def test_a_server_takes_the_token_that_another_signed_with_a_key_that_it_has_not_seen(command, start, acme):
    key = make_key(acme.database, acme.id, "api.read", name="rotated")
    first = start(milliseconds=3_600_000)
    old = login(first, acme, key)
    assert status(first, old) == 200
    made = command("token", "rotate-key").out.split()[4]
    second = start(milliseconds=3_600_000)
    new = login(second, acme, key)
    assert signed_by(new) == made
    assert [status(server, token) for server in (first, second) for token in (old, new)] == [200] * 4
    # After its next look the first server signs with the new key too.
    assert signed_by(login(first, acme, key)) == made


def test_the_key_itself_is_not_said(command, database):
    said = command("token", "rotate-key")
    secrets = database.execute('select secret from tieline."signingKey"')
    assert not any(secret in said.out + said.err for (secret,) in secrets)
    assert database.execute('select count(*) from tieline."signingKey" where "retiredAt" is null') == [(1,)]
