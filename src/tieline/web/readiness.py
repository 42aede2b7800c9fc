"""Whether the database answers and is at this release: one question at a time, for all who want to know."""

import asyncio
from collections.abc import Sequence

from tieline import problems
from tieline.postgres.connections import Connections, DatabaseError
from tieline.postgres.lane import AUTH
from tieline.postgres.migrate import compare
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.sql.statement import Sql, shipped

# A database that takes longer for a small question does not answer in time for requests either.
ANSWER_SECONDS_MAX = 2.0


class Readiness:
    """The one question to the database that is under way, if there is one.

    It goes to the lane of keys: in those of statements it would wait behind the work of clients.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._asking: asyncio.Task[Sequence[str] | Problem] | None = None

    async def behind(self) -> Sequence[str]:
        """What the database lacks of this release.

        Raises:
            Problem: 503, it does not answer.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                found = await asyncio.shield(self._asking)
        except TimeoutError:
            raise problems.database_unavailable() from None
        if isinstance(found, Problem):
            raise found
        return found

    async def _ask(self) -> Sequence[str] | Problem:
        try:
            rows = await self._connections.run(Sql(shipped("ledger/applied"), ()), Session("", ""), lane=AUTH)
        except DatabaseError:
            return problems.database_unavailable()
        except Problem as problem:
            return problem
        applied = (tuple((value or b"").decode() for value in row) for row in rows)
        found = compare((kind, name, checksum) for kind, name, checksum in applied)
        return [
            *(f"migration {name} is missing" for name in found.migrations.missing),
            *(f"migration {name} had another text" for name in found.migrations.changed),
            *(f"function {name} is missing" for name in found.functions.missing),
        ]
