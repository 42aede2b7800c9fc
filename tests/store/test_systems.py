"""The verbs of external systems, over a connection of the owner's as the command line has one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from tieline.postgres.database import connected
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.store import companies, systems
from tieline.store.companies import UnknownCompanyError
from tieline.store.systems import System, SystemChange

AT_ONCE = 32


@pytest.fixture
def conn(acme):
    with connected(acme.database.dsn) as opened:
        yield opened


@pytest.fixture
def session(acme):
    return Session(acme.id, "cli:ann")


def there(conn, session) -> list[System]:
    with conn.transaction():
        companies.act(conn, session)
        return systems.listed(conn, session.company_id)


def test_a_new_system_is_named_like_its_key_unless_it_is_given_a_name(conn, session):
    assert systems.set(conn, session, SystemChange("crm")) == "created"
    assert systems.set(conn, session, SystemChange("erp", name="ERP", active=False, metadata='{"a": 1}')) == "created"
    assert there(conn, session) == [System("crm", "crm"), System("erp", "ERP", active=False, metadata='{"a": 1}')]


def test_a_setting_that_is_left_out_stays_and_none_takes_it_away(conn, session):
    whole = SystemChange("crm", "CRM", "https://crm.example", "https://crm.example/{externalId}", is_default=True)
    systems.set(conn, session, whole)
    assert systems.set(conn, session, SystemChange("crm", link_template=None)) == "updated"
    assert there(conn, session) == [System("crm", "CRM", "https://crm.example", is_default=True)]


def test_the_time_after_which_mappings_are_old_is_set_and_cleared(conn, session):
    systems.set(conn, session, SystemChange("crm", stale_after_seconds=3600))
    assert there(conn, session) == [System("crm", "crm", stale_after_seconds=3600)]
    assert systems.set(conn, session, SystemChange("crm", stale_after_seconds=None)) == "updated"
    assert there(conn, session) == [System("crm", "crm")]


def test_a_system_that_is_set_already_is_unchanged(conn, session):
    given = SystemChange("crm", system_url="https://crm.example", metadata='{"a": 1}')
    systems.set(conn, session, given)
    assert systems.set(conn, session, given) == "unchanged"
    assert systems.set(conn, session, SystemChange("crm")) == "unchanged"


def test_a_new_default_replaces_the_former(conn, session):
    for name in ("a", "b"):
        systems.set(conn, session, SystemChange(name, is_default=True))
    assert [system.is_default for system in there(conn, session)] == [False, True]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (SystemChange(" "), "The key of an external system cannot be blank."),
        *(
            (
                SystemChange("erp", stale_after_seconds=seconds),
                f"staleAfterSeconds must be a whole number from 1 to 2147483647, and {seconds} is not.",
            )
            for seconds in (0, -1, 2**31)
        ),
        (
            SystemChange("erp", system_url="erp.example"),
            "systemUrl must be an absolute http or https address without spaces, not 'erp.example'.",
        ),
        (
            SystemChange("erp", link_template="https://erp.example"),
            "linkTemplate must contain {externalId}, where the id goes, and 'https://erp.example' does not.",
        ),
        (
            SystemChange("erp", system_url="HTTPS://CRM.example:443/"),
            "'https://crm.example' is held by the system crm.",
        ),
    ],
)
def test_a_system_that_cannot_be_is_refused_and_nothing_is_set(conn, session, given, message):
    systems.set(conn, session, SystemChange("crm", system_url="https://crm.example"))
    with pytest.raises(Problem) as refused:
        systems.set(conn, session, replace(given, is_default=True))
    assert refused.value.message == message
    assert there(conn, session) == [System("crm", "crm", "https://crm.example")]


def test_a_change_to_an_address_that_is_taken_is_refused_too(conn, session):
    systems.set(conn, session, SystemChange("crm", system_url="https://crm.example"))
    systems.set(conn, session, SystemChange("erp"))
    with pytest.raises(Problem) as refused:
        systems.set(conn, session, SystemChange("erp", system_url="https://crm.example/"))
    assert (refused.value.status, refused.value.extra) == (409, {"conflictingIntegration": "crm"})


def test_a_system_of_an_unknown_company_is_refused(conn):
    with pytest.raises(UnknownCompanyError):
        systems.set(conn, Session("nobody", "cli:ann"), SystemChange("crm"))


def test_a_system_is_found_and_removed_once(conn, session):
    systems.set(conn, session, SystemChange("crm", name="CRM"))
    with conn.transaction():
        companies.act(conn, session)
        assert systems.find(conn, session.company_id, "crm") == System("crm", "CRM")
        assert systems.remove(conn, session.company_id, "crm")
        assert systems.find(conn, session.company_id, "crm") is None
        assert not systems.remove(conn, session.company_id, "crm")


def test_many_that_set_the_same_system_and_the_default_at_once_all_get_through(acme, conn, session):
    def one(n: int) -> str:
        with connected(acme.database.dsn) as own:
            return systems.set(own, session, SystemChange(f"crm{n % 4}", name=f"name {n}", is_default=True))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(one, range(AT_ONCE)))
    assert outcomes.count("created") == 4
    assert set(outcomes) <= {"created", "updated"}
    assert sum(system.is_default for system in there(conn, session)) == 1
