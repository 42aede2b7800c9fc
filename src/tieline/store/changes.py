"""The history of a company's mappings."""

from typing import Literal

import msgspec
import psycopg

from tieline.postgres.connections import Connections
from tieline.postgres.run import run
from tieline.postgres.session import Session
from tieline.sql.statement import shipped

NULL = msgspec.Raw(b"null")


class Change(msgspec.Struct, frozen=True, rename="camel"):
    """One change of a mapping. `before` and `after` are the mapping as JSON, null where there was or is none.

    `at` is ISO 8601 text in UTC.
    """

    position: int
    mapping_id: str
    operation: Literal["insert", "update", "delete"]
    at: str
    before: msgspec.Raw = NULL
    after: msgspec.Raw = NULL
    actor: str | None = None
    request_id: str | None = None


def differences(conn: psycopg.Connection, company_id: str) -> list[str]:
    """The mappings that are not as folding their history gives them, in the caller's transaction."""
    return [str(mapping_id) for (mapping_id,) in conn.execute(shipped("changes/differences"), (company_id,))]


async def listed(connections: Connections, session: Session, after_position: int, rows_max: int) -> list[Change]:
    """The changes behind a position, in their order.

    Positions are given before the commit: a change that commits later may have a lower one.

    Raises:
        Problem: the database cannot be asked or does not finish in time.
    """
    rows = await run(connections, session, "changes/list", str(after_position), str(rows_max))
    return msgspec.json.decode(rows[0][0] or b"", type=list[Change])
