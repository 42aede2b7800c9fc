"""What logins cost: they count as requests of their key, and leave a bounded number of refresh tokens."""

import httpx
import pytest

from conftest import make_key, serving
from refusals import refused

PER_MINUTE = 5
FAMILIES = 4


@pytest.fixture(scope="module")
def frugal(database, open_folder):
    """A server that keeps few refresh tokens of a key."""
    with serving(open_folder, database, TIELINE_REFRESH_FAMILIES_MAX=str(FAMILIES)) as running:
        yield running


def logging_in(acme, url, **columns):
    """A client at the endpoints for tokens, and the fields of a login with a key that has these columns."""
    key_id = f"key_of_{acme.id}"
    secret = make_key(acme.database, acme.id, "api.read", id=key_id, **columns)
    fields = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": secret}
    return httpx.Client(base_url=f"{url}/api/v2/auth", timeout=60), fields


def kept(acme):
    return acme.database.execute(
        """select count(distinct "familyId"), count(*) from tieline."refreshToken" where "companyId" = %s""", acme.id
    )[0]


def test_a_login_counts_as_a_request_of_its_key(acme):
    tokens, fields = logging_in(acme, acme.server.url, rateLimit=PER_MINUTE)
    with tokens:
        answers = [tokens.post("/token", data=fields) for _ in range(PER_MINUTE + 3)]
        assert [answer.status_code for answer in answers] == [200] * PER_MINUTE + [429] * 3
        assert answers[0].headers["x-ratelimit-remaining"] == str(PER_MINUTE - 1)
        refused(answers[-1], 429, "too-many-requests")
    assert kept(acme) == (PER_MINUTE, PER_MINUTE)
    elements = f"{acme.server.url}/api/v2/elements"
    assert httpx.get(elements, headers={"apikey": fields["client_secret"]}).status_code == 429


def test_a_refresh_counts_too_and_past_the_limit_spends_nothing(acme):
    tokens, fields = logging_in(acme, acme.server.url, rateLimit=2)
    with tokens:
        first = tokens.post("/token", data=fields).json()["refresh_token"]
        second = tokens.post("/refresh", data={"refresh_token": first}).json()["refresh_token"]
        refused(tokens.post("/refresh", data={"refresh_token": second}), 429, "too-many-requests")
    spent = """select count(*) from tieline."refreshToken" where "companyId" = %s and "spentAt" is not null"""
    assert acme.database.execute(spent, acme.id) == [(1,)]


def test_the_families_of_a_key_that_were_not_used_for_the_longest_time_are_forgotten(acme, frugal):
    tokens, fields = logging_in(acme, frugal.url)
    with tokens:
        first = tokens.post("/token", data=fields).json()["refresh_token"]
        second = tokens.post("/token", data=fields).json()["refresh_token"]
        first = tokens.post("/refresh", data={"refresh_token": first}).json()["refresh_token"]
        for _ in range(FAMILIES - 1):
            assert tokens.post("/token", data=fields).status_code == 200
        assert kept(acme)[0] == FAMILIES
        assert tokens.post("/refresh", data={"refresh_token": second}).status_code == 401
        assert tokens.post("/refresh", data={"refresh_token": first}).status_code == 200


def test_a_family_keeps_few_of_its_spent_tokens(acme):
    tokens, fields = logging_in(acme, acme.server.url)
    with tokens:
        token = tokens.post("/token", data=fields).json()["refresh_token"]
        for _ in range(40):
            spent, token = token, tokens.post("/refresh", data={"refresh_token": token}).json()["refresh_token"]
        assert kept(acme)[0] == 1
        assert kept(acme)[1] < 25
        # The family still ends when a spent token comes back.
        assert tokens.post("/refresh", data={"refresh_token": spent}).status_code == 401
        assert tokens.post("/refresh", data={"refresh_token": token}).status_code == 401


def test_expired_refresh_tokens_go_at_the_next_login(acme):
    tokens, fields = logging_in(acme, acme.server.url)
    with tokens:
        for _ in range(2):
            assert tokens.post("/token", data=fields).status_code == 200
        acme.database.execute(
            """update tieline."refreshToken" set "expiresAt" = now() - interval '1 s' where "companyId" = %s""", acme.id
        )
        assert tokens.post("/token", data=fields).status_code == 200
    assert kept(acme) == (1, 1)
