"""Migrations are applied once, functions whenever their text has changed; a database of another release is refused."""

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psycopg
import pytest

from conftest import make_key, new_database, serving
from tieline.postgres.examination import FUNCTION, examine_database, shipped_indexes
from tieline.postgres.migrate import migrate
from tieline.sql.statement import shipped, shipped_names

PACKAGE = Path(__file__).parents[2] / "src" / "tieline"
ASKED = {"integration": "crm", "entityType": "item", "entityIds": ["1"]}


@pytest.fixture
def fresh(postgres):
    """A migrated database that no other test looks at."""
    with new_database(postgres) as made:
        yield made


@pytest.fixture
def release(tmp_path):
    """A copy of the package, whose text a test may change."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "tieline", ignore=shutil.ignore_patterns("__pycache__")))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def tieline(release: Path, database, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of a copy of the package."""
    return subprocess.run(
        [sys.executable, "-m", "tieline", *arguments, "--database-url", database.dsn],
        env={**os.environ, "PYTHONPATH": str(release.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_start_applies_a_function_whose_text_has_changed_beside_a_server_that_goes_on(fresh, release, open_folder):
    fresh.execute("insert into tieline.company (id, name) values ('acme', 'Acme')")
    headers = {"apikey": make_key(fresh, "acme", "api.read")}
    edit(release / "sql" / "functions" / "locate.sql", "'unlinked'", "'nowhere'")
    with serving(open_folder, fresh) as older:
        seen: list[tuple[int, int, str]] = []
        stop = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=older.url, headers=headers, timeout=60) as client:
                while not stop.is_set():
                    answer = client.post("/rpc/locate", json=ASKED)
                    seen.append((client.get("/readyz").status_code, answer.status_code, answer.json()[0]["status"]))

        asking = threading.Thread(target=ask)
        asking.start()
        with serving(open_folder, fresh, PYTHONPATH=str(release.parent)) as newer:
            answer = httpx.post(f"{newer.url}/rpc/locate", json=ASKED, headers=headers)
            assert answer.json()[0]["status"] == "nowhere"
            assert httpx.get(f"{newer.url}/readyz").status_code == 200
        stop.set()
        asking.join()
    assert {(ready, status) for ready, status, _ in seen} == {(200, 200)}
    assert [seen[0][2], seen[-1][2]] == ["unlinked", "nowhere"]


def test_a_function_is_applied_again_by_itself(fresh, release):
    before = dict(fresh.execute('select name, "appliedAt" from tieline.routine'))
    edit(release / "sql" / "functions" / "claim.sql", "return query", "return  query")
    assert tieline(release, fresh, "migrate").returncode == 0
    after = dict(fresh.execute('select name, "appliedAt" from tieline.routine'))
    assert {name for name in after if after[name] != before[name]} == {"claim"}


def test_a_database_at_this_release_is_left_alone(fresh):
    with psycopg.connect(fresh.dsn, autocommit=True) as conn:
        assert migrate(conn) == []


def test_an_applied_migration_whose_text_has_changed_is_refused_by_name(fresh, release):
    edit(release / "sql" / "migrations" / "0001_tables.sql", "name text not null", "name text")
    for command in ("migrate", "serve"):
        refused = tieline(release, fresh, command)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert "another text of migration 0001_tables" in refused.stderr
    assert "0001_tables" in tieline(release, fresh, "doctor").stdout


@pytest.mark.parametrize(("table", "kind"), [("migration", "migration"), ("routine", "function")])
def test_a_database_of_a_newer_release_is_refused(fresh, release, table, kind):
    name = "9999_wings" if table == "migration" else "fly"
    if table == "routine":
        fresh.execute("create function tieline.fly() returns int language sql as 'select 1'")
    fresh.execute(f"insert into tieline.{table} (name, sha256) values (%s, 'x')", name)
    for command in ("migrate", "serve"):
        refused = tieline(release, fresh, command)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert refused.stderr.startswith("The database is of a newer release")
        assert f"{kind} {name}" in refused.stderr
    assert f"of a newer release: {name}" in tieline(release, fresh, "doctor").stdout


def test_a_function_that_was_dropped_is_missed_and_made_again(fresh, open_folder, release):
    with serving(open_folder, fresh) as server:
        fresh.execute("drop function tieline.locate")
        unready = httpx.get(f"{server.url}/readyz")
        assert (unready.status_code, "function locate is missing" in unready.text) == (503, True)
        assert "not all applied: locate" in tieline(release, fresh, "doctor").stdout
        assert tieline(release, fresh, "migrate").returncode == 0
        assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_trigger_that_went_with_its_function_is_made_again(fresh, release):
    fresh.execute("drop function tieline.record_inserts cascade")
    assert tieline(release, fresh, "migrate").returncode == 0
    assert tieline(release, fresh, "doctor").returncode == 0
    fresh.execute("insert into tieline.company (id, name) values ('acme', 'Acme')")
    fresh.execute(
        """insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)
        values ('acme', 'item', '1', 'crm')"""
    )
    assert fresh.execute('select count(*) from tieline."mappingChange"') == [(1,)]


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        ("drop function tieline.make_id cascade", "make_id"),
        ('drop trigger record_updates on tieline."externalIntegrationMapping"', "record_updates"),
        ("alter table tieline.element disable trigger unlink", "element.unlink"),
    ],
)
def test_doctor_misses_what_else_was_dropped_or_disabled(fresh, release, harm, name):
    fresh.execute(harm)
    examined = tieline(release, fresh, "doctor")
    assert examined.returncode == 1
    assert name in examined.stdout


def test_doctor_knows_every_index_there_is(fresh):
    rows = fresh.execute("select indexname from pg_indexes where schemaname = 'tieline'")
    assert sorted(shipped_indexes()) == sorted(name for (name,) in rows)
    assert examine_database(fresh.dsn).broken_indexes == []


@pytest.mark.parametrize("name", shipped_names("migrations"))
def test_no_migration_calls_a_function_that_is_applied_later(name):
    """A fresh database gets all migrations before the first of functions/."""
    functions = {made for file in shipped_names("functions") for made in FUNCTION.findall(shipped(f"functions/{file}"))}
    words = set(re.findall(r"\w+(?=\s*\()", re.sub(r"--[^\n]*", "", shipped(f"migrations/{name}"))))
    assert words & functions == set()
