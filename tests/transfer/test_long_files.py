# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""Files longer than a batch: rows wait for holders that a later batch moves elsewhere."""

import random

import pytest
from files_of_companies import ours  # noqa: F401 -- fixtures

from tieline.store.batches.results import Result
from tieline.store.batches.rows import MappingRow
from tieline.transfer.held import Held, HeldRecord, circles_and_singles
from tieline.transfer.load import BATCH_ROWS_MAX

ROWS = 25_000
HEADER = "entityType,entityId,integration,externalId\n"


def file(ids):
    return HEADER + "".join(f"item,{number},xero,{external_id}\n" for number, external_id in enumerate(ids))


def held(ours):
    rows = ours.database.execute(
        'select "entityId"::int, "externalId" from tieline."externalIntegrationMapping" where "companyId" = %s', ours.id
    )
    return [external_id for _, external_id in sorted(rows)]


@pytest.fixture
def filled(ours):
    """A company with as many mappings as two batches and a half: 0 has X0, 1 has X1, and so on."""
    ours.database.execute(
        """
        insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration, "externalId")
        select %s, 'item', n::text, 'xero', 'X' || n from generate_series(0, %s) n
        """,
        ours.id,
        ROWS - 1,
    )
    return ours


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("on_conflict", ["report", "skip"])
def test_a_shift_of_all_ids_lands_in_either_direction(filled, step, on_conflict):
    shifted = [f"X{number + step}" for number in range(ROWS)]
    loaded = filled.load("mappings", file(shifted), on_conflict=on_conflict)
    assert (loaded.counts, loaded.refused, loaded.moved) == ({"updated": ROWS}, {}, {})
    assert held(filled) == shifted
    assert filled.load("mappings", file(shifted)).counts == {"unchanged": ROWS}


def test_swaps_between_rows_of_different_batches_land(filled):
    order = list(range(ROWS))
    random.Random(7).shuffle(order)
    swapped = [""] * ROWS
    for one, other in zip(order[::2], order[1::2], strict=True):
        swapped[one], swapped[other] = f"X{other}", f"X{one}"
    loaded = filled.load("mappings", file(swapped))
    assert (loaded.counts, loaded.refused) == ({"updated": ROWS}, {})
    assert held(filled) == swapped


def test_a_circle_longer_than_a_batch_is_refused_and_says_that_it_is_one(filled):
    rotated = [f"X{(number + 1) % ROWS}" for number in range(ROWS)]
    loaded = filled.load("mappings", file(rotated))
    assert (loaded.counts, len(loaded.refused)) == ({}, ROWS)
    said = f"{ROWS:,} rows pass their external ids on in a circle, which is longer than a batch can be"
    assert all(said in reason for reason in loaded.refused.values())
    assert loaded.holders[2][:2] == ("item", "1")
    assert held(filled) == [f"X{number}" for number in range(ROWS)]


def test_a_circle_longer_than_a_batch_lands_by_moves(filled):
    rotated = [f"X{(number + 1) % ROWS}" for number in range(ROWS)]
    assert filled.load("mappings", file(rotated), on_conflict="move").counts == {"updated": ROWS}
    assert held(filled) == rotated


def test_rows_that_wait_for_a_holder_outside_the_file_are_refused_in_the_end(filled):
    shifted = [f"X{number + 1}" for number in range(ROWS - 1)]
    loaded = filled.load("mappings", file(shifted))
    assert (loaded.counts, len(loaded.refused)) == ({}, ROWS - 1)
    assert loaded.refused[2] == "The external id is held by item 1 in xero"
    assert held(filled) == [f"X{number}" for number in range(ROWS)]


def test_an_id_that_an_earlier_batch_has_settled_is_not_moved(filled):
    rows = [f"X{number}" for number in range(BATCH_ROWS_MAX + 1)]
    text = file(rows) + "item,other,xero,X5\n"
    loaded = filled.load("mappings", text, on_conflict="move")
    assert loaded.counts == {"unchanged": BATCH_ROWS_MAX + 1}
    last = BATCH_ROWS_MAX + 3
    assert loaded.refused == {last: "The external id is held by item 5 in xero (see line 7)"}


def test_a_shift_in_any_order_of_the_file_lands_in_one_more_pass(filled):
    """The holders of neighbours in the chain stand in different batches of the file, in no order."""
    order = list(range(ROWS))
    random.Random(3).shuffle(order)
    rows = "".join(f"item,{number},xero,X{number + 1}\n" for number in order)
    batches = []
    loaded = filled.load("mappings", HEADER + rows, on_batch=batches.append)
    assert (loaded.counts, loaded.refused) == ({"updated": ROWS}, {})
    assert held(filled) == [f"X{number + 1}" for number in range(ROWS)]
    # Three for the file, and at most three for the rows that had to wait; the last piece of a file may be empty.
    assert len(batches) <= 2 * -(-ROWS // BATCH_ROWS_MAX) + 1


def test_rows_that_wait_are_tried_again_in_batches_of_few_bytes(tmp_path):
    row = MappingRow(entity_type="item", entity_id="1", integration="xero", external_id="A" * 1000)
    with (tmp_path / "held").open("w+b") as file:
        waiting = Held(file, rows_max=100, bytes_max=5_000)
        waiting.add(HeldRecord(line, row, None, Result(line, "conflict"), line, line + 1) for line in range(50))
        sizes = [len(batch) for batch in waiting.in_order_of_waiting()]
    assert (sum(sizes), max(sizes)) == (50, 4)


def test_circles_stay_whole_and_come_before_the_chains_that_lead_into_them():
    waits = {1: 2, 2: 3, 3: 1, 4: 1, 5: 4, 6: 7, 7: 6, 8: -1, 0: 0}
    groups = list(circles_and_singles([waits[place] for place in range(9)]))
    assert sorted(map(sorted, (group for group in groups if len(group) > 1))) == [[1, 2, 3], [6, 7]]
    order = [place for group in groups for place in group]
    assert sorted(order) == list(range(9))
    assert order.index(3) < order.index(4) < order.index(5)
