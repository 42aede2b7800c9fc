"""Input that cannot be read is refused with a reason, never with a 500 and never after half a write."""

import http.client
import json
import os
import socket
import time
from urllib.parse import urlsplit

import pytest

from refusals import field_error, refused

ELEMENTS = "/api/v2/elements"
LINK = f"{ELEMENTS}/7/external-element/link"
UNLINK = f"{ELEMENTS}/7/external-element/unlink"
WRITES = [("POST", ELEMENTS), ("PATCH", f"{ELEMENTS}/7"), ("POST", LINK), ("POST", UNLINK)]
JSON = {"content-type": "application/json"}


@pytest.fixture(autouse=True)
def untouched(acme):
    """Element 7 and its system, and a check that the test has not changed them."""
    acme.has_system("crm", "https://crm.example")
    acme.has_element(7, "as it was")
    yield
    with acme.client() as reader:
        (element,) = reader.get(ELEMENTS).json()["content"]
    assert (element["id"], element["title"], element["externalElement"]) == (7, "as it was", None)
    assert acme.changes() == []


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"nonsense", b"{'title': 'x'}", b'{"title": "x"', b'{"title": "x"}}', b'{"title": "x"} {}', b"\xff\xfe{}",
        b'{"title": "\xff"}', b'{"externalId": "\xc3"}',
        b'{"externalId": "\xed\xa0\x80"}', b'{"title": NaN}', b'{"title": 01}', b'{"title": "a\x01b"}', b"\x00", b" ",
        b'{"title": "\\x"}', b"\xef\xbb\xbf{}", b'{"a" "b"}', b'{"externalId": 1e999999}'
    ],
)  # fmt: skip
def test_a_body_that_is_not_json_is_a_bad_request(client, body):
    for method, path in WRITES:
        response = client.request(method, path, content=body, headers=JSON)
        assert response.status_code == 400
        assert response.json()["type"].rsplit("/", 1)[1] in ("bad-request", "validation-failed")


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"', b"true", b"[{}]"])
def test_a_body_that_is_no_object_is_invalid(client, body):
    for method, path in WRITES:
        response = client.request(method, path, content=body, headers=JSON)
        assert field_error(response) == ("body", None, "invalid")


@pytest.mark.parametrize(("method", "path"), WRITES[:3])
def test_an_empty_body_is_a_bad_request(client, method, path):
    refused(client.request(method, path, headers=JSON), 400, "bad-request")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"title":' * 100_000,
        b'{"externalId": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"externalElement":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["open arrays", "open objects", "arrays", "objects", "unknown"],
)
def test_deep_nesting_is_refused(client, body):
    for method, path in WRITES:
        assert client.request(method, path, content=body, headers=JSON).status_code == 400


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5000, "1.5", "1e-400", "9" * 100_000])
def test_huge_numbers_are_refused(client, number):
    for path, body in ((ELEMENTS, f'{{"title": "x", "id": {number}}}'), (LINK, f'{{"externalId": {number}}}')):
        response = client.post(path, content=body, headers=JSON)
        assert response.status_code == 400
        assert len(response.content) < 2000


def test_of_a_field_given_twice_the_last_one_must_hold_too(client):
    response = client.post(LINK, content=b'{"externalId": "A", "externalId": ""}', headers=JSON)
    assert field_error(response) == ("body", "externalId", "blank")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", ELEMENTS, rb'{"title": "\ud83d"}', "title"),
        ("PATCH", f"{ELEMENTS}/7", rb'{"title": "x\udc00\ud800"}', "title"),
        ("POST", LINK, rb'{"externalElement": {"externalId": "\ud83d"}}', "externalElement.externalId"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_the_name_of_its_field(client, method, path, body, field):
    answer = client.request(method, path, content=body, headers=JSON)
    assert field_error(answer) == ("body", field, "not-storable")
    assert "half of a surrogate pair" in answer.json()["detail"]
    elsewhere = client.post(UNLINK, content=rb'{"systemUrl": "\ud83d"}', headers=JSON)
    assert elsewhere.json()["detail"] == "The request contains half of a surrogate pair, which PostgreSQL cannot store."


@pytest.mark.parametrize("text", ["a\0b", "\0"])
def test_a_nul_is_refused_wherever_it_stands(client, text):
    for method, path, body in (
        ("POST", ELEMENTS, {"title": text}),
        ("PATCH", f"{ELEMENTS}/7", {"title": text}),
        ("POST", LINK, {"externalId": text}),
        ("POST", LINK, {"link": f"https://crm.example/{text}"}),
        ("POST", LINK, {"externalId": "A", "systemUrl": text}),
        ("POST", UNLINK, {"systemUrl": text}),
    ):
        assert client.request(method, path, json=body).status_code == 400
    for query in ("externalId=%00", "externalId=A&systemUrl=%00", "cursor=%00", "size=%00", "%00=1"):
        assert client.get(f"{ELEMENTS}?{query}").status_code == 400


@pytest.mark.parametrize("query", ["externalId=%FF", "%C3=1", "externalId=%ED%A0%80", "size=%80"])
def test_a_query_that_is_not_utf8_is_a_bad_request(client, query):
    refused(client.get(f"{ELEMENTS}?{query}"), 400, "bad-request")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", "x"])
def test_a_body_of_another_type_is_unsupported(client, media_type):
    for method, path in WRITES:
        response = client.request(method, path, content=b'{"title": "x"}', headers={"content-type": media_type})
        refused(response, 415, "unsupported-media-type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/a+json"])
def test_json_goes_by_several_names(client, media_type):
    response = client.patch(f"{ELEMENTS}/7", content=b"{}", headers={"content-type": media_type})
    assert response.status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml, text/*", "application/json;q=0", "*/*;q=0", "json"])
def test_an_answer_that_the_client_does_not_take_is_not_acceptable(client, accept):
    for method, path in (("GET", ELEMENTS), ("GET", f"{ELEMENTS}/7"), *WRITES):
        response = client.request(method, path, json={"title": "y"}, headers={"accept": accept})
        refused(response, 406, "not-acceptable")


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/*", "application/json", "text/html, */*;q=0.1", "APPLICATION/JSON;q=0.001"]
)
def test_an_answer_in_json_is_acceptable_to_those_who_do_not_rule_it_out(client, accept):
    assert client.get(ELEMENTS, headers={"accept": accept}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v2/elements%0A", 404), ("/api/v2/elements/", 404), ("/api/v2//elements", 404), ("/api/v2/elements/7/", 404),
     ("/api/v2/elements/7%2Fexternal-elements", 200), ("/api/v1/elements", 404), ("/api/v2/Elements", 404),
     ("/api/v2/elements/7/external-elements%0a", 404), ("/api/v2/%FF", 404)],
)  # fmt: skip
def test_an_address_that_is_not_served_is_not_found(client, path, status):
    for method in ("GET", "POST", "DELETE"):
        response = client.request(method, path, json={"title": "x"})
        assert response.status_code == status or (status == 200 and response.status_code == 405)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_a_method_that_the_address_does_not_take_is_not_allowed(client, method):
    response = client.request(method, ELEMENTS)
    refused(response, 405, "method-not-allowed")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


# Large bodies. The limit is the setting body_bytes_max, 16 MB.


def connection(acme) -> http.client.HTTPConnection:
    address = urlsplit(acme.server.url)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=30)


def memory_bytes(process_id: int) -> int:
    with open(f"/proc/{process_id}/statm") as statm:  # noqa: PTH123 a file of the kernel
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_a_body_of_100_mb_is_refused_before_it_is_sent(acme):
    sender = connection(acme)
    sender.putrequest("POST", LINK)
    for name, value in {**JSON, "apikey": acme.keys["api.write"], "content-length": "100000000"}.items():
        sender.putheader(name, value)
    sender.endheaders()
    answer = sender.getresponse()
    assert answer.status == 413
    assert json.load(answer)["type"].endswith("/payload-too-large")
    sender.close()


def test_a_body_without_a_length_is_refused_when_it_has_grown_too_large(acme):
    before = memory_bytes(acme.server.process.pid)
    sender = connection(acme)
    sender.putrequest("POST", LINK)
    for name, value in {**JSON, "apikey": acme.keys["api.write"], "transfer-encoding": "chunked"}.items():
        sender.putheader(name, value)
    sender.endheaders()
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    for _ in range(17):
        sender.send(chunk)
    answer = sender.getresponse()
    assert answer.status == 413
    assert memory_bytes(acme.server.process.pid) - before < 100_000_000
    sender.close()


def test_a_body_just_below_the_limit_is_read(client):
    response = client.post(LINK, content=b" " * 15_000_000 + b'{"externalId": ""}', headers=JSON)
    assert field_error(response) == ("body", "externalId", "blank")


def test_a_client_that_goes_away_in_the_middle_of_its_body_changes_nothing(acme, client):
    address = urlsplit(acme.server.url)
    for _ in range(5):
        with socket.create_connection((address.hostname, address.port)) as sender:
            head = f"POST {LINK} HTTP/1.1\r\nhost: x\r\napikey: {acme.keys['api.write']}\r\ncontent-length: 20\r\n\r\n"
            sender.sendall(head.encode() + b'{"externalId": ')
    time.sleep(0.1)
    assert client.get(f"{ELEMENTS}/7").status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is empty, and JSON is expected."),
        (b'{"title": "x"', "The body is not JSON: it breaks off."),
        (b"x", "The body is not JSON: invalid character (byte 0)."),
        (b'{"title": "\xff"}', "The body is not valid UTF-8."),
        (b'{"Title": "x"}', "Title is not a field here. Did you mean title?"),
        (b'{"colour": "x"}', "colour is not a field here."),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_that_cannot_be_read_is_told_why(client, body, said):
    response = client.post(ELEMENTS, content=body, headers=JSON)
    assert (response.status_code, response.json()["detail"]) == (400, said)
