"""We answer as a real PostgREST did, whose answers are recorded (data/README.md says how they are compared).

The few that differ on purpose stand in deviations.py, with our answers.
"""

import argparse
import hashlib
import importlib.util
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from conftest import Database, Server, new_database, serving
from deviations import DEVIATIONS, ours
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.prefer import NONE
from tieline.dialect.statement import prepare

RECORDED = Path(__file__).parent / "data"
COMPANIES = ["c1", "c2", "c3"]
REQUESTS_A_MINUTE = 1_000_000

_spec = importlib.util.spec_from_file_location("replay", RECORDED / "replay.py")
assert _spec is not None
assert _spec.loader is not None
replay = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(replay)

CASES = [ours(case) for case in replay.parse((RECORDED / "open.json").read_text(encoding="utf-8"))]
GROUPS = sorted({case["group"] for case in CASES})


@pytest.fixture(scope="module")
def database(postgres) -> Iterator[Database]:
    """A database of its own: PostgreSQL's plans and estimates depend on all rows of a table, other companies' too."""
    with new_database(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def server(database, open_folder) -> Iterator[Server]:
    """A server on this database."""
    with serving(open_folder, database) as running:
        yield running


@pytest.fixture(scope="module")
def restore(database) -> Iterator[Callable[[], None]]:
    """Makes the rows of the recorded companies equal to the seed, stamps included."""
    companies, mappings = (RECORDED / "seed.sql").read_text(encoding="utf-8").split(";\n\n", 1)
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute("set search_path = tieline; set timezone = 'UTC'; set session_replication_role = replica")
        conn.execute("delete from company where id = any(%s)", (COMPANIES,))
        conn.execute(companies)

        def make_equal() -> None:
            with conn.transaction():
                conn.execute('delete from "externalIntegrationMapping" where "companyId" = any(%s)', (COMPANIES,))
                conn.execute(mappings)

        yield make_equal
        conn.execute('delete from "externalIntegrationMapping" where "companyId" = any(%s)', (COMPANIES,))
        conn.execute('delete from "apiKey" where "companyId" = any(%s)', (COMPANIES,))
        conn.execute("delete from company where id = any(%s)", (COMPANIES,))


@pytest.fixture(scope="module")
def player(server, database, restore):
    restore()
    key = "tl_" + secrets.token_urlsafe(32)
    database.execute(
        'insert into tieline."apiKey" ("companyId", id, name, "keyHash", "keyPreview", scopes, "rateLimit")'
        " values ('c1', 'recorded', 'recorded', %s, 'tl_', array['api.write'], %s)",
        hashlib.sha256(key.encode()).hexdigest(),
        REQUESTS_A_MINUTE,
    )
    connection = replay.Server(server.url, key, timeout_seconds=60)
    yield connection
    connection.close()


@pytest.mark.parametrize("group", GROUPS)
def test_recorded_answers_are_ours(group, player, restore):
    options = argparse.Namespace(case=None, after_url=replay.AFTER_URL)
    failures = []
    restore()
    seed = replay.all_rows(player, replay.AFTER_URL)
    for case in (c for c in CASES if c["group"] == group):
        found, is_dirty = replay.play(player, case, seed, options)
        if found:
            failures.append(f"{case['name']}\n    {found}")
        if is_dirty:
            restore()
    assert not failures, "\n".join(failures)


def test_each_deviation_is_of_a_recorded_case():
    assert set(DEVIATIONS) <= {case["name"] for case in CASES}


def test_statements_alone_keep_companies_apart_without_row_level_security(database, restore):
    """As a superuser, whom no policy binds, the same rows are found for c1, and none of c2's and c3's."""
    restore()
    limits = Limits(depth_max=50, page_rows_max=1000)
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute("set search_path = tieline; set timezone = 'UTC'; set default_text_search_config = 'english'")
        for case in CASES:
            if (case["method"], case["status"], case["headers"], case["compare"]) != ("GET", 200, [], "exact"):
                continue
            resource, _, query = case["path_and_query"].removeprefix("/").partition("?")
            statement = prepare(Asked("GET", resource, query, NONE), "c1", limits).sql
            parameters = [p.encode() if isinstance(p, str) else p for p in statement.parameters]
            body = conn.pgconn.exec_params(statement.text.encode(), parameters).get_value(0, 2)
            assert body is not None
            found, expected = (replay.canonical(replay.parse(text)) for text in (body.decode(), case["response_body"]))
            assert found == expected, case["name"]
