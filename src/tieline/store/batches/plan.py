"""The rule for batches: the outcome of each row and the state at the end, decided over values.

A batch is one change of state. What counts is what stands at its end, whatever the order of its rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

# The structs of a batch are made by ten thousands and hold no circles: the collector of garbage need not look at them.

OnConflict = Literal["report", "move", "skip"]
OnExisting = Literal["update", "keep"]
Outcome = Literal["created", "updated", "unchanged", "kept", "skipped", "conflict"]

# Integration, entity type and entity id: at most one mapping has them.
Entity = tuple[str, str, str]
# Integration, entity type and external id: one mapping that does not share its id has them, or several that do.
Slot = tuple[str, str, str]


class Wish(msgspec.Struct, frozen=True, gc=False):
    """A row of the batch, as far as the rule needs it. A row that leaves a column out keeps what its mapping has.

    `says_the_rest`: the row's mapping already has all that the row gives besides external id and sharing.
    """

    index: int
    entity: Entity
    external_id: str | None = None
    is_shared: bool = False
    gives_external_id: bool = True
    gives_shared: bool = True
    says_the_rest: bool = True


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A mapping as it stands before the batch.

    `row` is the number of a row of the same file that landed in an earlier batch and names the external id.
    """

    id: str
    entity: Entity
    external_id: str | None = None
    is_shared: bool = False
    has_link: bool = False
    row: int | None = None

    @property
    def is_linked(self) -> bool:
        """Whether it has an external id or a stored link."""
        return self.external_id is not None or self.has_link


class Decision(msgspec.Struct, gc=False):
    """The outcome of a row.

    `own` is the mapping that the row is about, if there is one. `external_id` is what the row's mapping would have, and
    has at the end if it lands. A conflict names the entity of its holder and the row that is about it, or the row that
    it repeats.
    """

    wish: Wish
    own: Standing | None
    outcome: Outcome
    external_id: str | None = None
    holder: Entity | None = None
    duplicate_of: int | None = None
    is_repeated: bool = False
    moved_from: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions in the order of the rows, and the mappings whose external id is taken away before the rows land.

    `taken` lose their id to a row of the batch. `cleared` are about to get another one, and their own goes to a row of
    the batch: emptied first, they land in any order.
    """

    decisions: list[Decision]
    taken: list[Standing]
    cleared: list[Standing]


def plan(
    wishes: Iterable[Wish],
    standings: Iterable[Standing],
    on_conflict: OnConflict = "report",
    on_existing: OnExisting = "update",
    earlier: Mapping[Entity, int] | None = None,
) -> Plan:
    """Decide what becomes of the rows of a batch.

    Args:
        wishes: the rows that are valid, in their order; their indexes ascend.
        standings: the mappings that the rows are about, and those that have an external id which a row wants.
        on_conflict: `report` and `skip` leave an external id with its holder, `move` takes it.
        on_existing: `keep` leaves linked mappings as they are.
        earlier: the rows of the same file that landed in earlier batches, by their entity.

    >>> one, two = Standing("m1", ("xero", "item", "1"), "A"), Standing("m2", ("xero", "item", "2"), "B")
    >>> swap = [Wish(0, one.entity, "B"), Wish(1, two.entity, "A")]
    >>> [decision.outcome for decision in plan(swap, [one, two]).decisions]
    ['updated', 'updated']
    """
    by_entity = {standing.entity: standing for standing in standings}
    state = _State(on_conflict == "move", by_entity, dict(earlier or {}))
    decisions = [_first_look(wish, state, on_existing) for wish in wishes]
    _note_holders(state)
    _drop_blocked(state, list(state.claims))
    _drop_later(state)
    if on_conflict == "skip":
        for decision in decisions:
            if decision.outcome == "conflict" and not decision.is_repeated:
                decision.outcome = "skipped"
    return Plan(decisions, _take(state), _cleared(state, decisions))


class _Row(msgspec.Struct, gc=False):
    """A row that is left, with the state that its mapping would have: its slot and whether it shares its id."""

    decision: Decision
    slot: Slot | None
    is_shared: bool
    claims: bool
    is_out: bool = False


class _Held(msgspec.Struct, gc=False):
    """The mappings that have a slot without a row that claims: one that does not share, and one of those that do."""

    alone: Standing | None = None
    shared: Standing | None = None


@dataclass(slots=True)
class _State:
    """The batch so far: rows by entity, rows that claim by slot, and who has those slots otherwise."""

    moves: bool
    standings: dict[Entity, Standing]
    first: dict[Entity, int] = field(default_factory=dict[Entity, int])
    rows: dict[Entity, _Row] = field(default_factory=dict[Entity, _Row])
    kept: set[Entity] = field(default_factory=set[Entity])
    claims: dict[Slot, list[_Row]] = field(default_factory=dict[Slot, list[_Row]])
    held: dict[Slot, _Held] = field(default_factory=dict[Slot, _Held])


def _slot(entity: Entity, external_id: str | None) -> Slot | None:
    return None if external_id is None else (entity[0], entity[1], external_id)


def _first_look(wish: Wish, state: _State, on_existing: OnExisting) -> Decision:
    """What becomes of the row if it meets no holder."""
    entity = wish.entity
    own = state.standings.get(entity)
    first = state.first.setdefault(entity, wish.index)
    if first != wish.index:
        return Decision(wish, own, "conflict", duplicate_of=first, is_repeated=True)
    if own is None:
        decision = Decision(wish, None, "created", wish.external_id)
        row = _Row(decision, _slot(entity, wish.external_id), wish.is_shared, claims=wish.external_id is not None)
    else:
        external_id = wish.external_id if wish.gives_external_id else own.external_id
        is_shared = wish.is_shared if wish.gives_shared else own.is_shared
        is_same = external_id == own.external_id and is_shared == own.is_shared
        decision = Decision(wish, own, "unchanged" if is_same and wish.says_the_rest else "updated", external_id)
        if on_existing == "keep" and own.is_linked:
            state.kept.add(entity)
            decision.outcome = "unchanged" if decision.outcome == "unchanged" else "kept"
            return decision
        row = _Row(decision, _slot(entity, external_id), is_shared, claims=external_id is not None and not is_same)
    state.rows[entity] = row
    if row.claims and row.slot is not None:
        state.claims.setdefault(row.slot, []).append(row)
    return decision


def _note_holders(state: _State) -> None:
    """Find who has a slot that a row claims, and keeps it unless it is taken away."""
    for standing in state.standings.values():
        row = state.rows.get(standing.entity)
        if row is None or (not row.claims and row.slot is not None):
            _note_holder(state, standing)


def _note_holder(state: _State, standing: Standing) -> Slot | None:
    """The slot, if somebody new may be in the way there."""
    slot = _slot(standing.entity, standing.external_id)
    if slot is None or slot not in state.claims:
        return None
    held = state.held.setdefault(slot, _Held())
    if standing.is_shared:
        if held.shared is not None:
            return None
        held.shared = standing
    else:
        held.alone = standing
    return slot


def _is_protected(state: _State, holder: Standing) -> bool:
    """Whether a holder that does not share its id keeps it even when ids are moved."""
    if holder.row is not None or holder.entity in state.kept:
        return True
    row = state.rows.get(holder.entity)
    return row is not None and not row.is_out and row.decision.wish.gives_external_id


def _drop_blocked(state: _State, slots: list[Slot]) -> None:
    """Drop the rows that meet a holder which keeps its id, and those that meet the mappings of dropped rows."""
    while slots:
        slot = slots.pop()
        held = state.held.get(slot)
        if held is None:
            continue
        keeps = held.alone is not None and not (state.moves and not _is_protected(state, held.alone))
        for row in state.claims[slot]:
            holder = held.alone if keeps else None if row.is_shared else held.shared
            if holder is not None and not row.is_out:
                about = state.rows.get(holder.entity)
                duplicate_of = holder.row if about is None or about.is_out else about.decision.wish.index
                slots += _drop(state, row, holder.entity, duplicate_of)


def _drop(state: _State, row: _Row, holder: Entity, duplicate_of: int | None) -> list[Slot]:
    """The row does not land: its mapping stays as it was, and may be in others' way there."""
    row.is_out = True
    decision = row.decision
    decision.outcome, decision.holder, decision.duplicate_of = "conflict", holder, duplicate_of
    slot = None if decision.own is None else _note_holder(state, decision.own)
    return [] if slot is None else [slot]


def _drop_later(state: _State) -> None:
    """Of rows that want the same id and may not share it, the first stays."""
    again: list[Slot] = []
    later: list[tuple[_Row, _Row]] = []
    for rows in state.claims.values():
        if len(rows) == 1:
            continue
        first: _Row | None = None
        for row in rows:
            if row.is_out:
                continue
            if first is None:
                first = row
            elif not (first.is_shared and row.is_shared):
                wish = first.decision.wish
                again += _drop(state, row, wish.entity, wish.index)
                later.append((row, first))
    _drop_blocked(state, again)
    for row, first in later:
        held = state.held.get(row.slot) if first.is_out and row.slot is not None else None
        holder = None if held is None else held.alone or held.shared
        if holder is not None and holder.entity != row.decision.wish.entity:
            row.decision.holder = holder.entity


def _take(state: _State) -> list[Standing]:
    """Take the ids that rows of the batch move to themselves."""
    taken: list[Standing] = []
    for slot, held in state.held.items():
        row = next((row for row in state.claims[slot] if not row.is_out), None)
        if row is None or held.alone is None:
            continue
        row.decision.moved_from += (held.alone,)
        taken.append(held.alone)
        loser = state.rows.get(held.alone.entity)
        if loser is not None and not loser.is_out:
            loser.decision.outcome, loser.decision.external_id = "updated", None
    return taken


def _cleared(state: _State, decisions: Sequence[Decision]) -> list[Standing]:
    """The mappings that give up a slot on which another row lands."""
    cleared: list[Standing] = []
    for decision in decisions:
        own = decision.own
        if own is None or decision.outcome != "updated" or own.external_id == decision.external_id:
            continue
        slot = _slot(own.entity, own.external_id)
        if slot is not None and not own.is_shared and any(not row.is_out for row in state.claims.get(slot, ())):
            cleared.append(own)
    return cleared
