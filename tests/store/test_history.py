"""The history of mappings, which the database writes itself."""

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

COLUMNS = '"companyId", "entityType", "entityId", integration, "externalId"'


@pytest.fixture
def conn(acme):
    """A transaction of the company's, as a request's is."""
    with psycopg.connect(acme.database.dsn) as opened:
        opened.execute(
            "select set_config('role', 'tieline_server', true), set_config('tieline.company', %s, true),"
            " set_config('tieline.actor', 'key_1', true), set_config('tieline.requestId', 'request_1', true)",
            (acme.id,),
        )
        yield opened
        opened.rollback()


def insert(conn, acme, count: int = 1) -> list[str]:
    rows = conn.execute(
        f'insert into tieline."externalIntegrationMapping" ({COLUMNS})'
        " select %s, 'item', number::text, 'crm', 'A-' || number from generate_series(1, %s) number returning id",
        (acme.id, count),
    )
    return [row[0] for row in rows]


def changes(conn) -> list[tuple]:
    columns = 'operation, "mappingId", before, after, actor, "requestId"'
    return conn.execute(f'select {columns} from tieline."mappingChange" order by position').fetchall()


def test_an_insert_is_kept_with_the_row_the_actor_and_the_request(conn, acme):
    (mapping_id,) = insert(conn, acme)
    ((operation, changed, before, after, actor, request_id),) = changes(conn)
    assert (operation, changed, before, actor, request_id) == ("insert", mapping_id, None, "key_1", "request_1")
    assert after["externalId"] == "A-1"
    assert after["createdBy"] == after["updatedBy"] == "key_1"
    row = conn.execute(
        "select to_jsonb(m) - 'externalIdReversed' from tieline.\"externalIntegrationMapping\" m"
    ).fetchone()
    assert row == (after,)


def test_an_update_is_kept_with_the_row_before_and_after(conn, acme):
    insert(conn, acme)
    conn.execute("""update tieline."externalIntegrationMapping" set "externalId" = 'B'""")
    operation, _, before, after, _, _ = changes(conn)[-1]
    assert (operation, before["externalId"], after["externalId"]) == ("update", "A-1", "B")


def test_a_delete_is_kept_with_the_row_as_it_was(conn, acme):
    insert(conn, acme)
    conn.execute('delete from tieline."externalIntegrationMapping"')
    operation, _, before, after, _, _ = changes(conn)[-1]
    assert (operation, before["externalId"], after) == ("delete", "A-1", None)


def test_an_update_that_changes_nothing_is_no_change_and_no_new_time(conn, acme):
    insert(conn, acme)
    stamps = 'select "updatedAt", "updatedBy" from tieline."externalIntegrationMapping"'
    before = conn.execute(stamps).fetchall()
    conn.execute("select set_config('tieline.actor', 'key_2', true)")
    conn.execute('update tieline."externalIntegrationMapping" set "externalId" = "externalId", "updatedAt" = now()')
    assert len(changes(conn)) == 1
    assert conn.execute(stamps).fetchall() == before


def test_only_the_rows_that_a_statement_changed_are_kept(conn, acme):
    insert(conn, acme, 3)
    conn.execute("""update tieline."externalIntegrationMapping" set metadata = '{}' where "entityId" <> '2'""")
    assert [change[0] for change in changes(conn)] == ["insert"] * 3 + ["update"] * 2


def test_a_new_id_is_the_end_of_one_mapping_and_the_start_of_another(conn, acme):
    (old,) = insert(conn, acme)
    conn.execute("""update tieline."externalIntegrationMapping" set id = 'new'""")
    kept = {(operation, mapping_id) for operation, mapping_id, *_ in changes(conn)[1:]}
    assert kept == {("delete", old), ("insert", "new")}


def test_an_upsert_keeps_inserts_and_updates_each_as_what_they_were(conn, acme):
    insert(conn, acme)
    conn.execute(
        f'insert into tieline."externalIntegrationMapping" ({COLUMNS}) values'
        " (%(company)s, 'item', '1', 'crm', 'B'), (%(company)s, 'item', '2', 'crm', 'C')"
        ' on conflict ("companyId", "entityType", "entityId", integration)'
        ' do update set "externalId" = excluded."externalId"',
        {"company": acme.id},
    )
    kept = sorted((operation, after["externalId"]) for operation, _, _, after, _, _ in changes(conn)[1:])
    assert kept == [("insert", "C"), ("update", "B")]


def test_a_batch_of_any_size_is_one_insert_into_the_history(conn, acme):
    conn.execute("create temp table tally (statements int)")
    conn.execute("""create function pg_temp.tally() returns trigger language plpgsql as
        $$ begin insert into pg_temp.tally values (1); return null; end $$""")
    conn.execute("reset role")
    conn.execute("grant insert on pg_temp.tally to tieline_server")
    conn.execute("""create trigger tally after insert on tieline."mappingChange"
        for each statement execute function pg_temp.tally()""")
    conn.execute("set local role tieline_server")
    insert(conn, acme, 5000)
    conn.execute('delete from tieline."externalIntegrationMapping"')
    conn.execute("reset role")
    assert conn.execute("select count(*) from pg_temp.tally").fetchone() == (2,)
    assert conn.execute('select count(*) from tieline."mappingChange"').fetchone()[0] >= 10_000


def test_author_and_time_of_a_new_mapping_cannot_be_given_or_changed(conn, acme):
    conn.execute(
        f'insert into tieline."externalIntegrationMapping" ({COLUMNS}, "createdBy", "createdAt", "updatedBy")'
        " values (%s, 'item', '1', 'crm', 'A', 'forged', '2000-01-01', 'forged')",
        (acme.id,),
    )
    conn.execute(
        """update tieline."externalIntegrationMapping" set "createdBy" = 'forged', "updatedBy" = 'forged',
        "createdAt" = '2000-01-01', "updatedAt" = '2000-01-01', "externalId" = 'B'"""
    )
    rows = conn.execute(
        """select "createdBy", "updatedBy", "createdAt" > '2001-01-01' and "updatedAt" > '2001-01-01'
        from tieline."externalIntegrationMapping" """
    ).fetchall()
    assert rows == [("key_1", "key_1", True)]


def test_a_write_that_is_rolled_back_is_not_in_the_history(conn, acme):
    with conn.transaction(force_rollback=True):
        insert(conn, acme)
    assert changes(conn) == []


def test_positions_rise(conn, acme):
    insert(conn, acme, 3)
    positions = [row[0] for row in conn.execute('select position from tieline."mappingChange" order by position')]
    assert len(set(positions)) == 3


@pytest.mark.parametrize(
    "statement",
    [
        'delete from tieline."mappingChange"',
        """update tieline."mappingChange" set actor = 'nobody'""",
        'truncate tieline."mappingChange"',
        'alter table tieline."externalIntegrationMapping" disable trigger all',
        "set session_replication_role = replica",
    ],
)
def test_requests_can_add_to_the_history_but_never_change_it(conn, acme, statement):
    insert(conn, acme)
    with pytest.raises(InsufficientPrivilege):
        conn.execute(statement)
