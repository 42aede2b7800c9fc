"""Find the mappings that the rows of a batch are about, and the holders of the external ids that they want."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import psycopg

from tieline.sql.statement import json_text, shipped
from tieline.store.batches.plan import Entity, OnConflict, OnExisting, Slot, Standing, Wish
from tieline.store.batches.results import Holder, Result, Unit, id_repeated, id_taken
from tieline.store.batches.rows import MappingRow, given

# From this version on an index scan for a set of values returns rows in the order of the index. In an older one the
# planner, without statistics, would take an index that has the order but reads all rows of the system.
ORDERED_SCANS_VERSION = 170_000


class EarlierRow(msgspec.Struct, frozen=True):
    """A row of the same file in an earlier batch. `names_external_id`: it landed and gave an external id, or null."""

    line: int
    names_external_id: bool


class Options(msgspec.Struct, frozen=True):
    """The options of a batch. `earlier`: the rows of earlier batches of the same file, by the hash of their entity."""

    on_conflict: OnConflict = "report"
    on_existing: OnExisting = "update"
    unit: Unit = "row"
    earlier: Mapping[int, EarlierRow] = {}


@dataclass(frozen=True, slots=True)
class Batch:
    """Valid rows by their numbers, and the connection, company and options to write them with.

    `is_exclusive`: meanwhile nobody else may write external ids in the integrations and entity types of the batch.
    """

    conn: psycopg.Connection
    company_id: str
    rows: Mapping[int, MappingRow]
    options: Options
    is_exclusive: bool = False


class Group(msgspec.Struct, rename="camel"):
    """The ids of a batch in one integration and entity type."""

    integration: str
    entity_type: str
    entity_ids: list[str] = msgspec.field(default_factory=list[str])
    external_ids: list[str] = msgspec.field(default_factory=list[str])
    is_exclusive: bool = False


class SharedSlot(msgspec.Struct, frozen=True, rename="camel"):
    """An external id that mappings share. `rows_max`: find so many of them."""

    integration: str
    entity_type: str
    external_id: str
    rows_max: int


FoundRow = tuple[str, str, str, str, str | None, bool, bool, int | None]


def lock(batch: Batch, groups: Sequence[Group]) -> None:
    """Take turns with others that write the same external ids: claims, links and other batches.

    No unique key decides between a mapping that shares its id and one that does not, so a batch with a shared row must
    be alone. The look-up is the next statement, so that it sees all that was committed before the lock was given.
    """
    asked = [Group(g.integration, g.entity_type, is_exclusive=g.is_exclusive) for g in groups]
    batch.conn.execute(
        shipped("batches/lock"), (batch.company_id, json_text(asked), "off" if _scans_are_ordered(batch) else "on")
    )


def _scans_are_ordered(batch: Batch) -> bool:
    return batch.conn.info.server_version >= ORDERED_SCANS_VERSION


def groups_of(batch: Batch) -> list[Group]:
    """The ids of the rows, by integration and entity type. A row that shares its id makes its group exclusive."""
    groups: dict[tuple[str, str], Group] = {}
    for row in batch.rows.values():
        integration, entity_type = row.integration, row.entity_type
        group = groups.get((integration, entity_type))
        if group is None:
            group = Group(integration, entity_type, is_exclusive=batch.is_exclusive)
            groups[integration, entity_type] = group
        group.entity_ids.append(row.entity_id)
        if row.external_id:
            group.external_ids.append(row.external_id)
        if row.allow_duplicate_external_id is True:
            group.is_exclusive = True
    return list(groups.values())


def standings(batch: Batch, groups: Sequence[Group]) -> dict[Entity, Standing]:
    """The mappings that the rows are about, and the holders of the external ids that the rows want."""
    found = _found(batch, groups)
    own = {row.entity for row in batch.rows.values()}
    unsharing = _unsharing(batch, {standing.entity: standing for standing, _ in found})
    if unsharing:
        found += _found(batch, unsharing)
    made = {standing.entity: standing for standing, _ in found}
    hidden = _hidden(found, own, made)
    if hidden:
        rows = batch.conn.execute(shipped("batches/find_shared"), (batch.company_id, json_text(hidden))).fetchall()
        made |= {standing.entity: standing for standing, _ in _read(rows, batch.options)}
    return made


def _found(batch: Batch, groups: Sequence[Group]) -> list[tuple[Standing, int]]:
    find = shipped("batches/find") if _scans_are_ordered(batch) else shipped("batches/find_each")
    rows = batch.conn.execute(find, (batch.company_id, json_text(groups))).fetchall()
    return list(_read(rows, batch.options))


def _read(rows: Iterable[FoundRow], options: Options) -> Iterator[tuple[Standing, int]]:
    """Mappings, each with the number of mappings that share its external id (0: not counted)."""
    for mapping_id, integration, entity_type, entity_id, external_id, is_shared, has_link, members in rows:
        entity = (integration, entity_type, entity_id)
        earlier = options.earlier.get(hash(entity)) if options.earlier else None
        line = earlier.line if earlier is not None and earlier.names_external_id else None
        yield Standing(mapping_id, entity, external_id, is_shared, has_link, line), members or 0


def _unsharing(batch: Batch, found: Mapping[Entity, Standing]) -> list[Group]:
    """The external ids of mappings whose row ends the sharing without naming the id."""
    asked: dict[tuple[str, str], set[str]] = {}
    for row in batch.rows.values():
        if row.allow_duplicate_external_id or row.allow_duplicate_external_id is msgspec.UNSET:
            continue
        own = found.get(row.entity)
        if own is not None and own.is_shared and own.external_id is not None and row.external_id is msgspec.UNSET:
            asked.setdefault((row.integration, row.entity_type), set()).add(own.external_id)
    return [Group(*names, [], sorted(external_ids)) for names, external_ids in asked.items()]


def _hidden(found: list[tuple[Standing, int]], own: set[Entity], made: Mapping[Entity, Standing]) -> list[SharedSlot]:
    """Shared external ids for which only a mapping of the batch itself was found, although others have them too."""
    inside: Counter[Slot] = Counter()
    for entity in own:
        standing = made.get(entity)
        if standing is not None and standing.is_shared and standing.external_id is not None:
            inside[entity[0], entity[1], standing.external_id] += 1
    hidden: list[SharedSlot] = []
    for standing, members in found:
        if standing.is_shared and standing.external_id is not None and standing.entity in own:
            count = inside[standing.entity[0], standing.entity[1], standing.external_id]
            if members > count:
                hidden.append(SharedSlot(*standing.entity[:2], standing.external_id, count + 1))
    return hidden


def foreign_ids(batch: Batch, standings: Mapping[Entity, Standing]) -> dict[int, Result]:
    """The refusals of rows that would make a new mapping with an id that another mapping has."""
    asked = {
        number: row.id for number, row in batch.rows.items() if isinstance(row.id, str) and row.entity not in standings
    }
    if not asked:
        return {}
    found = batch.conn.execute(
        shipped("batches/find_ids"), (batch.company_id, json_text(list(asked.values())))
    ).fetchall()
    holders = {holder[0]: Holder(*holder) for holder in found}
    first: dict[str, int] = {}
    taken: dict[int, Result] = {}
    for number, mapping_id in asked.items():
        holder = holders.get(mapping_id)
        if holder is not None:
            taken[number] = id_taken(number, holder)
        elif first.setdefault(mapping_id, number) != number:
            taken[number] = id_repeated(number, mapping_id, first[mapping_id], batch.options.unit)
    return taken


def wishes(batch: Batch, standings: Mapping[Entity, Standing]) -> list[Wish]:
    """The rows in the form that the rule takes."""
    same = _says_the_rest(batch, standings)
    made: list[Wish] = []
    for number, row in batch.rows.items():
        external_id, shares = row.external_id, row.allow_duplicate_external_id
        made.append(
            Wish(
                number,
                row.entity,
                None if external_id is msgspec.UNSET else external_id,
                shares is True,
                external_id is not msgspec.UNSET,
                shares is not msgspec.UNSET,
                number in same,
            )
        )
    return made


def _says_the_rest(batch: Batch, standings: Mapping[Entity, Standing]) -> set[int]:
    """The numbers of the rows that change nothing of their mapping, external id and sharing aside."""
    numbers: list[int] = []
    asked: list[MappingRow] = []
    for number, row in batch.rows.items():
        own = standings.get(row.entity)
        if own is not None:
            numbers.append(number)
            asked.append(msgspec.structs.replace(row, id=own.id))
    if not asked:
        return set()
    names = [given(row) for row in asked]
    found = batch.conn.execute(
        shipped("batches/compare"), (batch.company_id, json_text(asked), json_text(names))
    ).fetchall()
    return {numbers[place - 1] for (place,) in found}
