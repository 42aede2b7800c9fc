"""One client does its worst with statements: the others are served, and memory stays within the measure."""

import pytest
from load import MAPPINGS, attack, fill, neighbour, watching


@pytest.fixture
def stage(acme, other, server, database):
    """The attacker's company, its neighbour's, and where they live."""
    fill(acme, 1000)
    return acme, other, server, database


def test_a_client_that_lists_without_pause_leaves_its_neighbour_served(stage):
    acme, other, server, database = stage
    with watching(server, database) as watch, neighbour(other) as served:
        got = attack(acme, lambda caller, _: caller.get(f"{MAPPINGS}?limit=1000"))
    assert set(got.statuses) <= {200, 503}
    assert set(served.statuses) <= {200, 201}
    watch.check()
