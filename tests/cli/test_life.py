"""The embedded database and the server on it: starts, ends, crashes, company."""
# ruff: noqa: F811 -- a fixture that a test takes is imported by its name

import os
import signal
import stat
import time

import httpx
import psutil
import pytest
from installed import folder, new_folder, tieline  # noqa: F401 -- fixtures

from conftest import free_port


def elements(url, key):
    return httpx.get(f"{url}/api/v2/elements", headers={"authorization": f"Bearer {key}"})


def wait_until(is_so, seconds=30):
    """Wait for something that other processes do."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_a_company_and_a_key_that_only_its_owner_reads(folder):
    server = folder.start()
    file = folder.path / "admin.key"
    assert mode(file) == 0o600
    assert f"is in {file}" in server.log.read_text()
    key = file.read_text().strip()
    assert elements(server.url, key).status_code == 200
    assert key not in server.log.read_text()
    assert folder("company", "list").out.startswith("default\tdefault\t")
    assert server.stop() == 0


def test_the_next_start_keeps_what_is_there(folder):
    folder.start().stop()
    key = (folder.path / "admin.key").read_text()
    folder("company", "add", "acme")
    server = folder.start()
    assert (folder.path / "admin.key").read_text() == key
    assert elements(server.url, key.strip()).status_code == 200
    assert "The registry is new" not in server.log.read_text()


def test_commands_work_beside_a_running_server_and_leave_it_running(folder):
    server = folder.start()
    assert folder("company", "add", "acme").code == 0
    key = folder("key", "create", "--company", "acme").out.strip()
    assert elements(server.url, key).status_code == 200


def test_a_second_server_on_a_data_folder_says_so_and_exits_1(folder):
    server = folder.start()
    second = folder("serve", "--port", free_port())
    assert (second.code, second.out) == (1, "")
    assert second.err == f"Another tieline serves the data folder {folder.path} already.\n"
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_port_that_is_taken_is_a_sentence(folder, new_folder):
    server = folder.start()
    port = server.url.rpartition(":")[2]
    second = new_folder("second")("serve", "--port", port)
    assert (second.code, second.err.count("\n")) == (1, 2)
    assert port in second.err.splitlines()[-1]


def test_a_server_that_was_killed_leaves_a_folder_that_the_next_one_takes_over(folder):
    server = folder.start()
    folder("company", "add", "acme")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    again = folder.start()
    assert "acme" in folder("company", "list").out
    assert again.stop() == 0
    assert not (folder.path / "postgres" / "postmaster.pid").exists()


def test_a_database_that_was_killed_recovers_at_the_next_start(folder):
    server = folder.start()
    folder("company", "add", "acme")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    killed = folder.postmaster()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(killed))
    folder.start()
    assert "acme" in folder("company", "list").out


def test_a_database_that_is_killed_under_a_server_comes_back(folder):
    server = folder.start()
    key = (folder.path / "admin.key").read_text().strip()
    os.kill(folder.postmaster(), signal.SIGKILL)
    wait_until(lambda: elements(server.url, key).status_code == 200)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the database as another user")
def test_root_does_not_open_a_closed_folder_but_says_so(new_folder):
    folder = new_folder("closed/data")
    parent = folder.path.parent
    parent.mkdir(mode=0o700)
    refused = folder("migrate")
    assert (refused.code, refused.out) == (1, "")
    assert f"may not enter {parent}" in refused.err
    assert mode(parent) == 0o700
    assert list(parent.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the database as another user")
def test_root_leaves_the_modes_of_folders_above_as_they_are(new_folder):
    folder = new_folder("passable/data")
    parent = folder.path.parent
    parent.mkdir()
    parent.chmod(0o711)
    above = mode(parent.parent)
    assert folder("migrate").code == 0
    assert (mode(parent), mode(parent.parent), mode(folder.path)) == (0o711, above, 0o711)


def test_an_option_beats_the_environment_and_that_the_settings_file(new_folder):
    folder = new_folder()
    assert folder("migrate").code == 0
    (folder.path / "settings.toml").write_text("port = 1\nworkers = 0\n")
    refused = folder("company", "list")
    sentence = f"{folder.path / 'settings.toml'}, line 2: the setting workers is 0; it must be at least 1.\n"
    assert (refused.code, refused.err) == (1, sentence)
    (folder.path / "settings.toml").write_text("port = 1\n")
    # The file gives port 1, the environment port 2, and the option a free one.
    server = folder.start(TIELINE_PORT="2")
    assert not server.url.endswith((":1", ":2"))
    assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("workers = 2\ncolour = 1\n", "other.toml, line 2: there is no setting colour."),
        ("port = 'x'\n", "other.toml, line 1: the setting port must be a whole number, not 'x'."),
        ("port =\n", "other.toml is not TOML"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_a_sentence(folder, text, sentence):
    folder.path.mkdir()
    file = folder.path.parent / "other.toml"
    file.write_text(text)
    refused = folder("migrate", "--settings", file)
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert sentence in refused.err


@pytest.mark.parametrize(
    ("arguments", "environment", "source"),
    [
        ([], {"TIELINE_WORKERS": "0"}, "TIELINE_WORKERS"),
        ([], {"TIELINE_PAGE_ROWS_MAX": "0"}, "TIELINE_PAGE_ROWS_MAX"),
        (["--workers", "0"], {"TIELINE_WORKERS": "2"}, "--workers"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_source(folder, arguments, environment, source):
    refused = folder("serve", *arguments, **environment)
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert refused.err.startswith(f"{source}: the setting ")


def test_a_database_that_cannot_be_reached_is_a_sentence_without_the_password(folder):
    refused = folder("company", "list", "--database-url", "postgresql://ann:pa55word@127.0.0.1:1/none")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("The database cannot be used: ")
    assert "pa55word" not in refused.err


def test_psql_opens_the_database_of_the_folder(folder):
    folder("company", "add", "acme")
    assert folder("psql", "--", "-Atc", "select id from tieline.company").out == "acme\n"


def test_doctor_finds_nothing_in_a_fresh_registry_and_what_is_broken_later(folder):
    before = folder("doctor")
    assert (before.code, "tieline migrate" in before.out) == (1, True)
    folder("migrate")
    assert folder("doctor").code == 0
    folder("psql", "--", "-c", 'drop index tieline."externalIntegrationMapping_externalId_idx"')
    broken = folder("doctor")
    assert (broken.code, "externalIntegrationMapping_externalId_idx" in broken.out) == (1, True)


def test_doctor_finds_counts_that_are_not_those_of_the_mappings(folder):
    folder("company", "add", "acme")
    row = """insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)
        values ('acme', 'item', %s, 'xero')"""
    folder("psql", "--", "-c", row.replace("%s", "'1'"))
    assert folder("doctor").code == 0
    # As a restore without triggers would.
    folder("psql", "--", "-c", "set session_replication_role = replica", "-c", row.replace("%s", "'2'"))
    found = folder("doctor")
    assert (found.code, "not those of the mappings: acme" in found.out) == (1, True)
    folder("psql", "--", "-c", "select set_config('tieline.company', 'acme', false), tieline.recount('acme')")
    assert folder("doctor").code == 0
