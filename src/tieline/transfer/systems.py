"""A batch of external systems: what its rows meet, and the statement that writes them."""

from tieline.sql.statement import shipped
from tieline.transfer.batch import Batch, Decision
from tieline.transfer.columns import Refused, Row
from tieline.transfer.plan import Holder, Key, Standing, Wish, plan

# The place in a row, as in COLUMNS.
IS_DEFAULT = 4


def decide(batch: Batch) -> Decision:
    """Find the systems that are there, decide, and take the default from the one that loses it."""
    conn, company = batch.conn, (batch.company_id,)
    found = {row[0]: row[1:] for row in conn.execute(shipped("transfer/find_systems"), company)}
    twice, default = _defaults(batch)
    no_second = {one.line for one in twice}
    standings: dict[int, Standing] = {}
    wishes: list[Wish] = []
    for row in batch.rows:
        is_there, held, url, landed, _ = found[row.line]
        if is_there:
            standings[row.line] = Standing((held,) if held else None, landed)
        if row.line not in no_second:
            wishes.append(Wish(row.line, (str(row.cells[0]),), (url,) if url else None))
    made = plan(wishes, standings, _holders(batch), {}, "skip" if batch.on_conflict == "skip" else "report")
    unchanged = [line for line, (*_, is_unchanged) in found.items() if is_unchanged]
    decision = Decision([*twice, *made.refused], made.skipped, unchanged)
    if default is not None and default.line not in decision.out:
        conn.execute(shipped("transfer/release_default_system"), (batch.company_id, default.cells[0]))
    return decision


def write(batch: Batch, decision: Decision) -> tuple[int, int]:
    """How many are new and how many changed."""
    lines = [*decision.out, *decision.unchanged]
    done = batch.conn.execute(shipped("transfer/write_systems"), (batch.company_id, lines)).fetchone()
    assert done is not None, "it counts"
    batch.conn.execute(shipped("transfer/note_systems"), (decision.out,))
    return done[0], done[1]


def _holders(batch: Batch) -> dict[Key, Holder]:
    found = batch.conn.execute(shipped("transfer/find_system_holders"), (batch.company_id,))
    return {
        (url,): Holder((integration,), integration, f"the system {integration}", line)
        for url, integration, line in found
    }


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
