"""Large answers are compressed, for clients that accept gzip only."""

import gzip

import pytest

MAPPINGS = "/externalIntegrationMapping"


@pytest.fixture
def filled(acme):
    with acme.client() as client:
        rows = [
            {"entityType": "item", "entityId": str(n), "integration": "xero", "externalId": f"x{n}"} for n in range(600)
        ]
        client.post(MAPPINGS, json=rows).raise_for_status()
        yield client


def sent(client, limit, encoding, method="GET"):
    """An answer with the bytes of its body as they came."""
    request = client.build_request(
        method, MAPPINGS, params={"limit": limit, "order": "id"}, headers={"accept-encoding": encoding}
    )
    answer = client.send(request, stream=True)
    return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize("limit", [20, 600])
def test_a_large_answer_comes_compressed_for_who_takes_gzip(filled, limit):
    plain, expected = sent(filled, limit, "identity")
    answer, body = sent(filled, limit, "br, gzip;q=0.8")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(body) < len(expected)
    assert gzip.decompress(body) == expected
    assert "content-encoding" not in plain.headers
    # A cache must not give the one form to a client that asked for the other.
    assert [answer.headers["vary"], plain.headers["vary"]] == ["Accept, Prefer, Range, Accept-Encoding"] * 2


def test_a_small_answer_stays_as_it_is(filled):
    answer, body = sent(filled, 1, "gzip")
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(body)


@pytest.mark.parametrize("encoding", ["gzip;q=0", "br, gzip; q=0.000, identity"])
def test_a_client_that_refuses_gzip_gets_none(filled, encoding):
    answer, body = sent(filled, 20, encoding)
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(body)


def test_a_head_request_gets_the_headers_of_the_compressed_answer(filled):
    answer, body = sent(filled, 20, "gzip", "HEAD")
    assert answer.status_code == 200
    assert body == b""
