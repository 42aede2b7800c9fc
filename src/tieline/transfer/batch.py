"""A batch of staged rows: what was decided on it, and how each kind of record decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg

from tieline.store.statement import shipped
from tieline.transfer.columns import Refused, Row, What
from tieline.transfer.plan import Holder, OnConflict, Plan, Standing, Wish, plan

# Places in a row, and the bits of `given` for them, as in COLUMNS.
EXTERNAL_ID, ALLOW_DUPLICATE, ID = 3, 4, 9
EXTERNAL_ID_BIT, ALLOW_DUPLICATE_BIT = 1 << EXTERNAL_ID, 1 << ALLOW_DUPLICATE
SYSTEM_URL_BIT, IS_DEFAULT = 1 << 2, 4


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are staged on this connection, for whom, and what to do about held external ids."""

    conn: psycopg.Connection
    company_id: str
    rows: Sequence[Row]
    on_conflict: OnConflict


@dataclass(slots=True)
class Decision:
    """Which lines do not land, and which say what is there already."""

    refused: list[Refused]
    skipped: list[int]
    unchanged: list[int] = field(default_factory=list[int])


def decide_mappings(batch: Batch) -> Decision:
    """Find what the rows meet, decide, and take external ids away from those who lose them."""
    conn, company = batch.conn, (batch.company_id,)
    found = {row[0]: row[1:] for row in conn.execute(shipped("transfer/find_mappings"), company)}
    standings: dict[int, Standing] = {}
    unchanged: dict[int, tuple[str, ...]] = {}
    wishes: list[Wish] = []
    for row in batch.rows:
        entity_type, entity_id, integration = (str(cell) for cell in row.cells[:3])
        external_id = row.cells[EXTERNAL_ID]
        is_shared = row.cells[ALLOW_DUPLICATE] == "true"
        key = (entity_type, entity_id, integration)
        there = found.get(row.line)
        if there is not None:
            held, was_shared, line, is_unchanged = there
            standings[row.line] = Standing(_claim(key, None if was_shared else held), line)
            external_id = external_id if row.given & EXTERNAL_ID_BIT else held
            is_shared = is_shared if row.given & ALLOW_DUPLICATE_BIT else was_shared
            if is_unchanged:
                unchanged[row.line] = key
        wishes.append(
            Wish(
                row.line,
                key,
                _claim(key, None if is_shared else external_id),
                row.cells[ID] or None,
                is_kept=not row.given & EXTERNAL_ID_BIT,
            )
        )
    made = plan(wishes, standings, _mapping_holders(batch), _mapping_ids(batch), batch.on_conflict)
    _release(batch, made)
    released = {holder.key for holder in made.released}
    return Decision(made.refused, made.skipped, [line for line, key in unchanged.items() if key not in released])


def _claim(key: tuple[str, str, str], external_id: str | None) -> tuple[str, ...] | None:
    return None if external_id is None else (key[2], key[0], external_id)


def _mapping_holders(batch: Batch) -> dict[tuple[str, ...], Holder]:
    if not any(row.cells[EXTERNAL_ID] is not None or not row.given & EXTERNAL_ID_BIT for row in batch.rows):
        return {}
    found = batch.conn.execute(shipped("transfer/find_mapping_holders"), (batch.company_id,))
    return {
        (integration, entity_type, external_id): Holder(
            (entity_type, entity_id, integration), mapping_id, f"{entity_type} {entity_id} (mapping {mapping_id})", line
        )
        for integration, entity_type, external_id, entity_id, mapping_id, line in found
    }


def _mapping_ids(batch: Batch) -> dict[str, str]:
    if not any(row.cells[ID] for row in batch.rows):
        return {}
    found = batch.conn.execute(shipped("transfer/find_mapping_ids"), (batch.company_id,))
    return {
        mapping_id: f"{entity_type} {entity_id} in {system}" for mapping_id, entity_type, entity_id, system in found
    }


def _release(batch: Batch, made: Plan) -> None:
    if made.released:
        ids = [holder.id for holder in made.released]
        batch.conn.execute(shipped("transfer/release_mappings"), (batch.company_id, ids))


def decide_elements(batch: Batch) -> Decision:
    """Find the elements that are there, decide, and number those that come without an id."""
    conn, company = batch.conn, (batch.company_id,)
    found = {row[0]: row[1:] for row in conn.execute(shipped("transfer/find_elements"), company)}
    standings = {line: Standing(line=landed) for line, (landed, _) in found.items()}
    wishes = [Wish(row.line, None if row.cells[0] is None else ("element", row.cells[0])) for row in batch.rows]
    made = plan(wishes, standings, {}, {}, batch.on_conflict)
    refused = [one.line for one in made.refused]
    conn.execute(shipped("transfer/number_elements"), (batch.company_id, refused))
    return Decision(made.refused, [], [line for line, (_, is_unchanged) in found.items() if is_unchanged])


def decide_systems(batch: Batch) -> Decision:
    """Find the systems that are there, decide, and take the default from the one that loses it."""
    conn, company = batch.conn, (batch.company_id,)
    found = {row[0]: row[1:] for row in conn.execute(shipped("transfer/find_systems"), company)}
    holders = {
        (url,): Holder((integration,), integration, f"the system {integration}", line)
        for url, integration, line in conn.execute(shipped("transfer/find_system_holders"), company)
    }
    twice, default = _defaults(batch)
    not_twice = [row for row in batch.rows if row.line not in {one.line for one in twice}]
    standings: dict[int, Standing] = {}
    wishes: list[Wish] = []
    for row in not_twice:
        is_there, held, url, line, _ = found[row.line]
        if is_there:
            standings[row.line] = Standing((held,) if held else None, line)
        wishes.append(Wish(row.line, (str(row.cells[0]),), (url,) if url else None))
    made = plan(wishes, standings, holders, {}, "skip" if batch.on_conflict == "skip" else "report")
    lost = {one.line for one in made.refused} | set(made.skipped)
    if default is not None and default.line not in lost:
        conn.execute(shipped("transfer/release_default_system"), (batch.company_id, default.cells[0]))
    unchanged = [line for line, (*_, is_unchanged) in found.items() if is_unchanged]
    return Decision([*twice, *made.refused], made.skipped, unchanged)


def _defaults(batch: Batch) -> tuple[list[Refused], Row | None]:
    """Rows that would be a second default system of the file, and the first one."""
    asking = [row for row in batch.rows if row.cells[IS_DEFAULT] == "true"]
    if not asking:
        return [], None
    now = batch.conn.execute(shipped("transfer/find_default_system"), (batch.company_id,)).fetchone()
    if now is not None and now[1] is not None:
        return [Refused(row.line, f"line {now[1]} of this file already is the default system") for row in asking], None
    first, *others = asking
    return [Refused(row.line, f"line {first.line} of this file already is the default system") for row in others], first


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of record is loaded: its table, and its statements in the order in which they run."""

    table: str
    copy: str
    decide: Callable[[Batch], Decision]
    write: str
    note: str
    clear: str
    analyze: str


KINDS: dict[What, Kind] = {
    "mappings": Kind(
        "externalIntegrationMapping",
        "transfer/copy_mappings",
        decide_mappings,
        "transfer/write_mappings",
        "transfer/note_mappings",
        "transfer/clear_mappings",
        "transfer/analyze_mappings",
    ),
    "elements": Kind(
        "element",
        "transfer/copy_elements",
        decide_elements,
        "transfer/write_elements",
        "transfer/note_elements",
        "transfer/clear_elements",
        "transfer/analyze_elements",
    ),
    "systems": Kind(
        "externalSystem",
        "transfer/copy_systems",
        decide_systems,
        "transfer/write_systems",
        "transfer/note_systems",
        "transfer/clear_systems",
        "transfer/analyze_systems",
    ),
}
