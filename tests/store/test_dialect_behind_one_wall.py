"""The mapping face's statements, run by a superuser, whom row-level security does not bind: the bound company holds."""

import json

import psycopg
import pytest

from tieline.dialect.catalogue import RESOURCES
from tieline.dialect.functions import FUNCTIONS
from tieline.dialect.request import prefer
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.statement import explanation, prepare
from tieline.sql.statement import Sql
from tieline.store.batches.link_many import link_many_json
from tieline.store.batches.unlink_many import unlink_many_json

MAPPING = "externalIntegrationMapping"
TABLES = ("company", "externalSystem", MAPPING, "element", "mappingChange", "apiKey")
LIMITS = Limits(50, 1000)
ROW = {"entityType": "item", "entityId": "1", "integration": "crm", "externalId": "A"}

READS = [
    (MAPPING, ""),
    (MAPPING, "externalId=eq.A"),
    (MAPPING, "entityType=eq.item&entityId=eq.1&integration=eq.crm"),
    (MAPPING, "or=(externalId.eq.A,externalId.neq.A,externalId.is.null)"),
    (MAPPING, "not.and=(externalId.eq.x,externalId.eq.y)"),
    (MAPPING, "companyId=neq.nobody"),
    (MAPPING, "companyId=not.is.null&order=companyId"),
    (MAPPING, "select=companyId,externalId,metadata->>secret&metadata->>secret=not.is.null"),
    (MAPPING, "select=integration,count()"),
    (MAPPING, "select=*,company(*)"),
    (MAPPING, "select=*,company!inner(id,name)"),
    (MAPPING, "select=externalId,...company(name)"),
    (MAPPING, "order=externalId.desc.nullslast&limit=5&offset=0"),
    ("company", ""),
    ("company", "select=*,externalIntegrationMapping(*),externalSystem(*)"),
    ("company", "id=neq.nobody"),
    ("externalSystem", "active=is.true"),
    ("externalSystem", "select=*,company(name)"),
    ("mappingChange", ""),
    ("mappingChange", "operation=eq.insert&after->>externalId=eq.A"),
]
KEY = "on_conflict=companyId,entityType,entityId,integration"
WRITES = [
    ("POST", MAPPING, "", [{**ROW, "entityId": "2", "externalId": "B"}], ""),
    ("POST", MAPPING, KEY, [ROW], "resolution=merge-duplicates,return=representation"),
    ("POST", MAPPING, KEY, [{**ROW, "externalId": "C"}], "resolution=ignore-duplicates,return=representation"),
    ("PATCH", MAPPING, "externalId=eq.A", {"metadata": {"a": 1}}, "return=representation"),
    ("PATCH", MAPPING, "companyId=neq.x", {"externalId": "D", "entityType": "t"}, "return=representation"),
    ("PATCH", MAPPING, "or=(externalId.eq.A,externalId.neq.A)", {"link": "https://x.example"}, ""),
    ("DELETE", MAPPING, "externalId=eq.A", None, "return=representation"),
    ("DELETE", MAPPING, "integration=neq.none", None, "return=representation"),
    ("PATCH", "externalSystem", "integration=eq.crm", {"name": "new"}, "return=representation"),
    ("DELETE", "externalSystem", "integration=eq.crm", None, "return=representation"),
]
CALLS = {
    "resolve": {"integration": "crm", "externalIds": ["A", "B"]},
    "locate": {"integration": "crm", "entityType": "item", "entityIds": ["1", "2"]},
    "translate": {"from": "crm", "to": "erp", "externalIds": ["A"]},
    "claim": {"entityType": "item", "entityId": "5", "integration": "crm", "externalId": "A"},
    "link_many": {"mappings": [{**ROW, "entityId": "5"}, ROW], "onConflict": "move", "atomic": False},
    "unlink_many": {"integration": "crm", "entityType": "item", "externalIds": ["A", "E"]},
    "crosswalk": {"integration": "crm", "externalIds": ["A"]},
    "unlinked": {"entityType": "item", "integration": "other", "linkedIn": "crm"},
    "coverage": {},
    "whoami": {},
}


@pytest.fixture
def filled(acme, other):
    """Both companies have the same mappings and systems; the other's hold a word that nobody else has."""
    for company, word in ((acme, "ours"), (other, "theirs")):
        company.has_system("crm", f"https://{word}.example")
        company.database.execute("update tieline.company set name = %s where id = %s", word, company.id)
        for integration, external_id in (("crm", "A"), ("erp", "E")):
            company.database.execute(
                'insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration,'
                " \"externalId\", metadata) values (%s, 'item', '1', %s, %s, %s)",
                *(company.id, integration, external_id, json.dumps({"secret": word})),
            )


def everything(company) -> list[tuple]:
    found = []
    for table in TABLES:
        key = "id" if table == "company" else "companyId"
        statement = (
            f'select (to_jsonb(t) - $$lastUsedAt$$)::text from tieline."{table}" t where "{key}" = %s order by 1'
        )
        found += [(table, *row) for row in company.database.execute(statement, company.id)]
    return found


def run_as_superuser(company, statement: Sql) -> str:
    """The rows of the statement; its changes are committed."""
    assert statement.parameters[0] in (company.id, company.id.encode())
    with psycopg.connect(company.database.dsn, autocommit=True) as conn, psycopg.RawCursor(conn) as cursor:
        conn.execute("set search_path = tieline")
        cursor.execute(statement.text, [_text(value) for value in statement.parameters])
        return str(cursor.fetchall())


def compute_as_superuser(company, function: str, arguments: bytes) -> str:
    """As `run_as_superuser`, for the statements of a batch."""
    with psycopg.connect(company.database.dsn, cursor_factory=psycopg.RawCursor) as conn:
        conn.execute("set search_path = tieline")
        if function == "link_many":
            return str(link_many_json(conn, company.id, arguments))
        return str(unlink_many_json(conn, company.id, arguments, LIMITS.batch_rows_max))


def _text(value: str | bytes | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


def asked(method: str, resource: str, query: str, body: object = None, wishes: str = "") -> Asked:
    content = b"" if body is None else json.dumps(body).encode()
    return Asked(
        method, resource, query, prefer.parse([wishes] if wishes else []), None, "application/json", None, content
    )


@pytest.mark.parametrize(("resource", "query"), READS)
def test_a_read_shows_nothing_of_another_company(acme, other, filled, resource, query):
    made = prepare(asked("GET", resource, query, wishes="count=exact"), acme.id, LIMITS)
    said = run_as_superuser(acme, made.sql)
    assert "theirs" not in said
    assert other.id not in said


@pytest.mark.parametrize(("method", "resource", "query", "body", "wishes"), WRITES)
def test_a_write_neither_shows_nor_changes_anything_of_another_company(
    acme, other, filled, method, resource, query, body, wishes
):
    before = everything(other)
    made = prepare(asked(method, resource, query, body, wishes), acme.id, LIMITS)
    said = run_as_superuser(acme, made.sql)
    assert everything(other) == before
    assert "theirs" not in said
    assert other.id not in said


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_call_neither_shows_nor_changes_anything_of_another_company(acme, other, filled, function):
    before = everything(other)
    made = prepare(asked("POST", f"rpc/{function}", "", CALLS[function]), acme.id, LIMITS)
    if FUNCTIONS[function].is_computed:
        said = compute_as_superuser(acme, function, made.arguments)
    else:
        said = run_as_superuser(acme, made.sql)
    assert everything(other) == before
    assert "theirs" not in said
    assert other.id not in said


@pytest.mark.parametrize("is_there", [True, False])
def test_the_explanation_of_a_taken_key_names_rows_of_the_same_company_alone(acme, other, filled, is_there):
    if not is_there:
        acme.database.execute('delete from tieline."externalIntegrationMapping" where "companyId" = %s', acme.id)
    theirs = {row[0] for row in acme.database.execute(
        'select id from tieline."externalIntegrationMapping" where "companyId" = %s', other.id)}  # fmt: skip
    requests = (asked("POST", MAPPING, "", [{**ROW, "entityId": "2"}]), asked("PATCH", MAPPING, "entityId=eq.1", ROW))
    for request in requests:
        made = prepare(request, acme.id, LIMITS)
        for key in RESOURCES[MAPPING].keys:
            explaining = explanation(made, "23505", key.constraint)
            if explaining is not None:
                said = run_as_superuser(acme, explaining)
                assert not any(mapping_id in said for mapping_id in theirs)
