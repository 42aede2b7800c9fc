from hypothesis import given
from hypothesis import strategies as st

from tieline.transfer.columns import Refused
from tieline.transfer.plan import Holder, Standing, Wish, plan

ONE, TWO, THREE = (("item", number, "xero") for number in "123")
A, B = ("xero", "item", "A"), ("xero", "item", "B")
HELD_BY_TWO = {A: Holder(TWO, "m2", "item 2 (mapping m2)")}


def test_an_external_id_of_another_entity_is_reported_with_its_holder():
    made = plan([Wish(5, ONE, A)], {}, HELD_BY_TWO, {}, "report")
    assert made.refused == [Refused(5, "'A' is held by item 2 (mapping m2)")]


def test_skip_passes_over_it_and_move_takes_it():
    assert plan([Wish(5, ONE, A)], {}, HELD_BY_TWO, {}, "skip").skipped == [5]
    assert plan([Wish(5, ONE, A)], {}, HELD_BY_TWO, {}, "move").released == [HELD_BY_TWO[A]]


def test_one_s_own_external_id_is_no_conflict():
    made = plan([Wish(5, TWO, A)], {5: Standing(A)}, HELD_BY_TWO, {}, "report")
    assert not made.refused


def test_of_two_rows_about_one_entity_the_first_wins():
    made = plan([Wish(2, ONE, A), Wish(3, ONE, B)], {}, {}, {}, "report")
    assert made.refused == [Refused(3, "line 2 of this file already says what becomes of item 1 xero")]


def test_of_two_rows_that_want_one_external_id_the_first_wins_even_when_moving():
    made = plan([Wish(2, ONE, A), Wish(3, TWO, A)], {}, {}, {}, "move")
    assert made.refused == [Refused(3, "'A' is held by item 1, by line 2 of this file")]


def test_a_row_of_an_earlier_batch_counts_as_one_of_this_file():
    made = plan([Wish(20_003, ONE, A)], {20_003: Standing(B, line=2)}, {}, {}, "report")
    assert made.refused == [Refused(20_003, "line 2 of this file already says what becomes of item 1 xero")]


def test_an_external_id_that_the_row_before_gave_up_can_be_taken():
    wishes = [Wish(2, TWO, B), Wish(3, ONE, A)]
    assert not plan(wishes, {2: Standing(A)}, HELD_BY_TWO, {}, "report").refused


def test_two_that_swap_are_refused_as_row_after_row_would_be():
    wishes = [Wish(2, ONE, B), Wish(3, TWO, A)]
    holders = {A: Holder(ONE, "m1", "item 1"), B: Holder(TWO, "m2", "item 2")}
    made = plan(wishes, {2: Standing(A), 3: Standing(B)}, holders, {}, "report")
    assert [refused.line for refused in made.refused] == [2, 3]


def test_an_entity_that_lost_its_external_id_does_not_keep_it():
    wishes = [Wish(2, ONE, A), Wish(3, TWO, A, is_kept=True)]
    made = plan(wishes, {3: Standing(A)}, HELD_BY_TWO, {}, "move")
    assert (made.refused, made.released) == ([], [HELD_BY_TWO[A]])


def test_an_id_of_another_mapping_is_refused():
    made = plan(
        [Wish(2, ONE, id="m9"), Wish(3, TWO, id="m8"), Wish(4, THREE, id="m8")], {}, {}, {"m9": "item 9"}, "move"
    )
    assert made.refused == [
        Refused(2, "the id m9 belongs to item 9"),
        Refused(4, "the id m8 belongs to line 3 of this file"),
    ]


ENTITIES = [("item", str(number), "xero") for number in range(4)]
CLAIMS = [("xero", "item", letter) for letter in "ABC"]


@given(
    st.dictionaries(st.sampled_from(CLAIMS), st.sampled_from(ENTITIES)),
    st.lists(st.tuples(st.sampled_from(ENTITIES), st.none() | st.sampled_from(CLAIMS)), max_size=8),
    st.sampled_from(["report", "skip", "move"]),
)
def test_a_batch_ends_as_row_after_row_would(held, rows, on_conflict):
    """Against the plainest way to say it: a dictionary and a loop."""
    registry = {entity: claim for claim, entity in held.items()}
    before = dict(registry)
    landed, lost = {}, []
    for line, (entity, claim) in enumerate(rows, 2):
        holder = next((who for who, what in registry.items() if claim and what == claim and who != entity), None)
        if entity in landed or (holder and (on_conflict != "move" or holder in landed)):
            lost.append(line)
            continue
        if holder:
            registry[holder] = None
        registry[entity] = claim
        landed[entity] = line
    wishes = [Wish(line, entity, claim) for line, (entity, claim) in enumerate(rows, 2)]
    standings = {wish.line: Standing(before[wish.key]) for wish in wishes if wish.key in before}
    holders = {claim: Holder(entity, entity[1], entity[1]) for entity, claim in before.items() if claim}
    made = plan(wishes, standings, holders, {}, on_conflict)
    assert sorted([refused.line for refused in made.refused] + made.skipped) == lost
