"""What becomes of each row of a batch, decided over values: the batch is taken as if row came after row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tieline.transfer.columns import Refused

OnConflict = Literal["report", "move", "skip"]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """A row that would land: what it is about, what it wants to hold alone, and the id that it asks for."""

    line: int
    key: Key | None
    claim: Key | None = None
    id: str | None = None
    # The row does not say what it claims: it keeps what its key has.
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What the registry holds under a row's key; `line` is set if a row of this file put it there."""

    claim: Key | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim. `name` is how a person is told."""

    key: Key
    id: str
    name: str
    line: int | None = None


@dataclass(slots=True)
class Plan:
    """Lines that do not land, holders that lose their claim, and everything else lands."""

    refused: list[Refused] = field(default_factory=list[Refused])
    skipped: list[int] = field(default_factory=list[int])
    released: list[Holder] = field(default_factory=list[Holder])


@dataclass(slots=True)
class _Registry:
    """The registry as it is after the rows so far; None for a claim that was given up."""

    standings: Mapping[int, Standing]
    holders: dict[Key, Holder | None]
    ids: dict[str, str]
    landed: dict[Key, int] = field(default_factory=dict[Key, int])
    released: set[Key] = field(default_factory=set[Key])


def plan(
    wishes: Iterable[Wish],
    standings: Mapping[int, Standing],
    holders: Mapping[Key, Holder],
    ids: Mapping[str, str],
    on_conflict: OnConflict,
) -> Plan:
    """Decide on the rows of a batch in their order.

    `standings` are by line, for keys that the registry has; `holders` by claim; `ids` tells for ids that are taken
    what has them.
    """
    made = Plan()
    registry = _Registry(standings, dict(holders), dict(ids))
    for wish in wishes:
        reason = _refusal(wish, registry)
        if reason is not None:
            made.refused.append(Refused(wish.line, reason))
            continue
        claim = None if wish.is_kept and wish.key in registry.released else wish.claim
        holder = registry.holders.get(claim) if claim is not None else None
        if holder is not None and holder.key != wish.key:
            if on_conflict == "skip":
                made.skipped.append(wish.line)
                continue
            if on_conflict == "report" or holder.line is not None:
                made.refused.append(Refused(wish.line, _held(claim, holder)))
                continue
            made.released.append(holder)
            registry.released.add(holder.key)
        _land(wish, claim, registry)
    return made


def _refusal(wish: Wish, registry: _Registry) -> str | None:
    standing = registry.standings.get(wish.line)
    if wish.key is not None:
        earlier = registry.landed.get(wish.key) or (standing.line if standing else None)
        if earlier is not None:
            return f"line {earlier} of this file already says what becomes of {' '.join(wish.key)}"
    if wish.id is not None and standing is None and wish.id in registry.ids:
        return f"the id {wish.id} belongs to {registry.ids[wish.id]}"
    return None


def _held(claim: Key | None, holder: Holder) -> str:
    assert claim is not None, "a row without a claim meets no holder"
    by = f"{holder.name}, by line {holder.line} of this file" if holder.line else holder.name
    return f"{claim[-1]!r} is held by {by}"


def _land(wish: Wish, claim: Key | None, registry: _Registry) -> None:
    standing = registry.standings.get(wish.line)
    if wish.key is not None:
        registry.landed[wish.key] = wish.line
        # What the key held before is free, unless somebody took it away in the meantime.
        if standing is not None and standing.claim is not None and wish.key not in registry.released:
            registry.holders[standing.claim] = None
    if claim is not None and wish.key is not None:
        name = " ".join(wish.key[:2])
        registry.holders[claim] = Holder(wish.key, wish.id or "", name, wish.line)
    if wish.id is not None and standing is None:
        registry.ids[wish.id] = f"line {wish.line} of this file"
