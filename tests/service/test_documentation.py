"""The documentation and the descriptions of the service agree with what it does."""

import base64
import hashlib
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from documents import ROOT
from tieline import problems
from tieline.web import element_openapi, pages, routes
from tieline.web.face import Face

KEPT = ROOT / "docs" / "element-api.openapi.json"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES_MAX = 25


def test_the_kept_description_of_the_element_face_is_the_served_one(server):
    served = httpx.get(f"{server.url}/api/v2/openapi.json").json()
    assert served == json.loads(KEPT.read_text()) == element_openapi.describe()


def test_every_endpoint_of_the_element_face_is_described():
    described = {
        (path, method.upper())
        for path, methods in element_openapi.describe()["paths"].items()
        for method in methods
        if method != "parameters"
    }
    served = {
        (endpoint.path, method)
        for endpoint in routes.ENDPOINTS
        for method in endpoint.methods
        if endpoint.face is Face.ELEMENT and not endpoint.path.endswith("openapi.json")
    }
    assert described == served


def test_schemathesis_finds_nothing_wrong_with_the_element_face(acme):
    acme.has_system("crm", "https://crm.example", default=True)
    acme.has_element(1)
    command = [Path(sys.executable).with_name("st"), "--config-file", CONFIGURATION]
    command += ["run", f"{acme.server.url}/api/v2/openapi.json", "--checks", "all", "-n", str(EXAMPLES_MAX)]
    command += ["--phases", "examples,coverage,fuzzing", "-H", f"Authorization: Bearer {acme.keys['api.admin']}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=acme.server.log.parent,
        # The folder of its hooks.
        env={**os.environ, "PYTHONPATH": str(CONFIGURATION.parent)},
    )
    assert done.returncode == 0, done.stdout


PAGES = ["/docs", "/docs/reference", "/docs/search?q=key", *(f"/docs/{name}" for name in pages.GUIDES)]


@pytest.mark.parametrize("path", PAGES)
def test_the_documentation_is_readable_in_a_browser_without_outside_assets(server, path):
    page = httpx.get(server.url + path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<(script|img|link|iframe)\b| style=", page.text)


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_of_a_page_admits_its_stylesheet_alone(server, path):
    page = httpx.get(server.url + path)
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_title_which_its_window_shows_too(server, path):
    page = httpx.get(server.url + path).text
    titles = re.findall(r"<h1[^>]*>(.*?)(?: <a |</h1>)", page)
    assert len(titles) == 1
    assert re.search(r"<title>(.*?) · Tieline</title>", page)[1] == titles[0]


def test_each_heading_has_an_address_of_its_own(server):
    page = httpx.get(f"{server.url}/docs/mapping-api").text
    headings = re.findall(r'<h[2-4] id="([^"]+)">', page)
    assert {"filters", "link_many"} <= set(headings)
    assert len(headings) == len(set(headings)) == len(re.findall(r"<h[2-4]", page))


def test_code_is_highlighted(server):
    page = httpx.get(f"{server.url}/docs/recipes").text
    assert '<span class="kn">import</span>' in page
    assert '<span class="kd">const</span>' in page


def test_the_reference_shows_both_faces(server):
    page = httpx.get(f"{server.url}/docs/reference").text
    assert "/api/v2/elements/{id}/external-element/link" in page
    assert "/externalIntegrationMapping" in page


def test_the_first_page_leads_to_all_others(server):
    page = httpx.get(f"{server.url}/docs").text
    assert {f"/docs/{name}" for name in (*pages.GUIDES, "reference")} <= set(re.findall(r'href="(/docs/[^"#]*)"', page))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("allowDuplicateExternalId", "/docs/mapping-api#"),
        ("UNLINK historical", "/docs/from-kordiam#"),
        ("refresh_token", "/docs/element-api#tokens"),
    ],
)
def test_the_search_finds_the_sections_that_have_all_words(server, words, found):
    page = httpx.get(f"{server.url}/docs/search", params={"q": words}).text
    assert found in page
    assert re.search(f"<mark>{words.split()[0]}</mark>", page, re.IGNORECASE)


def test_a_hit_of_the_search_shows_the_sentence_of_the_page_and_whole_words(server):
    page = httpx.get(f"{server.url}/docs/search", params={"q": "PgBouncer"}).text
    assert "<p>Between Tieline and a PostgreSQL of your own: see Operations.</p>" in page
    assert re.search(r"tested with <mark>PgBouncer</mark>[^<]*\S …</p>", page)


@pytest.mark.parametrize("query", ["", "q=", "q=nothing+has+this", "q=%00%ff%F0%9F", "q=" + "a+" * 5000, "&" * 9000])
def test_a_search_that_finds_nothing_or_cannot_be_read_is_a_page_too(server, query):
    assert httpx.get(f"{server.url}/docs/search?{query}").status_code == 200


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_a_browser_at_the_services_address_gets_to_the_documentation(server):
    page = httpx.get(server.url, headers={"accept": BROWSER}, follow_redirects=True)
    assert page.url.path == "/docs"
    assert page.status_code == 200


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/openapi+json, */*", "text/html;q=0"])
def test_other_clients_get_the_description_there(acme, accept):
    with acme.client() as client:
        answer = client.get("/", headers={} if accept is None else {"accept": accept})
    assert answer.status_code in {200, 406}
    assert answer.status_code == 406 or "paths" in answer.json()


def test_the_search_shows_its_words_as_text(server):
    page = httpx.get(f"{server.url}/docs/search", params={"q": '"><b>key'}).text
    assert "<b>" not in page


def test_links_of_the_documentation_lead_somewhere(server):
    broken = set()
    for name in pages.GUIDES:
        page = httpx.get(f"{server.url}/docs/{name}").text
        for target in set(re.findall(r'href="(/docs[^"#]*)', page)):
            if httpx.get(server.url + target).status_code != 200:
                broken.add((name, target))
        anchors = set(re.findall(r'id="([^"]*)"', page))
        broken |= {(name, f"#{anchor}") for anchor in re.findall(r'href="#([^"]*)"', page) if anchor not in anchors}
    assert not broken


@pytest.mark.parametrize("slug", sorted(problems.TITLES))
def test_the_type_of_every_problem_is_the_address_of_a_page_that_says_how_to_mend_it(server, slug):
    page = httpx.get(f"{server.url}/docs/errors/{slug}")
    assert page.status_code == 200
    assert problems.TITLES[slug] in html.unescape(page.text)
    assert "What happened" in page.text


def test_an_unknown_page_is_not_there(server):
    assert httpx.get(f"{server.url}/docs/nothing").status_code == 404
    assert httpx.get(f"{server.url}/docs/errors/nothing").status_code == 404
