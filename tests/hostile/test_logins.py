"""Keys that are wrong and logins without end: valid keys pass, also at the same address, and little is kept."""

import itertools
import secrets

import httpx
import pytest
from load import attack, neighbour, watching

from conftest import Company, make_key, serving

COMPANY = "/company"
CLIENTS = 8


@pytest.fixture(scope="module")
def guarded(database, open_folder):
    """A server with the limits that everybody has, and keys that it soon has to look up again."""
    with serving(open_folder, database, TIELINE_KEY_CACHE_MS="50") as running:
        yield running


@pytest.fixture
def at(guarded):
    """The same company at that server."""
    return lambda company: Company(company.id, guarded, company.database, company.keys)


def wrong_key() -> str:
    return "tl_" + secrets.token_urlsafe(32)


@pytest.mark.parametrize("wrong", [wrong_key, lambda: f"{secrets.token_hex(20)}.e30.x"], ids=["keys", "tokens"])
def test_wrong_keys_without_end_lock_out_no_valid_key_of_the_same_address(at, acme, other, guarded, database, wrong):
    ours, theirs = at(acme), at(other)

    def try_one(caller: httpx.Client, _number: int) -> httpx.Response:
        return caller.get(COMPANY, headers={"authorization": f"Bearer {wrong()}"})

    fresh = itertools.count()
    with watching(guarded, database) as watch, neighbour(theirs) as served:
        got = attack(ours, try_one, clients=8, seconds=3)
        # The address has failed too often by now. Keys that were never seen before pass nevertheless.
        assert got.statuses[429] > 0
        for _ in range(10):
            key = make_key(database, other.id, "api.read", name=f"fresh {next(fresh)}")
            assert httpx.get(guarded.url + COMPANY, headers={"apikey": key}).status_code == 200
    assert set(got.statuses) <= {401, 429}
    assert set(served.statuses) == {200, 201}
    watch.check()


def test_refresh_tokens_that_name_another_company_take_none_of_its_places(at, acme, other, guarded):
    ours, theirs = at(acme), at(other)
    with theirs.client() as caller:
        login = {
            "grant_type": "client_credentials",
            "client_id": other.database.execute(
                """select id from tieline."apiKey" where "companyId" = %s and name = 'api.admin'""", other.id
            )[0][0],
            "client_secret": other.keys["api.admin"],
        }
        theirs_token = caller.post("/api/v2/auth/token", data=login).json()["refresh_token"]
    named = theirs_token.partition(".")[0]

    def try_one(caller: httpx.Client, _number: int) -> httpx.Response:
        return caller.post("/api/v2/auth/refresh", data={"refresh_token": f"{named}.{secrets.token_urlsafe(32)}"})

    with neighbour(theirs) as served:
        got = attack(ours, try_one, seconds=2)
    assert set(got.statuses) <= {401, 429}
    assert set(served.statuses) == {200, 201}
    refreshed = httpx.post(f"{guarded.url}/api/v2/auth/refresh", data={"refresh_token": theirs_token})
    assert refreshed.status_code == 200


def test_logins_without_end_count_as_requests_and_leave_few_refresh_tokens(at, acme, other):
    ours, theirs = at(acme), at(other)
    slow, quick = f"key_{secrets.token_hex(8)}", f"key_{secrets.token_hex(8)}"
    logins = [
        {
            "grant_type": "client_credentials",
            "client_id": key_id,
            "client_secret": make_key(acme.database, acme.id, "api.read", id=key_id, rateLimit=limit),
        }
        for key_id, limit in ((slow, 5), (quick, None))
    ]
    with neighbour(theirs) as served:
        got = attack(
            ours,
            lambda caller, number: caller.post("/api/v2/auth/token", data=logins[number % 2]),
            seconds=3,
            clients=CLIENTS,
        )
    assert set(got.statuses) <= {200, 429}
    assert set(served.statuses) == {200, 201}
    kept = dict(
        acme.database.execute(
            """select "keyId", count(*) from tieline."refreshToken" where "companyId" = %s group by 1""", acme.id
        )
    )
    assert kept.get(slow, 0) <= 5
    # Those that came at the same moment do not see each other.
    assert kept.get(quick, 0) <= 100 + CLIENTS
