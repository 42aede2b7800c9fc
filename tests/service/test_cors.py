"""Pages of other origins: those that the setting names may call, the others are told which setting names none."""

import httpx
import pytest

from conftest import serving

PAGE = "https://app.example"
# What supabase-js makes a browser ask.
PREFLIGHT = {
    "access-control-request-method": "GET",
    "access-control-request-headers": "apikey,authorization,prefer,x-client-info",
}
PATHS = ["/rest/v1/externalIntegrationMapping", "/externalSystem", "/api/v2/elements", "/api/v2/auth/token", "/nowhere"]


def ask(server, path: str, origin: str, **headers: str) -> httpx.Response:
    return httpx.options(server.url + path, headers={**PREFLIGHT, "origin": origin, **headers})


@pytest.fixture(scope="module")
def open_to_a_page(database, open_folder):
    """A server that a page of one origin may call. Browsers name origins without the slash."""
    with serving(open_folder, database, TIELINE_CORS_ORIGINS=f"{PAGE}/, http://localhost:5173") as running:
        yield running


def is_refused(answer: httpx.Response, origin: str) -> bool:
    said = answer.json()
    message = said.get("detail") or said["message"]
    is_told = f"pages of {origin} may not" in message and "cors_origins" in message
    return (answer.status_code, is_told, "access-control-allow-origin" in answer.headers) == (403, True, False)


@pytest.mark.parametrize("path", PATHS)
def test_without_the_setting_a_preflight_is_told_which_setting_it_is(server, path):
    assert is_refused(ask(server, path, PAGE), PAGE)


@pytest.mark.parametrize("path", PATHS)
def test_with_the_setting_a_preflight_of_another_origin_is_told_the_same(open_to_a_page, path):
    other = "https://other.example"
    assert is_refused(ask(open_to_a_page, path, other), other)
    assert is_refused(ask(open_to_a_page, path, other, **{"x-forwarded-for": "192.0.2.1"}), other)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_an_allowed_origin_may_call_with_the_headers_of_the_public_clients(open_to_a_page, path):
    answer = ask(open_to_a_page, path, PAGE)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert {name.strip() for name in answer.headers["access-control-allow-headers"].lower().split(",")} >= set(
        PREFLIGHT["access-control-request-headers"].split(",")
    )


def test_the_answer_itself_names_the_origin_and_shows_the_headers_that_clients_read(open_to_a_page, acme):
    headers = {"origin": PAGE, "apikey": acme.keys["api.read"]}
    answer = httpx.get(f"{open_to_a_page.url}/externalSystem", headers=headers)
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "Content-Range" in answer.headers["access-control-expose-headers"]


def test_options_without_a_page_still_ask_which_methods_there_are(client):
    assert client.options("/externalSystem").headers["allow"] == "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
    assert httpx.options(client.base_url.join("/externalSystem")).status_code == 401
