"""Places that companies share: each gets its share, waits behind itself, and has its turn."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline import problems
from tieline.places import Places
from tieline.problems import Problem


def run(act: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(act(), 20))


def of(count: int, **given_: float) -> Places:
    return Places(count, 75, **{"waiters_max": 100, "wait_seconds_max": 10, **given_})


def taken_by(places: Places, party: str) -> int:
    """How many places the party gets at once."""
    count = 0
    while places.take_now(party):
        count += 1
    return count


@pytest.mark.parametrize(
    ("count", "shares"), [(1, [1, 0]), (2, [1, 1, 0]), (3, [2, 1, 0]), (4, [3, 1, 0]), (8, [6, 1, 1, 0])]
)
def test_each_that_comes_gets_its_share_of_those_that_are_left(count, shares):
    places = of(count)
    assert [taken_by(places, f"company {number}") for number in range(len(shares))] == shares
    assert places.taken == count


def test_the_service_itself_may_have_all():
    assert taken_by(of(4), "") == 4


@given(st.integers(1, 40), st.integers(1, 100), st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=200))
def test_no_place_is_given_twice_or_lost(count, percent, steps):
    places = Places(count, percent)
    held = Counter()
    for number, takes in steps:
        party = f"company {number}"
        if takes and places.take_now(party):
            held[party] += 1
        elif not takes and held[party]:
            places.give_back(party)
            held[party] -= 1
        assert places.taken == held.total() <= count
        assert held[party] <= max(1, (held[party] + count - held.total()) * percent // 100) or not takes
    for party in held:
        for _ in range(held[party]):
            places.give_back(party)
    assert taken_by(places, "") == count


def test_those_who_wait_are_served_in_turn_and_each_in_its_order():
    async def act():
        places = of(1)
        await places.take("greedy")
        served = []

        async def ask(party: str, number: int) -> None:
            await places.take(party)
            served.append((party, number))
            await asyncio.sleep(0)
            places.give_back(party)

        asked = [("greedy", 1), ("greedy", 2), ("greedy", 3), ("b", 1), ("b", 2), ("c", 1)]
        asking = [asyncio.create_task(ask(*one)) for one in asked]
        await asyncio.sleep(0)
        places.give_back("greedy")
        await asyncio.gather(*asking)
        assert served == [("greedy", 1), ("b", 1), ("c", 1), ("greedy", 2), ("b", 2), ("greedy", 3)]

    run(act)


def test_the_last_places_are_for_those_who_have_none():
    async def act():
        places = of(4)
        for _ in range(3):
            await places.take("greedy")
        waiting = asyncio.create_task(places.take("greedy"))
        await asyncio.sleep(0)
        await places.take("b")
        places.give_back("b")
        await asyncio.sleep(0)
        assert not waiting.done()
        places.give_back("greedy")
        await waiting

    run(act)


def test_a_full_queue_of_one_leaves_room_for_another():
    async def act():
        places = of(1, waiters_max=4)
        await places.take("greedy")
        asking = [asyncio.create_task(places.take("greedy")) for _ in range(5)]
        await asyncio.sleep(0)
        assert [task.done() for task in asking] == [False] * 3 + [True] * 2
        with pytest.raises(Problem, match="busy"):
            await asking[4]
        other = asyncio.create_task(places.take("b"))
        await asyncio.sleep(0)
        assert not other.done()
        places.give_back("greedy")
        await asking[0]
        places.give_back("greedy")
        await other
        for task in asking:
            task.cancel()

    run(act)


def test_who_waits_too_long_is_sent_away_and_keeps_no_place():
    async def act():
        places = of(1, wait_seconds_max=0.02)
        await places.take("a")
        with pytest.raises(Problem, match="no connection became free in time"):
            await places.take("b")
        assert places.waiting == 0
        places.give_back("a")
        assert places.take_now("b")

    run(act)


def test_a_place_handed_to_one_who_has_gone_goes_to_the_next():
    async def act():
        places = of(1)
        await places.take("a")
        gone, next_one = (asyncio.create_task(places.take(party)) for party in ("b", "c"))
        await asyncio.sleep(0)
        places.give_back("a")
        gone.cancel()
        await next_one
        assert places.taken == 1

    run(act)


def test_places_may_go_while_they_are_held_and_those_who_wait_are_told():
    async def act():
        places = of(1)
        await places.take("a")
        waiting = asyncio.create_task(places.take("b"))
        await asyncio.sleep(0)
        places.lose_held("a")
        places.send_away(problems.database_unavailable)
        with pytest.raises(Problem, match="cannot be reached"):
            await waiting
        assert not places.take_now("b")
        places.add(1)
        assert places.take_now("b")

    run(act)
