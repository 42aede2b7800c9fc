# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
import json
import secrets
import subprocess

import pytest
from installed import command, company, new_folder, tieline  # noqa: F401 -- fixtures

LISTS = [
    ("company", "list"),
    ("key", "list"),
    ("system", "list", "--company", "COMPANY"),
    ("doctor",),
]
COMMANDS = [
    ("serve",),
    ("migrate",),
    ("doctor",),
    ("psql",),
    ("company", "add"),
    ("company", "list"),
    ("company", "remove"),
    ("backup",),
    ("restore",),
    ("settings",),
    ("key", "create"),
    ("key", "list"),
    ("key", "revoke"),
    ("system", "set"),
    ("system", "list"),
    ("system", "remove"),
    ("token", "rotate-key"),
    ("import",),
    ("export",),
    ("--install-completion",),
]


def refused(ended):
    """The sentence of wrong usage, which is one line on standard error."""
    assert (ended.code, ended.out) == (2, "")
    [line] = ended.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["imprt"], "import"),
        (["exprt"], "export"),
        (["Serve"], "serve"),
        (["compnay", "list"], "company"),
        (["keys"], "key"),
        (["key", "creat"], "create"),
        (["company", "lst"], "list"),
        (["key", "create", "--compny", "acme", "--company", "a"], "--company"),
        (["serve", "--prot", "1"], "--port"),
        (["serve", "--worker=2"], "--workers"),
        (["import", "--dry-ran", "x"], "--dry-run"),
        (["import", "--on-conflct=move", "x"], "--on-conflict"),
        (["import", "x", "--company", "a", "--what", "mappins"], '"mappings"'),
    ],
)
def test_a_mistyped_command_or_option_gets_the_nearest_name(command, given, meant):
    line = refused(command(*given))
    assert f"Did you mean {meant}" in line


def test_an_unknown_command_gets_all_the_names(command):
    line = refused(command("frobnicate"))
    assert line.startswith("There is no command 'frobnicate'. The commands are ")
    for name in ("serve", "import", "export", "doctor", "key", "company", "system"):
        assert name in line


def test_an_argument_too_many_is_named(command):
    line = refused(command("company", "list", "acme"))
    assert line == "There is no place for 'acme' in this command; --help shows its form."


def test_arguments_of_commands_are_not_read_from_the_environment(command, database):
    name = f"co-{secrets.token_hex(6)}"
    others = {"TIELINE_ID": "elsewhere", "TIELINE_NAME": "Elsewhere", "TIELINE_JSON": "true"}
    added = command("company", "add", name, **others)
    assert (added.code, added.out) == (0, f"Added the company {name}.\n")
    assert database.execute("select name from tieline.company where id = %s", name) == [(name,)]
    assert refused(command("company", "add", TIELINE_ID=name)).endswith("requires an argument.")
    without = refused(command("import", "--what", "mappings", TIELINE_FILE="x", TIELINE_COMPANY=name))
    assert "--company" in without or "FILE" in without


def test_a_dry_run_is_not_read_from_the_environment(command, company, database):
    text = "entityType,entityId,integration,externalId\nitem,1,xero,A\n"
    arguments = ("import", "-", "--company", company, "--what", "mappings", "--format", "csv")
    assert command(*arguments, stdin=text, TIELINE_DRY_RUN="true", TIELINE_REPORT="/nowhere/x.csv").code == 0
    count = 'select count(*) from tieline."externalIntegrationMapping" where "companyId" = %s'
    assert database.execute(count, company) == [(1,)]


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_every_option_has_a_help_text_and_shows_its_default(command, name):
    page = command(*name, "--help", COLUMNS="400")
    assert page.code == 0
    rows = [line.strip("│ ") for line in page.out.splitlines() if line.startswith("│")]
    assert rows
    for row in rows:
        words = [word for word in row.split() if not word.startswith(("-", "*")) and not word.isupper()]
        assert words[0][0] != "[", f"no help text: {row}"
        assert "[required]" in row or "[default:" in row or row.startswith("ARGUMENTS"), row
        assert "TIELINE_" not in row or row.split("TIELINE_")[1].split("]")[0] in (
            "DATA_DIR",
            "DATABASE_URL",
            "SETTINGS",
            "HOST",
            "PORT",
            "WORKERS",
        )


@pytest.mark.parametrize("name", LISTS, ids=" ".join)
def test_lists_are_printed_as_json_on_request(command, company, name):
    command("system", "set", "xero", "--company", company)
    command("key", "create", "--company", company)
    listed = command(*(company if word == "COMPANY" else word for word in name), "--json")
    rows = json.loads(listed.out)
    assert rows
    assert all(isinstance(row, dict) for row in rows)


def test_a_new_key_is_printed_with_its_id_on_request(command, company, database):
    made = command("key", "create", "--company", company, "--name", "shop", "--json")
    key = json.loads(made.out)
    assert database.execute('select id, "keyPreview" from tieline."apiKey" where "companyId" = %s', company) == [
        (key["id"], key["key"][:7] + "…")
    ]
    assert (key["companyId"], key["name"]) == (company, "shop")
    assert command("key", "revoke", key["id"]).code == 0


def completions(script, *words):
    """The words that bash offers for the last of these words, by the installed script."""
    typed = " ".join(words)
    quoted = " ".join(f"'{word}'" for word in words)
    program = (
        f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{typed}'; "
        f'COMP_POINT={len(typed)}; $(complete -p tieline | sed "s/.*-F //; s/ .*//"); '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, check=True)
    return {word.strip() for word in done.stdout.splitlines()}


def test_bash_completes_commands_options_and_choices(command, tmp_path):
    installed = command("--install-completion", "--shell", "bash", HOME=str(tmp_path))
    script = tmp_path / ".local/share/bash-completion/completions/tieline"
    assert (installed.code, str(script) in installed.out) == (0, True)
    assert str(script) in (tmp_path / ".bashrc").read_text()
    assert "import" in completions(script, "tieline", "im")
    assert {"create", "list", "revoke"} <= completions(script, "tieline", "key", "")
    assert {"--company", "--scope"} <= completions(script, "tieline", "key", "create", "--")
    assert completions(script, "tieline", "key", "create", "--scope", "api.w") == {"api.write"}


@pytest.mark.parametrize(
    ("shell", "place"),
    [("zsh", ".zsh/completions/_cyclopts_tieline"), ("fish", ".config/fish/completions/tieline.fish")],
)
def test_the_completion_of_other_shells_goes_where_they_look_for_it(command, tmp_path, shell, place):
    assert command("--install-completion", "--shell", shell, HOME=str(tmp_path), ZSH="", ZSH_CUSTOM="").code == 0
    text = (tmp_path / place).read_text()
    assert "rotate-key" in text
    assert "on-conflict" in text
