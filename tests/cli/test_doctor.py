"""`tieline doctor` is green where `tieline serve` works, and names the fault where it does not."""
# ruff: noqa: F811 -- a fixture that a test takes is imported by its name

import json
import secrets
import socket

import psycopg
import pytest
from installed import folder, new_folder, tieline  # noqa: F401 -- fixtures
from psycopg import sql
from psycopg.conninfo import make_conninfo

from conftest import free_port, new_database


def examined(folder, dsn, **environment):
    """Exit code, and the findings by their names."""
    ended = folder("doctor", "--json", TIELINE_DATABASE_URL=dsn, **environment)
    return ended.code, {row["what"]: row for row in json.loads(ended.out)}


def starts(folder, dsn):
    """The sentence with which serve refuses, on a port that is free."""
    ended = folder("serve", "--port", free_port(), TIELINE_DATABASE_URL=dsn)
    assert (ended.code, ended.out) == (1, "")
    return ended.err


@pytest.fixture
def own(postgres):
    """A migrated database of the test's own."""
    with new_database(postgres) as made:
        yield made


@pytest.fixture
def login(postgres):
    """A role that may log in and nothing more, and an empty database that it may not use yet."""
    name = f"login_{secrets.token_hex(4)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("create role {} login").format(identifier))
        conn.execute(sql.SQL("create database {}").format(identifier))
    yield name, make_conninfo(postgres, dbname=name, user=name), make_conninfo(postgres, dbname=name)
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database {} with (force)").format(identifier))
        conn.execute(sql.SQL("drop role {}").format(identifier))


def test_a_role_that_may_not_make_the_registry_is_told_what_it_lacks(folder, postgres, login):
    name, theirs, owners = login
    code, found = examined(folder, theirs)
    assert (code, found["rights"]["state"].startswith("the registry cannot be made: permission denied for ")) == (
        1,
        True,
    )
    with psycopg.connect(owners, autocommit=True) as conn:
        identifier = sql.Identifier(name)
        conn.execute(sql.SQL("grant create on database {} to {}").format(identifier, identifier))
        code, found = examined(folder, theirs)
        # The role tieline_server is there, of other databases, but may not be granted.
        assert "the registry cannot be made: permission denied" in found["rights"]["state"]
        assert code == 1
        assert "permission denied" in starts(folder, theirs)
        conn.execute(sql.SQL("grant tieline_server to {}").format(identifier))
    code, found = examined(folder, theirs)
    assert (found["rights"]["state"], found["rights"]["remedy"]) == ("sufficient", None)
    # Nothing was left behind by the trial.
    assert found["migrations"]["remedy"] == "Run tieline migrate."
    assert folder("migrate", TIELINE_DATABASE_URL=theirs).code == 0
    code, found = examined(folder, theirs)
    assert code == 0
    # What this role may not set for its own sessions.
    assert "log_min_messages = " in found["log of the database"]["state"]


def test_a_role_that_does_not_own_the_registry_is_told_so(folder, own, login):
    name, _, _ = login
    own.execute(f"grant tieline_server to {name}")
    own.execute(f"grant usage on schema tieline to {name}")
    own.execute(f"grant select on all tables in schema tieline to {name}")
    theirs = make_conninfo(own.dsn, user=name)
    code, found = examined(folder, theirs)
    assert (code, found["rights"]["remedy"]) == (1, "Serve and migrate as the owner.")
    assert "apiKey" in found["rights"]["state"]
    assert found["rows"]["remedy"] is not None
    own.execute(f"drop owned by {name}")


def test_a_read_only_database_is_named(folder, own):
    code, found = examined(folder, make_conninfo(own.dsn, options="-c default_transaction_read_only=on"))
    assert (code, found["rights"]["state"]) == (1, "the database is read-only, as a standby is")


def test_more_connections_than_there_are_is_a_fault(folder, own):
    code, found = examined(folder, own.dsn, TIELINE_WORKERS="50")
    assert (code, found["connections"]["remedy"] is None) == (1, False)
    assert found["connections"]["state"].startswith("700 needed, ")


WALLS = [
    ("alter table tieline.element disable row level security", "the table element, where it is not forced"),
    ("alter table tieline.element no force row level security", "the table element, where it is not forced"),
    ("create policy more on tieline.element using (true)", "the policy more on element"),
    ("alter policy tenant on tieline.element using (true)", "the policy tenant on element"),
]


@pytest.mark.parametrize(("mistake", "named"), WALLS)
def test_a_server_does_not_start_without_the_second_wall(folder, own, mistake, named):
    own.execute(mistake)
    refused = starts(folder, own.dsn)
    assert refused == (
        "Row-level security, the second wall between companies, does not hold because of "
        f"{named}. Mend it as tieline doctor says.\n"
    )
    code, found = examined(folder, own.dsn)
    assert (code, found["row-level security"]["state"]) == (1, f"does not hold: {named}")


def test_a_registry_of_a_newer_release_is_refused(folder, own):
    own.execute("insert into tieline.migration (name, sha256) values ('9999_later', 'x')")
    assert "of a newer release" in starts(folder, own.dsn)
    code, found = examined(folder, own.dsn)
    assert (code, found["migrations"]["state"]) == (1, "of a newer release: 9999_later")


def test_the_address_and_the_variables_are_looked_at(folder, own):
    code, found = examined(folder, own.dsn, TIELINE_HOST="203.0.113.9")
    assert (code, found["address"]["remedy"]) == (1, "Choose another --host or --port.")
    code, found = examined(folder, own.dsn, TIELINE_PROT="80")
    assert (code, found["variable"]["state"]) == (
        1,
        "TIELINE_PROT is no setting and has no effect. Did you mean TIELINE_PORT?",
    )
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        _, found = examined(folder, own.dsn, TIELINE_PORT=str(port))
    assert found["address"]["state"] == f"127.0.0.1:{port} is in use, by a server of Tieline or another program"


def test_a_key_file_that_cannot_be_used_is_a_sentence(folder, own):
    folder.path.mkdir(mode=0o700)
    file = folder.path / "admin.key"
    file.write_bytes(b"tl_\xff\xfe\n")
    file.chmod(0o600)
    refused = starts(folder, own.dsn)
    assert refused == f"{file} exists and contains no key. Move it away and start again.\n"
    code, found = examined(folder, own.dsn)
    assert (code, found["admin key"]["state"]) == (1, refused.strip())
