"""The results of a batch: each row's outcome and, if it did not land, the reason in words and in fields."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from tieline.store.batches.plan import Decision, Entity, Standing
from tieline.store.batches.rows import RowError
from tieline.wire import unknown_system

SAME_ID, SAME_MAPPING = "23505", "21000"
REFUSED = frozenset({"conflict", "skipped"})

# The word for a row in messages. Rows of a call are numbered from 0; rows of a file have the number of their line.
Unit = Literal["row", "line"]


class MappingKey(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A mapping by its id and its entity."""

    mapping_id: str
    entity_type: str
    entity_id: str


class Holder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The mapping that has the external id which a row wants."""

    mapping_id: str
    entity_type: str
    entity_id: str
    integration: str
    external_id: str | None


class RowProblem(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The reason why a row did not land. `duplicate_of` is the number of another row of the batch or the file."""

    code: str
    message: str
    details: str | None = None
    hint: str | None = None
    holder: Holder | msgspec.UnsetType = msgspec.UNSET
    duplicate_of: int | msgspec.UnsetType = msgspec.UNSET


class Result(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The result of a row. `mapping_id`: its own mapping. `moved_from`: the mappings whose external id it took."""

    index: int
    outcome: Literal["created", "updated", "unchanged", "kept", "skipped", "conflict", "invalid"]
    mapping_id: str | None = None
    problem: RowProblem | None = None
    moved_from: list[MappingKey] | None = None


def system_unknown(number: int, integration: str, known: Sequence[str]) -> Result:
    """The result of a row that a strict company refuses; `known`: names of its systems."""
    message, hint = unknown_system.message(integration), unknown_system.hint(integration, known)
    return Result(number, "invalid", problem=RowProblem(unknown_system.CODE, message, hint=hint))


def invalid(number: int, error: RowError) -> Result:
    """The result of a row that cannot be stored, whatever the registry holds."""
    message = error.reason if error.reason.endswith("?") else f"{error.reason}."
    return Result(number, "invalid", problem=RowProblem(error.code, message))


def id_taken(number: int, holder: Holder) -> Result:
    """The result of a row that asks for the id of another mapping."""
    said = f"The id {holder.mapping_id} belongs to {holder.entity_type} {holder.entity_id} in {holder.integration}."
    return Result(number, "conflict", problem=RowProblem(SAME_ID, said, holder=holder))


def id_repeated(number: int, mapping_id: str, first: int, unit: Unit) -> Result:
    """The result of a row that asks for the same id as an earlier row of the batch."""
    said = f"{unit.title()} {first} asks for the id {mapping_id} already."
    return Result(number, "conflict", problem=RowProblem(SAME_MAPPING, said, duplicate_of=first))


def results(
    decisions: Iterable[Decision], created: Mapping[Entity, str], standings: Mapping[Entity, Standing], unit: Unit
) -> list[Result]:
    """The results of the decisions; `created` are the ids of new mappings."""
    decisions = list(decisions)
    out = {d.wish.entity for d in decisions if d.outcome in REFUSED and not d.is_repeated}
    return [
        Result(
            decision.wish.index,
            decision.outcome,
            created.get(decision.wish.entity) if decision.own is None else decision.own.id,
            _problem(decision, created, standings, out, unit) if decision.outcome in REFUSED else None,
            [_key(standing) for standing in decision.moved_from] or None,
        )
        for decision in decisions
    ]


def _key(standing: Standing) -> MappingKey:
    _, entity_type, entity_id = standing.entity
    return MappingKey(standing.id, entity_type, entity_id)


def _problem(
    decision: Decision,
    created: Mapping[Entity, str],
    standings: Mapping[Entity, Standing],
    out: Collection[Entity],
    unit: Unit,
) -> RowProblem:
    """`out`: the entities whose row did not land."""
    repeated = msgspec.UNSET if decision.duplicate_of is None else decision.duplicate_of
    integration, entity_type, entity_id = decision.holder or decision.wish.entity
    name = f"{entity_type} {entity_id} in {integration}"
    if decision.is_repeated:
        said = f"{unit.title()} {decision.duplicate_of} is already about {name}."
        return RowProblem(SAME_MAPPING, said, duplicate_of=repeated)
    assert decision.holder is not None, "a row that repeats no other meets a holder"
    holder = standings.get(decision.holder)
    mapping_id = created.get(decision.holder) if holder is None else holder.id
    has_other_id = holder is not None and decision.holder in out and holder.external_id != decision.external_id
    if mapping_id is None or has_other_id:
        # The other row did not land either, and its mapping, if it has one, does not have the external id.
        said = f"{unit.title()} {decision.duplicate_of} wants the same external id, for {name}."
        return RowProblem(SAME_ID, said, duplicate_of=repeated)
    see = "" if decision.duplicate_of is None else f" (see {unit} {decision.duplicate_of})"
    return RowProblem(
        SAME_ID,
        f"The external id is held by {name}{see}.",
        hint=f"It is held by the row whose id is {mapping_id}",
        holder=Holder(mapping_id, entity_type, entity_id, integration, decision.external_id),
        duplicate_of=repeated,
    )
