"""Counts that need not be exact are counts of the company's own rows, whatever others have."""

import pytest

from conftest import serving

MAPPINGS = "/externalIntegrationMapping"
THEIRS = 2_000


def total(client, wanted, **parameters) -> str:
    answer = client.get(MAPPINGS, params=parameters, headers={"Prefer": f"count={wanted}"})
    return answer.headers["content-range"].partition("/")[2]


@pytest.fixture
def neighbour(other, database):
    """Another company that has many mappings of a system, and statistics that know them."""
    database.execute(
        'insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)'
        " select %s, 'item', n::text, 'rival' from generate_series(1, %s) n",
        other.id,
        THEIRS,
    )
    database.execute('analyze tieline."externalIntegrationMapping"')


@pytest.mark.parametrize("wanted", ["planned", "estimated", "exact"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_count_tells_nothing_of_a_neighbour(client, neighbour, wanted, method):
    rows = [{"entityType": "item", "entityId": str(n), "integration": "rival"} for n in range(3)]
    client.post(MAPPINGS, json=rows)
    for filters, count in ({"integration": "eq.rival"}, 3), ({"integration": "eq.none"}, 0), ({}, 3):
        answer = client.request(
            method, MAPPINGS, params={**filters, "limit": "1"}, headers={"Prefer": f"count={wanted}"}
        )
        assert answer.headers["content-range"].partition("/")[2] == str(count)


def test_plans_are_not_answered(client, neighbour):
    answer = client.get(MAPPINGS, headers={"Accept": "application/vnd.pgrst.plan+json"})
    assert answer.status_code == 406


def test_a_count_ends_at_its_setting_behind_the_page(acme, database, open_folder):
    with serving(open_folder, database, TIELINE_COUNTED_ROWS_MAX="3") as few, acme.client() as client:
        client.base_url = few.url
        rows = [{"entityType": "item", "entityId": str(n), "integration": "x"} for n in range(6)]
        client.post(MAPPINGS, json=rows)
        assert total(client, "planned", limit="1") == "3"
        assert total(client, "estimated", limit="1", offset="2") == "5"
        assert total(client, "planned", limit="1", offset="4") == "6"
        assert total(client, "exact", limit="1") == "6"
