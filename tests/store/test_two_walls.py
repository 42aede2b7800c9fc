"""Each of the two walls between companies holds without the other: row-level security, and the bound company."""

import re
from importlib import resources

import psycopg
import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, InsufficientPrivilege
from psycopg.rows import dict_row

TENANTS = (
    *("externalSystem", "externalIntegrationMapping", "element", "apiKey", "mappingChange", "refreshToken"),
    *("revokedToken", "mappingCount", "entityCount", "mappingDelta"),
)
WRITTEN = (
    *("externalSystem", "externalIntegrationMapping", "element", "mappingChange"),
    *("mappingCount", "entityCount", "mappingDelta"),
)


@pytest.fixture
def filled(acme, other):
    """Both companies have the same: a system, an element, a mapping, a change of it."""
    for company in (acme, other):
        company.has_system("crm", "https://crm.example", default=True)
        company.has_element(7, f"of {company.id}")
        with company.client() as caller:
            caller.post("/api/v2/elements/7/external-element/link", json={"externalId": "A"}).raise_for_status()
            key = {"client_id": key_id(company), "client_secret": company.keys["api.admin"]}
            given = {**key, "grant_type": "client_credentials"}
            token = caller.post("/api/v2/auth/token", json=given).raise_for_status().json()["access_token"]
            caller.post("/api/v2/auth/revoke", json={**key, "token": token}).raise_for_status()
        company.database.execute("select tieline.fold_counts(%s)", company.id)
        with psycopg.connect(company.database.dsn) as conn:
            # Without the trigger that folds at random.
            conn.execute("set local session_replication_role = replica")
            conn.execute("select tieline.note_entities(%s, '{}', '{}')", (company.id,))


def key_id(company) -> str:
    return company.database.execute(
        """select id from tieline."apiKey" where "companyId" = %s and 'api.admin' = any(scopes)""", company.id
    )[0][0]


def everything(company) -> list[tuple]:
    """All rows of a company, as text, but for the times at which its keys were used, which the server writes later."""
    found = []
    for table in TENANTS:
        statement = (
            f'select (to_jsonb(t) - $$lastUsedAt$$)::text from tieline."{table}" t where "companyId" = %s order by 1'
        )
        found += [(table, *row) for row in company.database.execute(statement, company.id)]
    return found


@pytest.fixture
def as_server(acme, filled):
    """A transaction as tieline_server; it is rolled back."""
    with psycopg.connect(acme.database.dsn, row_factory=dict_row) as conn:
        conn.execute("set local role tieline_server")
        yield conn
        conn.rollback()


def be(conn, company_id: str) -> None:
    conn.execute("select set_config('tieline.company', %s, true)", (company_id,))


# Row-level security alone: statements that forget the company.


@pytest.mark.parametrize("table", TENANTS)
def test_a_statement_that_forgets_the_company_sees_only_its_own_rows(as_server, acme, table):
    be(as_server, acme.id)
    rows = as_server.execute(f'select "companyId" from tieline."{table}"').fetchall()
    assert rows
    assert {row["companyId"] for row in rows} == {acme.id}


def test_a_company_sees_itself_alone(as_server, acme):
    be(as_server, acme.id)
    assert [row["id"] for row in as_server.execute("select * from tieline.company")] == [acme.id]


@pytest.mark.parametrize("table", ["company", *TENANTS])
def test_without_a_company_there_are_no_rows(as_server, table):
    for unset in (None, ""):
        if unset is not None:
            be(as_server, unset)
        assert as_server.execute(f'select * from tieline."{table}"').fetchall() == []


@pytest.mark.parametrize(
    "statement",
    [
        'update tieline."externalIntegrationMapping" set "externalId" = \'taken\'',
        'delete from tieline."externalIntegrationMapping"',
        "update tieline.\"externalSystem\" set name = 'taken'",
        'delete from tieline."externalSystem"',
        "update tieline.element set title = 'taken'",
        "delete from tieline.element",
        'update tieline.company set "lastElementId" = 99',
        'update tieline."apiKey" set "lastUsedAt" = now()',
        'update tieline.company set "isCounted" = false',
        'delete from tieline."mappingCount"',
        'update tieline."entityCount" set known = 0',
        'delete from tieline."mappingDelta"',
    ],
)
def test_a_write_that_forgets_the_company_changes_only_its_own_rows(as_server, acme, other, statement):
    be(as_server, acme.id)
    assert as_server.execute(statement).rowcount > 0
    before = everything(other)
    as_server.execute("reset role")
    after = []
    for table in TENANTS:
        shown = f'select (to_jsonb(t) - $$lastUsedAt$$)::text as t from tieline."{table}" t where "companyId" = %s'
        rows = as_server.execute(f"{shown} order by 1", (other.id,))
        after += [(table, row["t"]) for row in rows]
    assert after == before


@pytest.mark.parametrize("table", WRITTEN)
def test_a_row_of_another_company_cannot_be_written(as_server, acme, other, table):
    be(as_server, other.id)
    row = as_server.execute(f'select to_jsonb(t) as t from tieline."{table}" t').fetchone()["t"]
    # Columns that PostgreSQL itself makes.
    made = {
        "mappingChange": {"position"},
        "element": {"entityId"},
        "externalIntegrationMapping": {"externalIdReversed"},
    }.get(table, set())
    row = {name: value for name, value in row.items() if name not in made}
    be(as_server, acme.id)
    names = ", ".join(f'"{name}"' for name in row)
    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        as_server.execute(
            f'insert into tieline."{table}" ({names}) select {names}'
            f' from jsonb_populate_record(null::tieline."{table}", %s::jsonb)',
            (psycopg.types.json.Jsonb({**row, "id": 8, "integration": "new", "entityId": "8"}),),
        )


@pytest.mark.parametrize("table", ["externalSystem", "externalIntegrationMapping", "element"])
def test_a_row_cannot_be_given_to_another_company(as_server, acme, other, table):
    be(as_server, acme.id)
    with pytest.raises((InsufficientPrivilege, CheckViolation, ForeignKeyViolation)):
        as_server.execute(f'update tieline."{table}" set "companyId" = %s', (other.id,))


def test_a_key_is_found_by_its_hash_alone_whatever_the_company(as_server, acme):
    be(as_server, "")
    assert as_server.execute("select * from tieline.find_key('')").fetchall() == []
    with pytest.raises(InsufficientPrivilege):
        as_server.execute('insert into tieline."apiKey" select * from tieline."apiKey"')


# The bound company alone: row-level security is bypassed by a superuser.

# The parameters behind $1 of a statement file, by the name of the file. Those that ask for things of the whole
# registry have no company.
SHIPPED = {
    "elements/find": ("7",),
    "elements/list": ("0", "100"),
    "elements/list_by_external_id": ("0", "100", "A", None),
    "elements/add": (None, "new"),
    "elements/change": ("7", "true", "new"),
    "elements/remove": ("7",),
    "mappings/list": ("7",),
    "mappings/resolve": ("crm", None, '["A"]'),
    "mappings/locate": ("crm", "element", '["7"]'),
    "mappings/translate": ("crm", "crm", None, '["A"]'),
    "mappings/claim": ("element", "8", "crm", "A"),
    "mappings/find": ("none",),
    "mappings/of_entity": ("element", "7"),
    "mappings/remove": ("none",),
    "mappings/link": ("7", None, "true", "B", "true", "https://crm.example/b"),
    "mappings/unlink": ("7", "false", None),
}


def shipped(name: str) -> str:
    file = resources.files("tieline.sql").joinpath(*f"{name}.sql".split("/"))
    return file.read_text(encoding="utf-8")


def test_every_statement_of_the_element_face_is_played():
    folder = resources.files("tieline.sql")
    there = {f"{noun}/{file.name[:-4]}" for noun in ("elements", "mappings") for file in (folder / noun).iterdir()}
    assert there == set(SHIPPED)


def run_as_superuser(dsn: str, text: str, parameters: tuple) -> list[tuple]:
    """With the placeholders and types that the service sends: $n, all of unknown type."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        (is_superuser,) = conn.execute("select usesuper from pg_user where usename = current_user").fetchone()
        assert is_superuser
        with psycopg.RawCursor(conn) as cursor:
            cursor.execute(text, parameters)
            return cursor.fetchall()


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("is_there", [True, False], ids=["both have it", "only the other has it"])
def test_a_statement_bound_to_one_company_neither_shows_nor_changes_another(acme, other, filled, name, is_there):
    if not is_there:
        acme.database.execute('delete from tieline.element where "companyId" = %s', acme.id)
        acme.database.execute('delete from tieline."externalSystem" where "companyId" = %s', acme.id)
    for text in ("of theirs", "theirs"):
        acme.database.execute('update tieline.element set title = %s where "companyId" = %s', text, other.id)
    before = everything(other)
    rows = run_as_superuser(acme.database.dsn, shipped(name), (acme.id, *SHIPPED[name]))
    assert everything(other) == before
    assert "theirs" not in str(rows)
    if not is_there:
        # Unless it was given.
        assert "crm" in SHIPPED[name] or "crm" not in str(rows)
        assert '"A"' not in str(rows)


# The catalogue: what makes both walls hold for tables to come.


def test_every_table_of_companies_has_forced_row_level_security(database):
    rows = database.execute(
        """select c.relname, c.relrowsecurity and c.relforcerowsecurity, array_agg(p.polname::text)
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'companyId'
        left join pg_policy p on p.polrelid = c.oid
        where c.relnamespace = 'tieline'::regnamespace and c.relkind in ('r', 'p') group by 1, 2"""
    )
    assert {row[0] for row in rows} >= set(TENANTS)
    for table, is_forced, policies in rows:
        assert is_forced, table
        assert "tenant" in policies, table


def test_every_key_and_unique_index_starts_with_the_company(database):
    rows = database.execute(
        """select c.relname, i.indexrelid::regclass::text, a.attname
        from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where c.relnamespace = 'tieline'::regnamespace and i.indisunique"""
    )
    # Tables of the whole registry: its companies, and migrations, functions and signing keys.
    own = {"company", "migration", "routine", "signingKey"}
    assert {table for table, _, first in rows if first != "companyId"} <= own


def test_every_view_shows_what_its_reader_may_see(database):
    rows = database.execute(
        """select relname from pg_class where relnamespace = 'tieline'::regnamespace and relkind = 'v'
        and not coalesce(reloptions @> '{security_invoker=true}' or reloptions @> '{security_invoker=on}', false)"""
    )
    assert rows == []


def test_the_servers_role_owns_nothing_and_is_above_nobody(database):
    assert database.execute(
        "select count(*) from pg_class where relowner = 'tieline_server'::regrole"
    ) == [(0,)]  # fmt: skip
    assert database.execute(
        """select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication
        from pg_roles where rolname = 'tieline_server'"""
    ) == [(False,) * 6]
    assert database.execute("select count(*) from pg_auth_members where member = 'tieline_server'::regrole") == [(0,)]


def test_functions_that_run_as_their_owner_are_counted(database):
    rows = database.execute(
        """select proname::text, proconfig::text from pg_proc
        where pronamespace = 'tieline'::regnamespace and prosecdef"""
    )
    for name, config in rows:
        assert re.search(r"search_path=pg_catalog", config or ""), name
    assert "find_key" in {name for name, _ in rows}
    assert len(rows) <= 3
