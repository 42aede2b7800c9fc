"""PostgreSQL's plans of our functions use their indexes, in a table without statistics and in a session that has seen
the table empty."""

import json

import msgspec
import psycopg
import pytest
from psycopg import sql

from tieline.postgres.migrate import migrate
from tieline.store.batches.find import Options
from tieline.store.batches.link_many import link_many
from tieline.store.batches.rows import MappingRow
from tieline.store.batches.unlink_many import Unlinking, unlink_many

ROWS = 20_000
FILL = """
    insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration, "externalId")
    select 'acme', 'item', 'e' || n, 'xero', 'x' || n from generate_series(1, %s) n
"""
CALLS = {
    "resolve": ("select * from tieline.resolve('acme', 'xero', null, %s)", "x"),
    "resolve with a type": ("select * from tieline.resolve('acme', 'xero', 'item', %s)", "x"),
    "locate": ("select * from tieline.locate('acme', 'xero', 'item', %s)", "e"),
    "translate": ("select * from tieline.translate('acme', 'xero', 'xero', null, %s)", "x"),
    "crosswalk of entities": ("select * from tieline.crosswalk('acme', 'item', %s, null, null)", "e"),
    "crosswalk of external ids": ("select * from tieline.crosswalk('acme', null, null, 'xero', %s)", "x"),
}
IDS = 100
# For each id a page of the index and the row's own, twice to translate.
PAGES_MAX = 5 * IDS
# A written row is several look-ups, its entries in seven indexes and in the history.
PAGES_WRITTEN_MAX = 100 * IDS
PAGES_FETCHED = """
    select sum(pg_stat_get_xact_blocks_fetched(oid))::int from pg_class where relnamespace = 'tieline'::regnamespace
"""


@pytest.fixture
def fresh(postgres, database):
    """A connection to a database without statistics, which has called all when it was empty."""
    name = f"plans_{psycopg.conninfo.conninfo_to_dict(database.dsn)['dbname']}"
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    with psycopg.connect(psycopg.conninfo.make_conninfo(postgres, dbname=name), autocommit=True) as conn:
        migrate(conn)
        conn.execute('alter table tieline."externalIntegrationMapping" set (autovacuum_enabled = off)')
        conn.execute("insert into tieline.company (id, name) values ('acme', 'Acme')")
        conn.execute("set role tieline_server; set jit = off; set plan_cache_mode = force_generic_plan")
        conn.execute("select set_config('tieline.company', 'acme', false)")
        for call, _ in CALLS.values():
            conn.execute(call, ('["nothing"]',))
        yield conn
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def pages(conn, statement: str, argument: str) -> int:
    """The number of pages of our tables and indexes that the statement reads; it is rolled back.

    Not `explain (buffers)`: that counts the catalogue too, which a session reads anew whenever much happens elsewhere.
    """
    with conn.transaction(force_rollback=True):
        before = conn.execute(PAGES_FETCHED).fetchone()[0]
        assert len(conn.execute(statement, (argument,)).fetchall()) == IDS
        return conn.execute(PAGES_FETCHED).fetchone()[0] - before


@pytest.mark.parametrize("knew_it_empty", [True, False])
@pytest.mark.parametrize("call", CALLS)
def test_a_look_up_reads_few_pages_of_a_table_without_statistics(fresh, call, knew_it_empty):
    fresh.execute(FILL, (ROWS,))
    if not knew_it_empty:
        fresh.execute("discard plans")
    statement, prefix = CALLS[call]
    ids = json.dumps([f"{prefix}{n * 7}" for n in range(1, IDS + 1)])
    # A crosswalk is a look-up of the entities and one of their mappings.
    assert pages(fresh, statement, ids) < PAGES_MAX * (2 if "crosswalk" in call else 1)


UNLINKED = {
    "of mapped entities": ("item", "erp", None),
    "of emptied mappings": ("item", "hub", None),
    "of elements": ("element", "erp", None),
    "linked in another system": ("item", "erp", "xero"),
}


@pytest.mark.parametrize("knew_it_empty", [True, False])
@pytest.mark.parametrize("after", [None, "e5"])
@pytest.mark.parametrize("what", UNLINKED)
def test_a_page_of_unlinked_entities_reads_few_pages_of_a_table_without_statistics(fresh, what, after, knew_it_empty):
    call = "select * from tieline.unlinked('acme', %s, %s, %s, %s, %s)"
    arguments = (*UNLINKED[what], after and (after if what != "of elements" else "5"), IDS)
    for _ in range(6):
        fresh.execute(call, arguments)
    fresh.execute(FILL, (ROWS,))
    fresh.execute(FILL.replace("'xero', 'x' || n", "'hub', nullif('h' || n, 'h' || n)"), (ROWS,))
    fresh.execute(
        "insert into tieline.element (\"companyId\", id, title) select 'acme', n, 'x' from generate_series(1, %s) n",
        (ROWS,),
    )
    if not knew_it_empty:
        fresh.execute("discard plans")
    with fresh.transaction(force_rollback=True):
        before = fresh.execute(PAGES_FETCHED).fetchone()[0]
        assert len(fresh.execute(call, arguments).fetchall()) == IDS
        assert fresh.execute(PAGES_FETCHED).fetchone()[0] - before < 8 * IDS


def test_coverage_reads_few_pages_of_a_table_without_statistics(fresh):
    call = "select * from tieline.coverage('acme', null)"
    for _ in range(6):
        fresh.execute(call)
    fresh.execute(
        FILL.replace('"externalId")', '"externalId", "lastSyncedAt")').replace("'x' || n", "'x' || n, now()"), (ROWS,)
    )
    with fresh.transaction(force_rollback=True):
        before = fresh.execute(PAGES_FETCHED).fetchone()[0]
        assert [row[2] for row in fresh.execute(call)] == [ROWS]
        assert fresh.execute(PAGES_FETCHED).fetchone()[0] - before < IDS


@pytest.mark.parametrize("by", ["mapping_ids", "entity_ids", "external_ids"])
def test_unlink_many_reads_few_pages_of_a_table_without_statistics(fresh, by):
    fresh.cursor_factory = psycopg.RawCursor

    def unlink(ids: list[str]) -> int:
        given = Unlinking(**{by: ids}, integration="xero", entity_type="item")
        with fresh.transaction(force_rollback=True):
            before = fresh.execute(PAGES_FETCHED).fetchone()[0]
            assert {r.outcome for r in unlink_many(fresh, "acme", given, ROWS)} == {"deleted"}
            return fresh.execute(PAGES_FETCHED).fetchone()[0] - before

    fresh.execute(FILL.replace("%s", "$1"), (IDS,))
    ids = {"entity_ids": [f"e{n}" for n in range(1, IDS + 1)], "external_ids": [f"x{n}" for n in range(1, IDS + 1)]}
    ids["mapping_ids"] = [row[0] for row in fresh.execute('select id from tieline."externalIntegrationMapping"')]
    for _ in range(6):
        unlink(ids[by])
    fresh.execute(FILL.replace("%s", "$1").replace("generate_series(1,", "generate_series(1000,"), (ROWS,))
    assert unlink(ids[by]) < 40 * IDS


@pytest.mark.parametrize("knew_it_empty", [True, False])
def test_claims_and_links_read_few_pages_of_a_table_without_statistics(fresh, knew_it_empty):
    """Each meets a holder, which the index of the external ids names, or another mapping of its own entity."""
    calls = """
        select count(*) from generate_series(1, %s) n
        cross join lateral tieline.claim('acme', 'item', %s || n, 'xero', 'x' || n * 7) c
        cross join lateral tieline.find_holder('acme', 'xero', 'item', 'f' || n, 'x' || n * 7) h
        where c.outcome = 'conflict' or h is not null
    """
    for _ in range(6):
        fresh.execute(calls, (1, "c"))
    fresh.execute('delete from tieline."externalIntegrationMapping"')
    fresh.execute(FILL, (ROWS,))
    if not knew_it_empty:
        fresh.execute("discard plans")
    with fresh.transaction(force_rollback=True):
        before = fresh.execute(PAGES_FETCHED).fetchone()[0]
        assert fresh.execute(calls, (IDS, "c")).fetchone()[0] == IDS
        assert fresh.execute(PAGES_FETCHED).fetchone()[0] - before < 4 * PAGES_MAX


@pytest.mark.parametrize("knew_it_empty", [True, False])
def test_link_many_reads_few_pages_of_a_table_without_statistics(fresh, knew_it_empty):
    def link(first: int, more: int = 0) -> int:
        rows = [
            MappingRow(entity_type="item", entity_id=f"e{n}", integration="xero", external_id=f"x{n + more}")
            for n in range(first, first + IDS)
        ]
        with fresh.transaction(force_rollback=True):
            before = fresh.execute(PAGES_FETCHED).fetchone()[0]
            assert len(link_many(fresh, "acme", rows, Options("move"))) == IDS
            return fresh.execute(PAGES_FETCHED).fetchone()[0] - before

    fresh.cursor_factory = psycopg.RawCursor
    for _ in range(2):
        link(ROWS + 1)
    fresh.execute(FILL.replace("%s", "$1"), (ROWS,))
    if not knew_it_empty:
        fresh.execute("discard plans")
    for first, more in ((1, 0), (1, 50_000), (ROWS // 2, IDS)):
        assert link(first, more) < PAGES_WRITTEN_MAX


@pytest.mark.parametrize("how", ["stop sharing", "stop sharing a named id", "metadata only"])
def test_rows_of_shared_ids_read_few_pages_of_a_table_without_statistics(fresh, how):
    """Two mappings share each id; the batch is about one of the two, and has to find the other one."""
    fresh.cursor_factory = psycopg.RawCursor
    fresh.execute(FILL.replace("%s", "$1"), (ROWS,))
    shared = FILL.replace("%s", "$1").replace('"externalId")', '"externalId", "allowDuplicateExternalId")')
    for prefix in ("f", "g"):
        fresh.execute(shared.replace("'e' || n", f"'{prefix}' || n").replace("'x' || n", "'s' || n, true"), (IDS,))
    rows = [MappingRow(entity_type="item", entity_id=f"f{n}", integration="xero") for n in range(1, IDS + 1)]
    for n, row in enumerate(rows, 1):
        if how == "metadata only":
            row.metadata = msgspec.Raw(b'{"size": 1}')
        else:
            row.allow_duplicate_external_id = False
            row.external_id = f"s{n}" if how == "stop sharing a named id" else msgspec.UNSET
    with fresh.transaction(force_rollback=True):
        before = fresh.execute(PAGES_FETCHED).fetchone()[0]
        outcomes = {result.outcome for result in link_many(fresh, "acme", rows)}
        assert outcomes == {"updated" if how == "metadata only" else "conflict"}
        assert fresh.execute(PAGES_FETCHED).fetchone()[0] - before < PAGES_WRITTEN_MAX
