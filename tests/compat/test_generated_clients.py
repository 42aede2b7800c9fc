"""Both descriptions pass a linter, and the clients that generators make of them call a running server."""

import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

GENERATORS = Path(__file__).parent / "generators"
NODE, NPM = shutil.which("node"), shutil.which("npm")
SECONDS_MAX = 300
FACES = {"element": "/api/v2/openapi.json", "mapping": "/"}
# Further descriptions: a key that only reads gets one without writes.
LINTED = (*FACES, "reading")


@pytest.fixture
def documents(acme, tmp_path):
    """A folder with both descriptions for a key that writes, and that of the mapping face for one that only reads."""
    for name, path, scope in (*((*face, "api.write") for face in FACES.items()), ("reading", "/", "api.read")):
        headers = {"apikey": acme.keys[scope], "accept": "application/json"}
        (tmp_path / f"{name}.json").write_bytes(httpx.get(acme.server.url + path, headers=headers).content)
    return tmp_path


def run(folder: Path, *command: object, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def key_id(company) -> str:
    return company.database.execute(
        """select id from tieline."apiKey" where "companyId" = %s and name = 'api.write'""", company.id
    )[0][0]


@pytest.fixture
def generated(documents, monkeypatch):
    """The packages that openapi-python-client makes, without a word about parts that it left out."""
    (documents / "config.yml").write_text("post_hooks: []\n")
    name = f"generated_{documents.name.replace('-', '_')}"
    (documents / name).mkdir()
    for face in FACES:
        said = run(
            documents, Path(sys.executable).with_name("openapi-python-client"), "generate", "--meta", "none",
            "--path", f"{face}.json", "--output-path", f"{name}/{face}", "--config", "config.yml",
        )  # fmt: skip
        assert "arning" not in said, said
    monkeypatch.syspath_prepend(documents)
    yield name
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def test_every_module_of_the_python_clients_is_imported(generated):
    for face in FACES:
        package = importlib.import_module(f"{generated}.{face}")
        modules = [module.name for module in pkgutil.walk_packages(package.__path__, f"{generated}.{face}.")]
        assert len(modules) > 30
        for module in modules:
            importlib.import_module(module)


def test_the_python_client_of_the_element_face_links_lists_unlinks_and_gets_tokens(generated, acme):
    acme.has_system("cms", "https://cms.example", default=True)
    acme.has_element(7)

    def api(name: str):
        return importlib.import_module(f"{generated}.element.api.{name}").sync

    models = importlib.import_module(f"{generated}.element.models")
    clients = importlib.import_module(f"{generated}.element")
    with clients.AuthenticatedClient(base_url=acme.server.url, token=acme.keys["api.write"]) as client:
        link, unlink = api("external_systems.link"), api("external_systems.unlink")
        nested = models.NestedLink(models.ExternalElement(external_id="A"))
        assert link(7, client=client, body=nested).external_element.external_id == "A"
        changed = link(7, client=client, body=models.LinkByAddress(link="https://cms.example/a"))
        assert changed.to_dict() == {
            "externalElement": {"externalId": "A", "link": "https://cms.example/a"},
            "systemUrl": "https://cms.example",
        }
        assert api("external_systems.list_bindings")(7, client=client) == [changed]
        assert unlink(7, client=client) == changed
        assert unlink(7, client=client).status == 404
    with clients.Client(base_url=acme.server.url) as client:
        own = {"client_id": key_id(acme), "client_secret": acme.keys["api.write"]}
        asked = models.TokenRequest(models.TokenRequestGrantType.CLIENT_CREDENTIALS, **own)
        token = api("tokens.issue_token")(client=client, body=asked)
        assert token.scope == "api.read api.write"
        request = models.RefreshRequest(token.refresh_token)
        again = api("tokens.refresh_token")(client=client, body=request)
        assert again.access_token != token.access_token
        assert api("tokens.revoke_token")(client=client, body=models.RevokeRequest(again.access_token, **own))


def row(models, n: int):
    return models.ExternalIntegrationMappingWrite(
        entity_type="item", entity_id=str(n), integration="crm", external_id=f"C{n}"
    )


def mapping_api(generated: str, name: str):
    return importlib.import_module(f"{generated}.mapping.api.{name}").sync


@pytest.fixture
def caller(generated, acme):
    """A generated client of the mapping face."""
    made = importlib.import_module(f"{generated}.mapping")
    with made.AuthenticatedClient(base_url=acme.server.url, token=acme.keys["api.write"]) as client:
        yield client


def test_the_python_client_of_the_mapping_face_inserts_lists_and_changes(generated, caller, acme):
    models = importlib.import_module(f"{generated}.mapping.models")
    table = "external_integration_mapping"
    insert, read, update, delete = (
        mapping_api(generated, f"{table}.{verb}_{table}") for verb in ("insert", "read", "update", "delete")
    )
    # Nothing was asked for, so nothing comes.
    assert insert(client=caller, body=row(models, 1)) == ""
    shown = insert(client=caller, body=[row(models, 2), row(models, 3)], prefer="return=representation")
    assert [one["externalId"] for one in json.loads(shown)] == ["C2", "C3"]
    assert insert(client=caller, body=row(models, 1)).code == "23505"
    found = read(client=caller, entity_id="in.(1,2)", order="entityId")
    assert [one.external_id for one in found] == ["C1", "C2"]
    assert found[0].company_id == acme.id
    [narrow] = read(client=caller, entity_id="eq.1", select="externalId")
    assert narrow.to_dict() == {"externalId": "C1"}
    assert update(client=caller, body=row(models, 9), entity_id="eq.3") is None
    assert delete(client=caller, entity_id="eq.9") is None


def test_the_python_client_of_the_mapping_face_calls_functions(generated, caller, acme):
    models = importlib.import_module(f"{generated}.mapping.models")

    def ask(name: str, **arguments: object):
        return mapping_api(generated, f"rpc_{name}.ask_rpc_{name}")(client=caller, **arguments)

    def call(name: str, body):
        return mapping_api(generated, f"rpc_{name}.call_rpc_{name}")(client=caller, body=body)

    landed = call("link_many", models.LinkManyArguments([row(models, 1), row(models, 4)]))
    assert [one.outcome for one in landed] == ["created", "created"]
    asked = ask("resolve", integration="crm", external_ids=["C1", "none"])
    assert [one.status for one in asked] == ["linked", "unknown"]
    places = models.LocateArguments(integration="crm", entity_type="item", entity_ids=["1"])
    assert [one.external_id for one in call("locate", places)] == ["C1"]
    assert ask("whoami").company_id == acme.id
    [seen] = ask("crosswalk", entity_type="item", entity_ids=["1"])
    assert seen.links["crm"]["externalId"] == "C1"
    ids = models.UnlinkManyArguments(integration="crm", entity_type="item", entity_ids=["4", "none"])
    assert [one.outcome for one in call("unlink_many", ids)] == ["deleted", "unknown"]
    [item] = ask("coverage", entity_type="item")
    assert item.entities == 1


@pytest.mark.skipif(NODE is None or NPM is None, reason="node is not installed")
def test_redocly_finds_nothing_and_the_typescript_clients_are_type_checked_and_call(documents, acme):
    acme.has_system("cms", "https://cms.example", default=True)
    for file in GENERATORS.iterdir():
        if file.is_file():
            shutil.copy(file, documents)
    run(documents, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    programs = documents / "node_modules" / ".bin"
    for face in LINTED:
        said = run(documents, programs / "redocly", "lint", f"{face}.json")
        assert "Your API description is valid" in said, said
        assert "warning" not in said.lower().replace("deprecation warning", ""), said
        run(documents, programs / "openapi-typescript", f"{face}.json", "--output", f"{face}.d.ts")
    run(documents, programs / "tsc")
    caller = {"TIELINE_URL": acme.server.url, "TIELINE_KEY": acme.keys["api.write"], "KEY_ID": key_id(acme)}
    run(documents, NODE, "built/calls.js", **caller)
