"""PostgreSQL's plans of the hot statements use their indexes: on a filled table, with statistics, for any value."""

import json
import secrets

import psycopg
import pytest

from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.prefer import NONE
from tieline.dialect.statement import prepare
from tieline.sql.statement import shipped

ROWS = 20_000
MAPPING = "externalIntegrationMapping"
ENTITY_KEY = "externalIntegrationMapping_entity_key"
EXTERNAL_ID_KEY = "externalIntegrationMapping_externalId_key"
EXTERNAL_ID_INDEX = "externalIntegrationMapping_externalId_idx"
PREFIX_INDEX = "externalIntegrationMapping_prefix_idx"
# Indexes that find a whole external id at the same cost.
ALIKE = {EXTERNAL_ID_KEY, EXTERNAL_ID_INDEX, PREFIX_INDEX}
PRIMARY_KEY = "externalIntegrationMapping_pkey"


@pytest.fixture(scope="module")
def filled(database):
    """Two companies with so many rows each that PostgreSQL must not read them all. Gives the id of one."""
    companies = [f"plan-{secrets.token_hex(4)}" for _ in range(2)]
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        for company in companies:
            conn.execute("insert into tieline.company (id, name) values (%s, %s)", (company, company))
            conn.execute(
                """insert into tieline."externalIntegrationMapping"
                    ("companyId", "entityType", "entityId", integration, "externalId")
                select %s, 'element', i::text, 'crm', 'x' || i from generate_series(1, %s) i""",
                (company, ROWS),
            )
            conn.execute(
                """insert into tieline.element ("companyId", id, title)
                select %s, i, 'x' from generate_series(1, %s) i""",
                (company, ROWS),
            )
        conn.execute(
            'insert into tieline."externalSystem" ("companyId", integration, name, "systemUrl", "isDefault")'
            " values (%s, 'crm', 'CRM', 'https://crm.example', true)",
            (companies[0],),
        )
        conn.execute('analyze tieline."externalIntegrationMapping"; analyze tieline.element')
    return companies[0]


def plan(database, company, text, values):
    """The nodes of PostgreSQL's generic plan, which serves any values, as the role that serves requests."""
    with psycopg.connect(database.dsn, cursor_factory=psycopg.RawCursor) as conn:
        conn.execute("set local role tieline_server; set local plan_cache_mode = force_generic_plan")
        conn.execute("select set_config('tieline.company', $1, true)", (company,))
        explained = conn.execute(
            "explain (format json) " + text, [v.decode() if isinstance(v, bytes) else v for v in values]
        ).fetchone()
        conn.rollback()
    return list(nodes(explained[0][0]["Plan"] if not isinstance(explained[0], str) else json.loads(explained[0])))


def nodes(node):
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def indexes(found):
    return {node["Index Name"] for node in found if "Index Name" in node}


def whole_tables(found):
    return {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("entityType=eq.element&entityId=eq.7&integration=eq.crm", ENTITY_KEY),
        ("id=eq.01a2", PRIMARY_KEY),
        (
            "integration=eq.crm&entityType=eq.element&externalId=eq.x7&allowDuplicateExternalId=is.false",
            EXTERNAL_ID_KEY,
        ),
        ("integration=eq.crm&entityType=eq.element&externalId=eq.x7", EXTERNAL_ID_INDEX),
        ("integration=eq.crm&externalId=eq.x7", EXTERNAL_ID_INDEX),
        ("integration=eq.crm&externalId=in.(x1,x2,x3)", EXTERNAL_ID_INDEX),
        ("entityType=eq.element&entityId=in.(1,2,3)", ENTITY_KEY),
        ("order=id&limit=10", PRIMARY_KEY),
        ("id=gt.01a2&order=id&limit=100", PRIMARY_KEY),
    ],
)
def test_a_lookup_of_the_mapping_face_reads_its_index_and_no_table(database, filled, query, index):
    statement = prepare(Asked("GET", MAPPING, query, NONE), filled, Limits(50, 1000)).sql
    found = plan(database, filled, statement.text, statement.parameters)
    assert indexes(found) & (ALIKE if index in ALIKE else {index})
    assert MAPPING not in whole_tables(found)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("mappings/list", ["7"]),
        ("mappings/unlink", ["7", "false", None]),
        ("mappings/unlink", ["7", "true", None]),
        ("mappings/find", ["01a2"]),
        ("mappings/of_entity", ["element", "7"]),
        ("mappings/remove", ["01a2"]),
        ("elements/find", ["7"]),
        ("elements/list", ["0", "20"]),
        ("elements/list_by_external_id", ["0", "20", "x7", None]),
        ("elements/list_by_external_id", ["0", "20", "x7", "https://crm.example"]),
        ("elements/remove", ["7"]),
    ],
)
def test_a_statement_of_mappings_and_elements_reads_no_whole_table(database, filled, name, values):
    found = plan(database, filled, shipped(name), [filled, *values])
    assert not whole_tables(found) & {MAPPING, "element"}
