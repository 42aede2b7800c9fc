"""The rule for batches: the outcome of each row and the state at the end, decided over values.

A batch is one change of state: only the state at its end counts, not the order of its rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

# `gc=False`: a batch has ten thousand of these structs, and they hold no reference cycles. So Python's garbage
# collector need not visit them.

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
        """The mapping has an external id or a stored link."""
        return self.external_id is not None or self.has_link


class Decision(msgspec.Struct, gc=False):
    """The outcome of a row.

    `own`: the mapping that the row is about; None for a new one. `external_id`: the mapping has it if the row lands.
    `holder`: the entity that has the external id, in a conflict. `duplicate_of`: the number of the row about that
    holder, or of the row that this one repeats.
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
    """The plan of a batch: a decision for each row, in their order, and the mappings to empty before the rows land.

    `taken` lose their external id to a row of the batch. `cleared` get another external id, and their old one goes to
    a row of the batch. Both are emptied first, so that the rows can land in any order.
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
    """Decide the outcome of each row of a batch.

    Args:
        wishes: the valid rows; their indexes ascend.
        standings: the mappings that the rows are about, and the holders of the external ids that the rows want.
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
    """A row that may still land, with the state that its mapping would have.

    `claims`: it wants an external id that its mapping does not have yet, or begins or ends the sharing of it.
    """

    decision: Decision
    slot: Slot | None
    is_shared: bool
    claims: bool
    is_out: bool = False


class _Held(msgspec.Struct, gc=False):
    """The holders of a slot, apart from rows that claim it. `shared` is one of the mappings that share the id."""

    alone: Standing | None = None
    shared: Standing | None = None


@dataclass(slots=True)
class _State:
    """The batch so far: rows by entity, claiming rows by slot, and the holders of these slots."""

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
    """Decide the row as if it met no holder."""
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
    """Note the mappings that have a claimed slot and do not give it up by a row of their own."""
    for standing in state.standings.values():
        row = state.rows.get(standing.entity)
        if row is None or (not row.claims and row.slot is not None):
            _note_holder(state, standing)


def _note_holder(state: _State, standing: Standing) -> Slot | None:
    """Note the mapping as a holder if its slot is claimed. Gives the slot if rows there have to be checked again."""
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
    """The holder, which does not share its id, keeps it even when ids are moved."""
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
    """Drop the row: its mapping stays as it was, and may block other rows. Gives the slots to check again."""
    row.is_out = True
    decision = row.decision
    decision.outcome, decision.holder, decision.duplicate_of = "conflict", holder, duplicate_of
    slot = None if decision.own is None else _note_holder(state, decision.own)
    return [] if slot is None else [slot]


def _drop_later(state: _State) -> None:
    """Among rows that want the same external id and may not share it, keep the first and drop the others."""
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
    """Note the moves at the rows, and give the mappings that lose their external id by them."""
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
    """The mappings that give up an external id which another row of the batch gets."""
    cleared: list[Standing] = []
    for decision in decisions:
        own = decision.own
        if own is None or decision.outcome != "updated" or own.external_id == decision.external_id:
            continue
        slot = _slot(own.entity, own.external_id)
        if slot is not None and not own.is_shared and any(not row.is_out for row in state.claims.get(slot, ())):
            cleared.append(own)
    return cleared
