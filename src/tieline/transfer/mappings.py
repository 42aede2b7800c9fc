"""A batch of mappings: what its rows meet, and the statements that write them."""

from psycopg import errors

from tieline.sql.statement import shipped
from tieline.transfer.batch import Batch, Decision
from tieline.transfer.plan import Holder, Key, Plan, Standing, Wish, plan

# Places in a row, and the bits of `given` for them, as in COLUMNS.
EXTERNAL_ID, ALLOW_DUPLICATE, ID = 3, 4, 9
EXTERNAL_ID_BIT, ALLOW_DUPLICATE_BIT = 1 << EXTERNAL_ID, 1 << ALLOW_DUPLICATE


def decide(batch: Batch) -> Decision:
    """Find what the rows meet, decide, and take external ids away from those who lose them."""
    found = {row[0]: row[1:] for row in batch.conn.execute(shipped("transfer/find_mappings"), (batch.company_id,))}
    standings: dict[int, Standing] = {}
    keys: dict[int, Key] = {}
    wishes: list[Wish] = []
    for row in batch.rows:
        cells, line = row.cells, row.line
        key = (str(cells[0]), str(cells[1]), str(cells[2]))
        external_id, is_shared, is_kept = cells[EXTERNAL_ID], cells[ALLOW_DUPLICATE] == "true", False
        if line in found:
            _, held, was_shared, landed, _ = found[line]
            keys[line] = key
            standings[line] = Standing(_claim(key, None if was_shared else held), landed)
            is_kept = not row.given & EXTERNAL_ID_BIT
            external_id = held if is_kept else external_id
            is_shared = is_shared if row.given & ALLOW_DUPLICATE_BIT else was_shared
        wishes.append(Wish(line, key, _claim(key, None if is_shared else external_id), cells[ID], is_kept=is_kept))
    made = plan(wishes, standings, _holders(batch), _ids(batch), batch.on_conflict)
    gone = _release(batch, made)
    touched = {holder.key for holder in made.released}
    return Decision(
        made.refused,
        made.skipped,
        [line for line, row in found.items() if row[-1] and keys[line] not in touched],
        {line: row[0] for line, row in found.items() if row[0] not in gone},
    )


def write(batch: Batch, decision: Decision) -> tuple[int, int]:
    """Update what is there and changes, insert the rest; how many of each.

    Updates come first: they free external ids, inserts only take them.
    """
    conn, company_id = batch.conn, batch.company_id
    out = set(decision.out)
    same = set(decision.unchanged)
    there = {line: mapping_id for line, mapping_id in decision.present.items() if line not in out}
    changed = [line for line in there if line not in same]
    if changed:
        done = conn.execute(shipped("transfer/update_mappings"), (company_id, changed)).fetchone()
        if done is None or done[0] != len(changed):
            raise errors.SerializationFailure("a mapping was deleted by somebody else in the meantime")
    if there:
        conn.execute(shipped("transfer/note_mappings"), (list(there.values()), list(there)))
    created = len(batch.rows) - len(out) - len(there)
    if created:
        conn.execute(shipped("transfer/insert_mappings"), (company_id, [*out, *there]))
    return created, len(changed)


def _claim(key: tuple[str, str, str], external_id: str | None) -> Key | None:
    return None if external_id is None else (key[2], key[0], external_id)


def _holders(batch: Batch) -> dict[Key, Holder]:
    found = batch.conn.execute(shipped("transfer/find_mapping_holders"), (batch.company_id,))
    return {
        (integration, entity_type, external_id): Holder(
            (entity_type, entity_id, integration), mapping_id, f"{entity_type} {entity_id} (mapping {mapping_id})", line
        )
        for integration, entity_type, external_id, entity_id, mapping_id, line in found
    }


def _ids(batch: Batch) -> dict[str, str]:
    if not any(row.cells[ID] is not None for row in batch.rows):
        return {}
    found = batch.conn.execute(shipped("transfer/find_mapping_ids"), (batch.company_id,))
    return {
        mapping_id: f"{entity_type} {entity_id} in {system}" for mapping_id, entity_type, entity_id, system in found
    }


def _release(batch: Batch, made: Plan) -> set[str]:
    """The ids of the mappings that are gone with it."""
    if not made.released:
        return set()
    ids = [holder.id for holder in made.released]
    return {row[0] for row in batch.conn.execute(shipped("transfer/release_mappings"), (batch.company_id, ids))}
