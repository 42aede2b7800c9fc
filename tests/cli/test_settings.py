"""`tieline settings`, the errors of settings, and what no message repeats."""
# ruff: noqa: F811 -- a fixture that a test takes is imported by its name

import json
import subprocess
import sys

import pytest
from installed import command, folder, new_folder, tieline  # noqa: F401 -- fixtures

from tieline.settings import Settings


def shown(ended):
    """Setting → value and source, as `tieline settings --json` prints them."""
    return {row["setting"]: (row["value"], row["source"]) for row in json.loads(ended.out)}


def sentence(ended):
    """The one sentence of a refusal."""
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1), ended
    return ended.err


def test_settings_are_shown_with_their_sources(folder):
    folder.path.mkdir()
    file = folder.path / "settings.toml"
    file.write_text("# Ours.\nport = 8500\nworkers = 3\nhost = '::1'\n")
    found = shown(folder("settings", "--json", TIELINE_WORKERS="2", TIELINE_PAGE_ROWS_MAX="7", TIELINE_HOST=""))
    assert list(found) == list(Settings.__struct_fields__)
    assert found["port"] == (8500, f"{file}, line 2")
    assert found["host"] == ("::1", f"{file}, line 4")
    assert found["workers"] == (2, "TIELINE_WORKERS")
    assert found["page_rows_max"] == (7, "TIELINE_PAGE_ROWS_MAX")
    assert found["batch_rows_max"] == (10_000, "default")
    assert found["data_dir"] == (str(folder.path), "TIELINE_DATA_DIR")
    option = folder("settings", "--data-dir", folder.path / "other").out.splitlines()
    assert f"data_dir\t{folder.path / 'other'}\t--data-dir" in option


def test_passwords_in_settings_are_masked(folder):
    dsn = "postgresql://ann:pa55w%2Ford@db.example:5433/tieline?sslmode=require&sslpassword=pa55w"
    ended = folder("settings", "--json", TIELINE_DATABASE_URL=dsn)
    value, source = shown(ended)["database_url"]
    assert source == "TIELINE_DATABASE_URL"
    assert set(value.split()) == {
        "host=db.example",
        "port=5433",
        "user=ann",
        "password=***",
        "dbname=tieline",
        "sslmode=require",
        "sslpassword=***",
    }
    assert "pa55" not in ended.out + ended.err


def test_a_mistyped_variable_is_named_with_the_nearest_setting(folder):
    ended = folder("settings", TIELINE_PROT="1", TIELINE_PAGE_ROW_MAX="5", TIELINE_COLOUR="red")
    assert ended.code == 0
    assert ended.err.splitlines() == [
        "TIELINE_COLOUR is no setting and has no effect.",
        "TIELINE_PAGE_ROW_MAX is no setting and has no effect. Did you mean TIELINE_PAGE_ROWS_MAX?",
        "TIELINE_PROT is no setting and has no effect. Did you mean TIELINE_PORT?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host = 'x'\nprot = 1\n", "{file}, line 2: there is no setting prot. Did you mean port?"),
        ("\n[server]\nport = 1\n", "{file}, line 2: there is no setting server."),
        ("'port' = 70000\n", "{file}, line 1: the setting port is 70000; it must be from 1 to 65535."),
        ("port = 0\n", "{file}, line 1: the setting port is 0; it must be from 1 to 65535."),
        ("workers = -1\n", "{file}, line 1: the setting workers is -1; it must be at least 1."),
        ("workers = 1.5\n", "{file}, line 1: the setting workers must be a whole number, not 1.5."),
        ("host = 1\n", "{file}, line 1: the setting host must be a text, not 1."),
        ("log_format = 'xml'\n", "{file}, line 1: the setting log_format must be json or console, not 'xml'."),
        (
            "host = 'x'\nport\n",
            "The settings file {file} is not TOML: Expected '=' after a key in a key/value pair (at",
        ),
        ("host = 'x'\n# \udcff\n", "{file}, line 2: the settings file is not UTF-8 text."),
    ],
)
def test_an_error_in_a_settings_file_names_the_file_and_the_line(folder, text, expected):
    file = folder.path.parent / "ours.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert sentence(folder("settings", "--settings", file)).startswith(expected.format(file=file))


def test_a_port_that_cannot_be_is_refused_before_anything_starts(folder):
    for given in ("0", "-1", "65536", "99999", "4294967296"):
        refused = sentence(folder("serve", f"--port={given}"))
        assert refused == f"--port: the setting port is {given}; it must be from 1 to 65535.\n"
    assert sentence(folder("migrate", TIELINE_PORT="8x")) == (
        "TIELINE_PORT: the setting port must be a whole number, not '8x'.\n"
    )
    assert not folder.path.exists()


MISTAKES = [
    "postgresql://zoe:pa55 w0rd@db/tieline",
    "postgresql://zoe:pa55/w0rd@db/tieline",
    "postgresql://zoe:pa55@w0rd@127.0.0.1:1/tieline",
    "postgresql://zoe:pa55%zzw0rd@db/tieline",
    "postgresql://zoe:pa55%00w0rd@db/tieline",
    "postgresql://zoe:pa55w0rd@[::1/tieline",
    "postgresql://zoe:pa55w0rd@db:five/tieline",
    "postgresql://zoe:pa55w0rd@db/tieline?sslmod=require",
    "postgresql:/zoe:pa55w0rd@db/tieline",
    "mysql://zoe:pa55w0rd@db/tieline",
    " postgresql://zoe:pa55w0rd@db/tieline",
    "zoe:pa55w0rd@db/tieline",
    "host=db password=pa55 w0rd user=zoe",
    "host=db password=pa55 w0rd=x user=zoe",
    "host=db password='pa55w0rd",
    "host=db sslmod=require password=pa55w0rd",
]

PROGRAM = """
import sys
from tieline.cli.main import run
for dsn in sys.stdin.read().splitlines():
    for command in (["settings"], ["company", "list"], ["doctor"], ["migrate"]):
        sys.argv = ["tieline", *command, "--database-url", dsn]
        print("code", run())
        print("--", file=sys.stderr)
"""


def test_a_connection_string_with_a_mistake_is_never_repeated(folder):
    """In one process for all of them: each is a command of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join(MISTAKES),
        capture_output=True,
        text=True,
        check=True,
        env=folder.environment({}),
    )
    codes = [line for line in done.stdout.splitlines() if line.startswith("code")]
    assert codes == ["code 1"] * (4 * len(MISTAKES))
    for piece in ("pa55", "w0rd", "zoe"):
        assert piece not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    said = done.stdout + done.stderr
    assert said.count("--database-url: the connection string of the database cannot be read. ") == len(codes)
    assert said.count("Did you mean sslmode?") == 8


def test_a_database_that_cannot_be_found_is_named_without_the_password(folder):
    dsn = "postgresql://ann:pa55w0rd@nowhere.invalid/tieline"
    for ended in (folder("company", "list", TIELINE_DATABASE_URL=dsn), folder("doctor", TIELINE_DATABASE_URL=dsn)):
        assert ended.code == 1
        assert "nowhere.invalid" in ended.out + ended.err
        assert "pa55" not in ended.out + ended.err


def test_a_text_that_is_not_utf_8_is_a_sentence(command):
    refused = sentence(command("company", "add", "acme\udce9"))
    assert refused.startswith("A text that was given is not UTF-8")
