"""The requests that Carbon's own code sends to this table: the right answer, and no more pages read than it takes.

Pages are counted, not milliseconds, in a company of 100,000 mappings beside another one, as the role that serves, with
plans for these values and with plans for any values.
"""

import json

import psycopg
import pytest

from conftest import new_database
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.prefer import NONE, parse
from tieline.dialect.statement import prepare

ROWS = 100_000
MAPPING = "externalIntegrationMapping"
LIMITS = Limits(depth_max=50, page_rows_max=1000)
SINGULAR = "application/vnd.pgrst.object+json"
# Ids of twenty parts of a document, which end with its payment: d7:e3:q7. Each 50th mapping is of sage, ten of rare.
FILL = f"""
    insert into tieline."{MAPPING}" ("companyId", id, "entityType", "entityId", integration, "externalId", "createdAt",
        "allowDuplicateExternalId", metadata)
    select company, 'm' || lpad(n::text, 6, '0'), case when n % 10 = 9 then 'customer' else 'item' end, 'e' || n,
        case when n < 10 then 'rare' when n % 50 = 1 then 'sage' else 'xero' end,
        case when n in (75, 76, 77) then 'shared' else 'd' || n / 20 || ':e' || n % 20 || ':q' || n / 20 end,
        timestamptz '2026-01-01' + n * interval '1 second', n in (75, 76, 77), '{{"n": 1}}'
    from unnest(array['acme', 'other']) company, generate_series(0, {ROWS - 1}) n
"""
PAGES_FETCHED = """
    select sum(pg_stat_get_xact_blocks_fetched(oid))::int from pg_class where relnamespace = 'tieline'::regnamespace
"""
EQ = "integration=eq.xero&entityType=eq.item&companyId=eq.acme"
MANY = range(1000, 1250)
XERO_ITEMS = [n for n in MANY if n % 10 != 9 and n % 50 != 1]


@pytest.fixture(scope="module")
def filled(postgres):
    with new_database(postgres) as database, psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute("insert into tieline.company (id, name) values ('acme', 'Acme'), ('other', 'Other')")
        conn.execute("set session_replication_role = replica")
        conn.execute(FILL)
        conn.execute("reset session_replication_role")
        conn.execute(f'vacuum analyze tieline."{MAPPING}"')
        yield database


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
def conn(filled, request):
    with psycopg.connect(filled.dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as opened:
        opened.execute("set role tieline_server; set jit = off")
        opened.execute(f"set plan_cache_mode = {request.param}")
        opened.execute("select set_config('tieline.company', 'acme', false)")
        yield opened


def ask(conn, method, query, body=None, accept=None, prefer=""):
    """The answer's body, or the number of rows without one, and the pages of our tables that the request read."""
    sent = b"" if body is None else json.dumps(body).encode()
    wishes = parse([prefer]) if prefer else NONE
    made = prepare(Asked(method, MAPPING, query, wishes, accept, None, None, sent), "acme", LIMITS).sql
    values = [value.decode() if isinstance(value, bytes) else value for value in made.parameters]
    with conn.transaction(force_rollback=True):
        # Not to be counted: what a session reads of the catalogue for its first plan.
        conn.execute(f"explain {made.text}", values)
        before = conn.execute(PAGES_FETCHED).fetchone()[0]
        row = conn.execute(made.text, values).fetchone()
        pages = conn.execute(PAGES_FETCHED).fetchone()[0] - before
    if method != "GET":
        return row[0], pages
    return (json.loads(row[2]) if isinstance(row[2], str) else row[2]), pages


def quoted(values):
    return ",".join(f'"{value}"' for value in values)


@pytest.mark.parametrize(("query", "accept", "expected", "pages_max"), [
    # 1, 2: all entities of one id, and of an id of one entity.
    (f"select=entityId&{EQ}&externalId=eq.shared", None, 3, 20),
    (f"select=entityId&{EQ}&externalId=eq.d7:e3:q7", SINGULAR, {"entityId": "e143"}, 20),
    # 3, 4: ids of many entities, and entities of many ids.
    (f"select=entityId,externalId,metadata,lastSyncedAt&{EQ}&entityId=in.({quoted(f'e{n}' for n in MANY)})", None,
     len(XERO_ITEMS), 1200),
    (f"select=entityId,externalId&{EQ}&externalId=in.({quoted(f'd{n // 20}:e{n % 20}:q{n // 20}' for n in MANY)})",
     None, len(XERO_ITEMS), 1200),
    # 6, 7: the parts of a composite id, and the composite ids that end with a payment.
    (f"select=entityId&{EQ}&externalId=like.d70:*", None, 17, 40),
    (f"select=entityId&{EQ}&externalId=like.*:q70", None, 17, 40),
    ("select=entityId&integration=eq.xero&externalId=like.d70:*", None, 19, 40),
    ("select=entityId&integration=eq.xero&or=(externalId.like.d70:*,externalId.like.*:q90,externalId.eq.shared)", None,
     41, 60),
    ("select=entityId&integration=eq.xero&externalId=like(any).{d70:*,*:q90}", None, 38, 60),
    # 8, 9: what a record has over there.
    (f"select=id,externalId,metadata&{EQ}&entityId=eq.e143", SINGULAR,
     {"id": "m000143", "externalId": "d7:e3:q7", "metadata": {"n": 1}}, 20),
    (f"select=externalId&{EQ}&entityId=eq.e143", SINGULAR, {"externalId": "d7:e3:q7"}, 20),
    # 10: by the id over there alone.
    ("select=entityId&integration=eq.xero&externalId=eq.d7:e3:q7", None, 1, 20),
    # The newest page, which clients ask for first.
    ("select=id&order=createdAt.desc&limit=100", None, 100, 60),
    ("order=createdAt.desc,id.desc&limit=100", None, 100, 60),
    ("order=createdAt.desc.nullslast,id&limit=100", None, 100, 60),
    ("integration=eq.xero&order=createdAt.desc&limit=100", None, 100, 60),
    ("integration=eq.sage&order=createdAt.desc&limit=100", None, 100, 400),
    ("entityType=eq.customer&order=createdAt.desc,id.desc&limit=100", None, 100, 400),
    ("integration=eq.rare&order=createdAt.desc&limit=100", None, 10, 1500),
    ("createdAt=lt.2026-01-01T12:00:00Z&order=createdAt.desc&limit=100", None, 100, 60),
], ids=lambda value: value[:70] if isinstance(value, str) else "")  # fmt: skip
def test_a_read_finds_its_rows_by_few_pages(conn, query, accept, expected, pages_max):
    found, pages = ask(conn, "GET", query, accept=accept)
    assert (len(found) if isinstance(expected, int) else found) == expected
    assert pages < pages_max


def test_the_newest_page_has_the_newest_rows_in_their_order(conn):
    found, _ = ask(conn, "GET", "select=id&integration=eq.sage&order=createdAt.desc&limit=3")
    assert [row["id"] for row in found] == ["m099951", "m099901", "m099851"]


def test_no_match_for_one_row_is_told_as_none(conn):
    """2: the client's `maybeSingle` asks for a list and takes its one row."""
    found, pages = ask(conn, "GET", f"select=entityId&{EQ}&externalId=eq.none")
    assert found == []
    assert pages < 20


def test_pages_of_one_kind_in_the_order_of_ids_are_read_to_their_end(conn):
    """11: the one shape that may read the whole of a kind."""
    last, seen, pages = "", 0, 0
    for _ in range(3):
        after = f"&id=gt.{last}" if last else ""
        found, some = ask(conn, "GET", f"select=id&integration=eq.sage&entityType=eq.item&order=id&limit=1000{after}")
        last, seen, pages = found[-1]["id"] if found else last, seen + len(found), pages + some
    assert seen == 1999
    assert pages < 2 * ROWS


def test_a_link_is_replaced_by_a_delete_and_an_insert(conn):
    """5: two requests there."""
    deleted, pages = ask(conn, "DELETE", f"{EQ}&entityId=eq.e143")
    assert (deleted, pages < 100) == (1, True)
    body = {"entityType": "item", "entityId": "new", "integration": "xero", "externalId": "new"}
    made, pages = ask(conn, "POST", "", body)
    assert (made, pages < 200) == (1, True)


@pytest.mark.parametrize(
    "key", ["entityType,entityId,integration,companyId", "integration,externalId,entityType,companyId"]
)
def test_an_upsert_meets_its_row_by_either_key(conn, key):
    """13, 14."""
    row = {
        "entityType": "item",
        "entityId": "e143",
        "integration": "xero",
        "externalId": "d7:e3:q7",
        "companyId": "acme",
    }
    wishes = "resolution=merge-duplicates"
    written, pages = ask(conn, "POST", f"on_conflict={key}", {**row, "metadata": {"n": 2}}, prefer=wishes)
    assert (written, pages < 200) == (1, True)
    batch = [{**row, "metadata": {"n": n}, "entityId": f"e{n}", "externalId": f"d{n // 20}:e{n % 20}:q{n // 20}"}
             for n in XERO_ITEMS[:50]]  # fmt: skip
    written, pages = ask(conn, "POST", f"on_conflict={key}", batch, prefer=wishes)
    assert (written, pages < 50 * 100) == (50, True)
