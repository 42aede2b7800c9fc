"""The verbs of companies and keys, over a connection of the owner's as the command line has one."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from tieline.postgres.database import connected
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.store import companies, keys
from tieline.store.companies import UnknownCompanyError
from tieline.store.keys import NewKey


@pytest.fixture
def conn(database):
    with connected(database.dsn) as opened:
        yield opened


@pytest.fixture
def company_id(conn) -> str:
    made = f"co-{secrets.token_hex(6)}"
    companies.add(conn, made, "A company")
    return made


def test_a_company_is_added_once_found_and_listed(conn, company_id):
    found = companies.find(conn, company_id)
    assert (found.id, found.name) == (company_id, "A company")
    assert found in companies.listed(conn)
    with pytest.raises(Problem) as refused:
        companies.add(conn, company_id, "Another")
    assert refused.value.message == f"There is a company '{company_id}' already."


def test_a_removed_company_is_gone_with_all_that_it_owned_and_its_history(conn, acme, other, client):
    for company in (acme, other):
        company.has_system("crm", "https://crm.example", default=True)
        company.has_element(7)
        with company.client() as caller:
            path = "/api/v2/elements/7/external-element/link"
            caller.post(path, json={"externalId": "A"}).raise_for_status()
    assert companies.remove(conn, Session(acme.id, "cli:ann"))
    assert companies.find(conn, acme.id) is None
    for table in ("externalSystem", "externalIntegrationMapping", "element", "apiKey", "mappingChange"):
        count = f'select count(*) from tieline."{table}" where "companyId" = %s'
        assert acme.database.execute(count, acme.id) == [(0,)]
        assert acme.database.execute(count, other.id) > [(0,)]
    assert not companies.remove(conn, Session(acme.id, "cli:ann"))


def test_a_company_with_more_mappings_than_one_transaction_deletes_is_removed_too(conn, company_id, database):
    database.execute(
        """insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)
        select %s, 'item', n::text, 'crm' from generate_series(1, %s) n""",
        company_id,
        companies.REMOVED_ROWS_MAX + 1,
    )
    assert companies.remove(conn, Session(company_id, "cli:ann"))
    tables = database.execute(
        """select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'companyId'
        where c.relnamespace = 'tieline'::regnamespace and c.relkind = 'r'"""
    )
    assert len(tables) > 5
    for (table,) in tables:
        assert database.execute(f'select count(*) from tieline."{table}" where "companyId" = %s', company_id) == [(0,)]


def test_a_key_is_created_found_and_listed(conn, company_id):
    key = keys.made()
    key_id = keys.create(conn, NewKey(company_id, "shop", "api.write", 600), key)
    found = keys.find(conn, key_id)
    assert (found.company_id, found.name, found.scopes, found.rate_limit) == (company_id, "shop", ["api.write"], 600)
    assert found.revoked_at is None
    assert keys.listed(conn, company_id) == [found]
    assert found in keys.listed(conn, None)
    assert keys.find(conn, "key_nobody") is None


def test_a_key_that_would_have_expired_is_not_created(conn, company_id):
    past = datetime.now(UTC) - timedelta(seconds=1)
    assert keys.create(conn, NewKey(company_id, "shop", expires_at=past), keys.made()) is None
    assert keys.listed(conn, company_id) == []


def test_a_key_of_an_unknown_company_is_refused(conn):
    with pytest.raises(UnknownCompanyError):
        keys.create(conn, NewKey("nobody", "shop"), keys.made())


def test_a_key_is_revoked_once_and_again_says_since_when(conn, company_id):
    key_id = keys.create(conn, NewKey(company_id, "shop"), keys.made())
    was_revoked, since = keys.revoke(conn, key_id)
    assert not was_revoked
    assert keys.revoke(conn, key_id) == (True, since)
    assert keys.find(conn, key_id).revoked_at == since
    assert keys.revoke(conn, "key_nobody") is None
