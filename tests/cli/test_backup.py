"""`tieline backup` and `tieline restore`: the whole registry into a file, and back into an empty one."""
# ruff: noqa: F811 -- a fixture that a test takes is imported by its name

import contextlib
import os
import secrets
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from installed import folder, new_folder, tieline  # noqa: F401 -- fixtures
from psycopg import sql
from psycopg.conninfo import make_conninfo

from conftest import Database, new_database
from pooler import PGBOUNCER, pooled
from tieline.postgres import account
from tieline.postgres.migrate import build, shipped_migrations

MAPPING = "/externalIntegrationMapping"
TABLES = (
    *("company", "externalSystem", "externalIntegrationMapping", "element", "apiKey", "mappingChange", "signingKey"),
    *("mappingCount", "entityCount", "mappingDelta"),
)


@pytest.fixture
def source(postgres):
    """A migrated database of its own, to back up."""
    with new_database(postgres) as made:
        yield made


@pytest.fixture
def target(postgres):
    """An empty database."""
    with empty_database(postgres) as dsn:
        yield Database(dsn)


class empty_database:  # noqa: N801 -- a context
    """A database without anything in it; `owner`: its owner."""

    def __init__(self, postgres, owner=None):
        self.postgres, self.owner = postgres, owner
        self.name = f"empty_{secrets.token_hex(6)}"

    def __enter__(self):
        with psycopg.connect(self.postgres, autocommit=True) as conn:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(self.name)))
            if self.owner:
                name, owner = sql.Identifier(self.name), sql.Identifier(self.owner)
                conn.execute(sql.SQL("alter database {} owner to {}").format(name, owner))
        return make_conninfo(self.postgres, dbname=self.name)

    def __exit__(self, *_):
        with psycopg.connect(self.postgres, autocommit=True) as conn:
            conn.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(self.name)))


def fill(database, company_id="acme", rows=50):
    """A company with a system, an element, mappings, a history of some length, and a key; its secret."""
    key = f"tl_{secrets.token_urlsafe(32)}"
    database.execute("insert into tieline.company (id, name) values (%s, %s)", company_id, "Ácme\tLtd\\")
    database.execute(
        """insert into tieline."apiKey" ("companyId", id, name, "keyHash", "keyPreview", scopes)
        values (%s, %s, 'a key', encode(sha256(convert_to(%s, 'UTF8')), 'hex'), 'tl_', array['api.admin'])""",
        *(company_id, f"key_{company_id}", key),
    )
    database.execute(
        """insert into tieline."externalSystem" ("companyId", integration, name) values (%s, 'xero', 'Xero')""",
        company_id,
    )
    database.execute("insert into tieline.element (\"companyId\", id, title) values (%s, 7, 'a\nb')", company_id)
    database.execute(
        """insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration, "externalId", metadata)
        select %s, 'item', n::text, 'xero', 'A' || n, jsonb_build_object('text', e'tab\\t \\\\ é 🚀', 'n', n)
        from generate_series(1, %s) n""",
        *(company_id, rows),
    )
    changed = 'update tieline."externalIntegrationMapping" set metadata = \'{"n": 1.50}\' where "entityId" = \'1\''
    database.execute(f'{changed} and "companyId" = %s', company_id)
    database.execute(
        'delete from tieline."externalIntegrationMapping" where "entityId" = \'2\' and "companyId" = %s', company_id
    )
    return key


def rows(database):
    """All rows of a registry as text, table by table."""
    return {table: database.execute(f'select t::text from tieline."{table}" t order by 1') for table in TABLES}


def without(found, name):
    """The rows but for those of the key that restore makes."""
    return {**found, "apiKey": [row for row in found["apiKey"] if name not in row[0]]}


def run(folder, database, *arguments, **environment):
    return folder(*arguments, TIELINE_DATABASE_URL=database.dsn, **environment)


def refusal(ended):
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1), ended
    return ended.err.strip()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_backed_up_is_restored_row_by_row(folder, source, target, tmp_path):
    fill(source, "acme")
    fill(source, "globex")
    file = tmp_path / "registry.backup"
    made = run(folder, source, "backup", file)
    assert (made.code, made.err) == (0, "")
    assert made.out == f"Backed up the registry to {file} ({file.stat().st_size:,} bytes).\n"
    assert mode(file) == 0o600
    restored = run(folder, target, "restore", file)
    assert restored.code == 0
    assert restored.out.splitlines() == [
        "Restored the registry. Companies: 2, mappings: 98, changes in their history: 104.",
        "The history of each company gives its mappings as they are.",
    ]
    assert without(rows(target), "first key") == rows(source)
    assert run(folder, target, "doctor").code == 0
    # The history goes on where it was.
    before = source.execute('select max(position) from tieline."mappingChange"')
    target.execute("""delete from tieline."externalIntegrationMapping" where "entityId" = '3'""")
    after = target.execute('select min(position) from tieline."mappingChange" where operation = %s', "delete")
    assert target.execute('select count(*) from tieline."mappingChange" where position > %s', *before[0]) == [(2,)]
    assert after < before


class Writers(threading.Thread):
    """Writes until it is told to stop: new mappings, changes, moves and deletions."""

    def __init__(self, url, key):
        super().__init__()
        self.url, self.key, self.stopping, self.written = url, key, threading.Event(), 0

    def run(self):
        with httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.key}"}, timeout=60) as client:
            while not self.stopping.is_set() and self.written < 300:
                start = self.written * 20
                batch = [row(start + n, f"A{start + n}") for n in range(20)]
                moved = [row(start, f"A{start + 1}"), row(start + 1, f"A{start}")]
                for mappings in (batch, moved):
                    answer = client.post("/rpc/link_many", json={"mappings": mappings, "onConflict": "move"})
                    answer.raise_for_status()
                client.delete(f"{MAPPING}?entityId=eq.{start + 2}").raise_for_status()
                self.written += 1


def row(entity, external_id):
    return {"entityType": "item", "entityId": str(entity), "integration": "xero", "externalId": external_id}


def test_a_backup_under_writes_is_one_moment_and_is_restored_elsewhere(new_folder, tmp_path):
    here, there = new_folder("here"), new_folder("there")
    server = here.start()
    key = (here.path / "admin.key").read_text().strip()
    writers = Writers(server.url, key)
    writers.start()
    try:
        while writers.written < 5:
            time.sleep(0.05)
        made = here("backup", tmp_path / "busy.backup")
    finally:
        writers.stopping.set()
        writers.join()
    assert made.code == 0
    # A registry that has started once is still empty: its own key goes.
    there.start().stop()
    thrown_away = (there.path / "admin.key").read_text().strip()
    restored = there("restore", tmp_path / "busy.backup")
    assert (restored.code, restored.out.splitlines()[1]) == (
        0,
        "The history of each company gives its mappings as they are.",
    )
    count = int(restored.out.split("mappings: ")[1].split(",")[0])
    assert 0 < count < writers.written * 20
    new_key = (there.path / "admin.key").read_text().strip()
    assert (mode(there.path / "admin.key"), new_key != thrown_away) == (0o600, True)
    again = there.start()
    statuses = [
        httpx.get(f"{again.url}{MAPPING}?limit=1", headers={"authorization": f"Bearer {one}"}).status_code
        for one in (key, new_key, thrown_away)
    ]
    assert statuses == [200, 200, 401]
    changed = httpx.post(f"{again.url}{MAPPING}", headers={"authorization": f"Bearer {new_key}"}, json=row("new", "N"))
    assert changed.status_code == 201


def test_a_registry_that_is_not_empty_is_not_restored_into(folder, source, target, tmp_path):
    fill(source)
    file = tmp_path / "registry.backup"
    run(folder, source, "backup", file)
    run(folder, target, "company", "add", "globex")
    before = rows(target)
    refused = refusal(run(folder, target, "restore", file))
    assert refused == (
        "Nothing was restored. The registry is in use: it has companies or keys. Restore into an empty one."
    )
    assert rows(target) == before
    # The history of a company that was removed is worth as much.
    target.execute("delete from tieline.company")
    target.execute(
        """insert into tieline."mappingChange" ("companyId", "mappingId", operation) values ('gone', 'm', 'insert')"""
    )
    refused = refusal(run(folder, target, "restore", file))
    assert refused.startswith("Nothing was restored. The registry is in use: its table mappingChange has rows.")


def test_a_registry_that_is_served_is_not_restored_into(new_folder, source, target, tmp_path):
    folder, served = new_folder("commands"), new_folder("served")
    fill(source)
    file = tmp_path / "registry.backup"
    run(folder, source, "backup", file)
    served.start("--database-url", target.dsn)
    refused = refusal(run(folder, target, "restore", file))
    assert refused == (
        "Nothing was restored. Tieline runs on this registry: stop its servers and commands, and restore again."
    )


def test_a_folder_that_is_served_is_not_restored_into(folder, tmp_path):
    folder.start()
    file = tmp_path / "registry.backup"
    assert folder("backup", file).code == 0
    assert refusal(folder("restore", file)) == (
        f"A server runs on the data folder {folder.path}: stop it, and restore again."
    )


def test_a_file_that_is_cut_off_restores_nothing(folder, source, target, tmp_path):
    fill(source, rows=300)
    file, cut = tmp_path / "registry.backup", tmp_path / "cut.backup"
    run(folder, source, "backup", file)
    whole = file.read_bytes()
    for kept in (0, 10, len(whole) // 2):
        cut.write_bytes(whole[:kept])
        refused = refusal(run(folder, target, "restore", cut))
        assert refused.startswith("Nothing was restored. The ")
        assert target.execute("select to_regnamespace('tieline')") == [(None,)]


def test_a_file_that_is_no_backup_is_refused_with_a_sentence(folder, postgres, target, tmp_path):
    text = tmp_path / "text.backup"
    text.write_text("entityType,entityId\n")
    assert "cannot be read as a backup" in refusal(run(folder, target, "restore", text))
    assert refusal(run(folder, target, "restore", tmp_path / "none")) == f"There is no file {tmp_path / 'none'}."
    with empty_database(postgres) as other:
        psycopg.connect(other, autocommit=True).execute(
            "create schema tieline create table t (a int)"
        ).connection.close()
        binaries = account.reachable_binaries(tmp_path, None)
        foreign = tmp_path / "foreign.backup"
        subprocess.run([binaries / "pg_dump", "-Fc", "-f", foreign, "-d", other], check=True)
    assert refusal(run(folder, target, "restore", foreign)) == (
        f"Nothing was restored. The file {foreign} is an archive of PostgreSQL, but there is no registry in it."
    )


def test_a_backup_that_fails_leaves_the_one_before(folder, target, tmp_path):
    file = tmp_path / "registry.backup"
    file.write_text("the one before")
    refused = refusal(run(folder, target, "backup", file))
    assert refused == ("No backup was made. There is no registry in this database. Make one with: tieline migrate")
    assert refusal(folder("backup", file)) == f"There is no registry in the data folder {folder.path}."
    assert file.read_text() == "the one before"
    assert list(tmp_path.iterdir()) == [file]
    assert refusal(run(folder, target, "backup", tmp_path)) == f"{tmp_path} is no file that could be replaced."
    missing = tmp_path / "missing" / "file"
    assert refusal(run(folder, target, "backup", missing)) == (
        f"The file {missing} cannot be written: No such file or directory."
    )


def test_a_backup_of_a_newer_release_is_refused(folder, source, target, tmp_path):
    fill(source)
    source.execute("insert into tieline.migration (name, sha256) values ('9999_later', 'x')")
    file = tmp_path / "registry.backup"
    assert run(folder, source, "backup", file).code == 0
    refused = refusal(run(folder, target, "restore", file))
    assert "of a newer release" in refused
    assert "9999_later" in refused


def test_a_backup_of_an_older_release_is_brought_to_this_one(folder, postgres, target, tmp_path):
    oldest = dict(list(shipped_migrations().items())[:2])
    file = tmp_path / "registry.backup"
    with empty_database(postgres) as dsn:
        with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as conn:
            build(conn, oldest.items())
        older = Database(dsn)
        older.execute("insert into tieline.company (id, name) values ('acme', 'Acme')")
        older.execute("""insert into tieline.element ("companyId", id, title) values ('acme', 7, 'Seven')""")
        assert run(folder, older, "backup", file).code == 0
        assert older.execute("select count(*) from tieline.migration") == [(2,)]
    assert run(folder, target, "restore", file).code == 0
    assert target.execute("""select title from tieline.element where "companyId" = 'acme'""") == [("Seven",)]
    assert run(folder, target, "doctor").code == 0


def test_a_difference_between_history_and_mappings_is_told(folder, source, target, tmp_path):
    fill(source)
    source.execute('alter table tieline."externalIntegrationMapping" disable trigger user')
    changed = source.execute(
        """update tieline."externalIntegrationMapping" set link = 'https://x.example' where "entityId" = '5'
        returning id"""
    )
    file = tmp_path / "registry.backup"
    run(folder, source, "backup", file)
    restored = run(folder, target, "restore", file)
    assert restored.code == 1
    assert f"In the company acme, 1 mappings differ from their history, such as {changed[0][0]}." in restored.err
    assert without(rows(target), "first key") == rows(source)


@pytest.fixture
def owners(postgres):
    """Two roles with passwords that are no superusers, as providers of databases give them."""
    names = [f"owner_{secrets.token_hex(4)}" for _ in range(2)]
    with psycopg.connect(postgres, autocommit=True) as conn:
        for name in names:
            conn.execute(sql.SQL("create role {} login password 'pa55w0rd'").format(sql.Identifier(name)))
            conn.execute(sql.SQL("grant tieline_server to {}").format(sql.Identifier(name)))
    yield names
    with psycopg.connect(postgres, autocommit=True) as conn:
        for name in names:
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def test_an_owner_who_is_no_superuser_backs_up_and_restores(folder, database, postgres, owners, tmp_path):
    first, second = owners
    file = tmp_path / "registry.backup"
    with empty_database(postgres, first) as here, empty_database(postgres, second) as there:
        theirs = Database(make_conninfo(here, user=first, password="pa55w0rd"))
        assert run(folder, theirs, "migrate").code == 0
        fill(Database(here))
        assert run(folder, theirs, "backup", file).code == 0
        other = Database(make_conninfo(there, user=second, password="pa55w0rd"))
        restored = run(folder, other, "restore", file)
        assert (restored.code, "mappings: 49," in restored.out) == (0, True)
        assert without(rows(Database(there)), "first key") == rows(Database(here))
        assert run(folder, other, "doctor").code == 0
        # Without the policy the rows would be missing from the backup, so none is made.
        Database(here).execute("drop policy backup on tieline.element")
        assert "does not see all rows of element, so" in refusal(run(folder, theirs, "backup", file))


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")
def test_an_owner_backs_up_from_the_database_itself_and_not_through_a_pooler(
    folder, postgres, owners, open_folder, tmp_path
):
    with empty_database(postgres, owners[0]) as here:
        theirs = Database(make_conninfo(here, user=owners[0], password="pa55w0rd"))
        assert run(folder, theirs, "migrate").code == 0
        with pooled(theirs.dsn, open_folder) as through:
            said = refusal(run(folder, Database(through), "backup", tmp_path / "registry.backup"))
        assert said.endswith("Give --database-url the address of the database itself.")
        assert not list(tmp_path.iterdir())


def test_every_table_can_be_read_by_an_owner_who_backs_up(database):
    """A new table with row-level security needs the policy `backup`, or backups of such owners would lack its rows."""
    lacking = database.execute(
        """select c.relname from pg_class c
        where c.relnamespace = 'tieline'::regnamespace and c.relrowsecurity
            and not exists (
                select 1 from pg_policy p where p.polrelid = c.oid and p.polname in ('operator', 'backup')
            )"""
    )
    assert lacking == []


def test_the_password_is_on_no_command_line_and_an_end_leaves_nothing(folder, postgres, owners, tmp_path):
    first, _ = owners
    with empty_database(postgres, first) as here:
        theirs = make_conninfo(here, user=first, password="pa55w0rd")
        assert run(folder, Database(theirs), "migrate").code == 0
        with psycopg.connect(here) as conn:
            # pg_dump waits for this table.
            conn.execute("lock table tieline.element in access exclusive mode")
            process = subprocess.Popen(
                [folder.program, "backup", tmp_path / "registry.backup"],
                env=folder.environment({"TIELINE_DATABASE_URL": theirs}),
                stderr=subprocess.PIPE,
                text=True,
            )
            dump = child(process.pid, "pg_dump", "--dbname")
            command = " ".join(dump.cmdline())
            assert f"user={first}" in command
            assert "pa55w0rd" not in command
            assert [mode(file) for file in tmp_path.iterdir()] == [0o600]
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (143, "")
        assert not dump.is_running()
        assert list(tmp_path.iterdir()) == []


def child(pid, name, argument):
    """The process of this name and with this argument below another one, once it is there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for one in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if one.name() == name and argument in one.cmdline():
                    return one
        time.sleep(0.02)
    raise AssertionError(name)


DEBIAN = "/usr/lib/postgresql/15/bin"


@pytest.fixture
def fifteen(open_folder):
    """A PostgreSQL 15, where this machine has one."""
    if not Path(DEBIAN, "initdb").exists():
        pytest.skip("there is no PostgreSQL 15 here")
    user = account.database_user()
    place = open_folder / f"fifteen-{secrets.token_hex(4)}"
    place.mkdir(mode=0o700)
    theirs = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    if user:
        os.chown(place, user.uid, user.gid)

    def control(*command):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd="/", env={"PATH": os.defpath, "LC_ALL": "C"}, **quiet, **theirs)

    control(
        f"{DEBIAN}/initdb", "-D", place, "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "-U", "postgres", "-N"
    )
    options = f"-c listen_addresses='' -c unix_socket_directories='{place}' -c fsync=off"
    control(f"{DEBIAN}/pg_ctl", "start", "-w", "-s", "-D", place, "-o", options)
    yield make_conninfo(host=str(place), user="postgres", dbname="postgres")
    control(f"{DEBIAN}/pg_ctl", "stop", "-m", "immediate", "-w", "-s", "-D", place)


def test_a_backup_goes_to_another_major_version_and_back(folder, postgres, source, fifteen, target, tmp_path):
    fill(source)
    with empty_database(fifteen) as dsn:
        older = Database(dsn)
        assert older.execute("show server_version_num")[0][0].startswith("15")
        assert run(folder, source, "backup", tmp_path / "newer.backup").code == 0
        assert run(folder, older, "restore", tmp_path / "newer.backup").code == 0
        assert without(rows(older), "first key") == rows(source)
        assert run(folder, older, "backup", tmp_path / "older.backup").code == 0
    assert run(folder, target, "restore", tmp_path / "older.backup").code == 0
    assert without(rows(target), "first key") == rows(source)
