"""The rule for batches, by its examples, and for any batch by comparison with a model that knows only the end state."""

import itertools
import random

import pytest
from examples import EXAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st
from notation import HOW, ROWS, Mapping, Row, batch, registries, registry, standing, wish

from tieline.store.batches.plan import Decision, Plan, Standing, Wish, plan


def options(option: str) -> dict:
    return {"on_existing": "keep"} if option == "keep" else {"on_conflict": option}


def told(decision: Decision) -> str:
    """A decision in the words of the examples."""
    words = [decision.outcome]
    if decision.holder is not None:
        words.append(f"w {decision.holder[2]}")
    if decision.duplicate_of is not None:
        words.append(f"row {decision.duplicate_of}")
    return " ".join([*words, *(f"from {loser.entity[2]}" for loser in decision.moved_from)])


def decide(there: list[Mapping], rows: list[Row], **how: str) -> Plan:
    by_entity = {mapping.entity: mapping for mapping in there}
    wishes = [wish(index, row, by_entity) for index, row in enumerate(rows)]
    return plan(wishes, [standing(mapping) for mapping in there], **how)


def end(there: list[Mapping], rows: list[Row], made: Plan) -> dict[str, Mapping]:
    """The registry after the plan of a batch is written."""
    state = {mapping.entity: mapping for mapping in there}
    for loser in made.taken:
        kept = state[loser.entity[2]]
        state[kept.entity] = Mapping(kept.entity, None, kept.is_shared, kept.mark)
    for decision in made.decisions:
        if decision.outcome in {"created", "updated"}:
            row = rows[decision.wish.index]
            before = state.get(row.entity)
            kept = before is not None and before.is_shared
            shared = row.is_shared if row.gives_shared else kept
            mark = row.mark or (before.mark if before else None)
            state[row.entity] = Mapping(row.entity, decision.external_id, shared, mark)
    return state


@pytest.mark.parametrize(("there", "rows", "option", "outcomes", "after"), EXAMPLES)
def test_the_rule_decides_its_examples(there, rows, option, outcomes, after):
    made = decide(registry(there), batch(rows), **options(option))
    assert [told(decision) for decision in made.decisions] == outcomes.split(", ")
    assert end(registry(there), batch(rows), made) == {mapping.entity: mapping for mapping in registry(after)}


class Model:
    """The rule read literally, row beside row: slow, and made of nothing but end states."""

    def __init__(self, wishes: list[Wish], standings: list[Standing], on_conflict: str, on_existing: str) -> None:
        self.now = {standing.entity: standing for standing in standings}
        self.moves = on_conflict == "move"
        self.outcomes: dict[int, str] = {}
        self.left: dict[int, Wish] = {}
        self.kept: set = set()
        seen = set()
        for row in wishes:
            own = self.now.get(row.entity)
            if row.entity in seen:
                self.outcomes[row.index] = "conflict"
            elif on_existing == "keep" and own is not None and own.external_id is not None:
                self.outcomes[row.index] = "unchanged" if self.is_same(row) else "kept"
                self.kept.add(row.entity)
            else:
                self.left[row.index] = row
            seen.add(row.entity)
        self.settle("skipped" if on_conflict == "skip" else "conflict")

    def after(self, row: Wish) -> tuple[str | None, bool]:
        own = self.now.get(row.entity)
        external_id = row.external_id if row.gives_external_id or own is None else own.external_id
        return external_id, row.is_shared if row.gives_shared or own is None else own.is_shared

    def is_same(self, row: Wish) -> bool:
        own = self.now.get(row.entity)
        return own is not None and self.after(row) == (own.external_id, own.is_shared) and row.says_the_rest

    def claims(self, row: Wish) -> bool:
        own = self.now.get(row.entity)
        external_id, shared = self.after(row)
        return external_id is not None and (own is None or (external_id, shared) != (own.external_id, own.is_shared))

    def row_of(self, entity: tuple) -> Wish | None:
        return next((row for row in self.left.values() if row.entity == entity), None)

    def state(self) -> dict[tuple, tuple[str | None, bool]]:
        """External id and sharing of each mapping, if all rows that are left landed."""
        now = {entity: (standing.external_id, standing.is_shared) for entity, standing in self.now.items()}
        return now | {row.entity: self.after(row) for row in self.left.values()}

    def is_protected(self, entity: tuple) -> bool:
        row = self.row_of(entity)
        names_it = row is not None and row.gives_external_id and row.external_id == self.now[entity].external_id
        return self.state()[entity][1] or entity in self.kept or names_it

    def meets(self, row: Wish) -> list[tuple]:
        """The other mappings with the row's id that do not claim it and are not alike."""
        wanted, shared = self.after(row)
        found = []
        for entity, (external_id, is_shared) in self.state().items():
            about = self.row_of(entity)
            is_rival = entity != row.entity and external_id == wanted and not (shared and is_shared)
            if is_rival and not (about is not None and self.claims(about)):
                found.append(entity)
        return found

    def blocked(self) -> list[int]:
        return [
            index
            for index, row in self.left.items()
            if self.claims(row) and any(not self.moves or self.is_protected(entity) for entity in self.meets(row))
        ]

    def later(self) -> list[int]:
        out: list[int] = []
        for index, row in self.left.items():
            for earlier, other in self.left.items():
                is_earlier = earlier < index and earlier not in out and self.claims(other) and self.claims(row)
                is_alike = self.after(other)[1] and self.after(row)[1]
                if is_earlier and self.after(other)[0] == self.after(row)[0] and not is_alike:
                    out.append(index)
                    break
        return out

    def settle(self, refused: str) -> None:
        while out := self.blocked() or self.later():
            for index in out:
                self.outcomes[index] = refused
                del self.left[index]
        taken = {entity for row in self.left.values() if self.claims(row) for entity in self.meets(row)}
        self.end = {
            entity: (None if entity in taken else external_id, shared)
            for entity, (external_id, shared) in self.state().items()
        }
        for index, row in self.left.items():
            own = self.now.get(row.entity)
            stood = None if own is None else (own.external_id, own.is_shared)
            is_same = own is not None and self.end[row.entity] == stood and row.says_the_rest
            self.outcomes[index] = "created" if own is None else "unchanged" if is_same else "updated"


def is_allowed(state: dict[str, Mapping]) -> bool:
    """True if no two mappings break the partial unique key."""
    alone = [mapping.external_id for mapping in state.values() if mapping.external_id and not mapping.is_shared]
    return len(alone) == len(set(alone))


@given(registries(), ROWS, HOW)
@settings(max_examples=1500, deadline=None)
def test_any_batch_ends_as_the_model_says(there, rows, how):
    by_entity = {mapping.entity: mapping for mapping in there}
    wishes = [wish(index, row, by_entity) for index, row in enumerate(rows)]
    standings = [standing(mapping) for mapping in there]
    model = Model(wishes, standings, **how)
    made = plan(wishes, standings, **how)
    assert [decision.outcome for decision in made.decisions] == [model.outcomes[index] for index in range(len(rows))]
    state = end(there, rows, made)
    assert {name: (mapping.external_id, mapping.is_shared) for name, mapping in state.items()} == {
        entity[2]: value for entity, value in model.end.items()
    }
    assert is_allowed(state)


@given(registries(), ROWS, HOW, st.randoms())
@settings(max_examples=500, deadline=None)
def test_once_ids_are_taken_rows_land_in_any_order_and_break_no_key_on_the_way(there, rows, how, chance):
    made = decide(there, rows, **how)
    state = {mapping.entity: mapping for mapping in there}
    for loser in (*made.taken, *made.cleared):
        name = loser.entity[2]
        state[name] = Mapping(name, None, state[name].is_shared)
    landing = [decision for decision in made.decisions if decision.outcome in {"created", "updated"}]
    chance.shuffle(landing)
    after = end(there, rows, made)
    for decision in landing:
        name = decision.wish.entity[2]
        state[name] = after[name]
        assert is_allowed(state)


@given(registries(), ROWS, HOW, st.randoms())
@settings(max_examples=500, deadline=None)
def test_the_order_of_rows_does_not_matter_unless_two_want_the_same(there, rows, how, chance):
    first = {row.entity: row for row in reversed(rows)}
    wanted = [(row.external_id if row.gives_external_id else name) for name, row in first.items()]
    chosen = [
        row for row in first.values() if wanted.count(row.external_id if row.gives_external_id else row.entity) == 1
    ]
    shuffled = chance.sample(chosen, len(chosen))
    one, other = (decide(there, order, **how) for order in (chosen, shuffled))
    if all(row.gives_external_id for row in chosen):
        assert end(there, chosen, one) == end(there, shuffled, other)


@pytest.mark.parametrize("how", ["report", "move", "skip"])
def test_every_permutation_of_ids_lands_whole(how):
    names = [str(number) for number in range(5)]
    there = [Mapping(name, f"X{name}") for name in names]
    for order in itertools.permutations(names):
        rows = [Row(name, f"X{to}") for name, to in zip(names, order, strict=True)]
        made = decide(there, rows, on_conflict=how)
        assert {decision.outcome for decision in made.decisions} <= {"updated", "unchanged"}
        assert not made.taken


def test_a_large_batch_is_decided_in_one_pass():
    """A chain of ten thousand, each of which waits for the next, the last of which cannot land."""
    count = 10_000
    there = [Mapping(str(number), f"X{number}") for number in range(count + 1)]
    rows = [Row(str(number), f"X{number + 1}") for number in range(count)]
    random.Random(1).shuffle(rows)
    made = decide(there, rows)
    assert {decision.outcome for decision in made.decisions} == {"conflict"}
