"""A batch of elements: what its rows meet, and the statement that writes them."""

from tieline.sql.statement import shipped
from tieline.transfer.batch import Batch, Decision
from tieline.transfer.plan import Standing, Wish, plan


def decide(batch: Batch) -> Decision:
    """Find the elements that are there, decide, and number those that come without an id."""
    found = {row[0]: row[1:] for row in batch.conn.execute(shipped("transfer/find_elements"), (batch.company_id,))}
    standings = {line: Standing(line=landed) for line, (landed, _) in found.items()}
    wishes = [Wish(row.line, None if row.cells[0] is None else ("element", row.cells[0])) for row in batch.rows]
    made = plan(wishes, standings, {}, {}, batch.on_conflict)
    decision = Decision(made.refused, [], [line for line, (_, is_unchanged) in found.items() if is_unchanged])
    batch.conn.execute(shipped("transfer/number_elements"), (batch.company_id, decision.out))
    return decision


def write(batch: Batch, decision: Decision) -> tuple[int, int]:
    """How many are new and how many changed."""
    lines = [*decision.out, *decision.unchanged]
    done = batch.conn.execute(shipped("transfer/write_elements"), (batch.company_id, lines)).fetchone()
    assert done is not None, "it counts"
    batch.conn.execute(shipped("transfer/note_elements"), (decision.out,))
    return done[0], done[1]
