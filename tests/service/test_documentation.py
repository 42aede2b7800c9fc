"""The documentation and the descriptions of the service agree with what it does."""

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
from tieline.web import docs, element_openapi, routes
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


@pytest.mark.parametrize("path", ["/docs", *(f"/docs/{name}" for name in docs.GUIDES)])
def test_the_documentation_is_readable_in_a_browser_without_outside_assets(server, path):
    page = httpx.get(server.url + path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<(script|img|link|iframe)\b", page.text)


def test_the_first_page_shows_both_faces(server):
    page = httpx.get(f"{server.url}/docs").text
    assert "/api/v2/elements/{id}/external-element/link" in page
    assert "/externalIntegrationMapping" in page


def test_links_of_the_documentation_lead_somewhere(server):
    broken = set()
    for name in docs.GUIDES:
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
