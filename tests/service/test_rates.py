"""Rate limits of keys, and of addresses that fail to log in."""

import httpx
import pytest

from conftest import make_key, serving

PER_MINUTE = 5


def test_every_answer_to_a_key_says_where_its_rate_limit_stands(client):
    for path in ("/api/v2/elements", "/api/v2/elements/abc", "/company", "/nothing"):
        answer = client.get(path)
        assert int(answer.headers["x-ratelimit-limit"]) > 0
        assert int(answer.headers["x-ratelimit-remaining"]) >= 0
        assert int(answer.headers["x-ratelimit-reset"]) > 0


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/api/v2/elements", "application/problem+json"), ("/company", "application/json; charset=utf-8")],
)
def test_past_the_limit_a_key_gets_429_in_the_words_of_the_face(acme, database, path, content_type):
    secret = make_key(database, acme.id, "api.read", rateLimit=PER_MINUTE)
    with httpx.Client(base_url=acme.server.url, headers={"authorization": f"Bearer {secret}"}) as limited:
        answers = [limited.get(path) for _ in range(PER_MINUTE + 2)]
    assert [answer.status_code for answer in answers] == [200] * PER_MINUTE + [429, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0", "0"]
    refused = answers[-1]
    assert refused.headers["content-type"] == content_type
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    if "problem" in content_type:
        assert refused.json()["retryAfter"] == int(refused.headers["retry-after"])


def test_the_limit_of_one_key_is_not_anothers(acme, database):
    spent, fresh = (make_key(database, acme.id, "api.read", rateLimit=1) for _ in range(2))
    url = f"{acme.server.url}/company"
    statuses = [httpx.get(url, headers={"apikey": key}).status_code for key in (spent, spent, fresh)]
    assert statuses == [200, 429, 200]


def test_an_address_that_fails_to_log_in_too_often_has_to_wait(database, open_folder, acme):
    with serving(open_folder, database, TIELINE_FAILED_LOGINS_PER_MINUTE=str(PER_MINUTE)) as server:
        url = f"{server.url}/company"
        failed = [httpx.get(url, headers={"apikey": f"tl_{n:043}"}).status_code for n in range(PER_MINUTE + 1)]
        assert failed == [401] * PER_MINUTE + [429]
        form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "tl_" + "y" * 43}
        assert httpx.post(f"{server.url}/api/v2/auth/token", data=form).status_code == 429
        refresh = {"refresh_token": "tr_YWNtZQ.unknown"}
        assert httpx.post(f"{server.url}/api/v2/auth/refresh", data=refresh).status_code == 429
        assert httpx.get(url, headers={"authorization": "Bearer a.b.c"}).status_code == 429


def test_a_key_that_holds_passes_at_an_address_that_has_failed_too_often(database, open_folder, acme):
    with serving(open_folder, database, TIELINE_FAILED_LOGINS_PER_MINUTE="1", TIELINE_KEY_CACHE_MS="1") as server:
        wrong = {"apikey": "tl_" + "x" * 43}
        assert [httpx.get(f"{server.url}/company", headers=wrong).status_code for _ in range(3)] == [401, 429, 429]
        for key in acme.keys.values():
            for _ in range(2):
                assert httpx.get(f"{server.url}/company", headers={"apikey": key}).status_code == 200
        assert httpx.get(f"{server.url}/company", headers=wrong).status_code == 429
