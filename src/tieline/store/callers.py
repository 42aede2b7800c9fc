"""The API keys of callers, remembered for a moment, and the times of their last use."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
import structlog

from tieline.postgres.connections import Connections, DatabaseError
from tieline.postgres.lane import AUTH, SINGLE
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.settings import Settings
from tieline.sql.statement import Sql, shipped

log = structlog.stdlib.get_logger()

# So many keys, and so many texts that are none, are remembered at a time; when there are more, all are forgotten.
REMEMBERED_MAX = 10_000


Place = TypeVar("Place")
Value = TypeVar("Value")


class Key(msgspec.Struct, frozen=True, rename="camel"):
    """An API key: a row of apiKey, without the hash."""

    company_id: str
    id: str
    name: str
    scopes: frozenset[str]
    rate_limit: int | None
    expires_at: datetime | None
    is_revoked: bool

    @property
    def holds(self) -> bool:
        """The key is neither revoked nor expired."""
        return not self.is_revoked and (self.expires_at is None or datetime.now(UTC) < self.expires_at)


@dataclass(frozen=True, slots=True)
class _Remembered:
    key: Key
    until: float


class Callers:
    """The keys of this process's callers. Between `open` and `close`, the times of their last use are stored."""

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._connections = connections
        self._seconds = settings.key_cache_ms / 1000
        self._interval_seconds = settings.key_usage_interval_ms / 1000
        self._remembered: dict[bytes | tuple[str, str, str], _Remembered] = {}
        # Texts that are no key, until when. Apart, so that those who try many push out no key.
        self._unknown: dict[bytes | tuple[str, str, str], float] = {}
        self._used: defaultdict[str, set[str]] = defaultdict(set)
        self._writer: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start to store when keys are used."""
        self._writer = asyncio.create_task(self._write_usage())

    async def close(self) -> None:
        """Store the uses that are left."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._flush()

    async def find(self, digest: bytes, request_id: str, party: str) -> Key | None:
        """The key whose text has this SHA-256, if there is one that holds.

        `party`: who waits for the database if many ask at once. For a key that was valid a moment ago, it is the key's
        company.

        Raises:
            Problem: the database cannot be asked.
        """
        known = self._remembered.get(digest)
        statement = Sql(shipped("keys/find_by_hash"), (digest.hex(),))
        return await self._key(digest, statement, Session("", "", request_id), known.key.company_id if known else party)

    async def find_by_id(
        self, company_id: str, key_id: str, request_id: str, token_id: str = "", family_id: str = ""
    ) -> Key | None:
        """The key that a token of ours stands for, if it still holds, and the token was not revoked.

        Raises:
            Problem: the database cannot be asked.
        """
        statement = Sql(shipped("keys/find_by_id"), (company_id, key_id, token_id, family_id))
        place = (company_id, key_id, token_id)
        return await self._key(place, statement, Session(company_id, "", request_id), company_id)

    def forget_tokens(self, key: Key) -> None:
        """Ask the database again about all tokens of a key: one of them was revoked."""
        for place in [place for place in self._remembered if place[:2] == (key.company_id, key.id)]:
            del self._remembered[place]

    def recall(self, digest: bytes) -> Key | None:
        """The answer of `find`, if that is a key and the database need not be asked."""
        remembered = self._remembered.get(digest)
        if remembered is None or time.monotonic() > remembered.until:
            return None
        return self._used_now(remembered.key)

    async def _key(
        self, place: bytes | tuple[str, str, str], question: Sql, session: Session, party: str
    ) -> Key | None:
        now = time.monotonic()
        remembered = self._remembered.get(place)
        if remembered is not None and now <= remembered.until:
            return self._used_now(remembered.key)
        if self._unknown.get(place, 0) >= now:
            return None
        rows = await self._connections.run(question, session, lane=AUTH, party=party)
        if not rows:
            self._remembered.pop(place, None)
            _make_room(self._unknown)[place] = now + self._seconds
            return None
        found = msgspec.json.decode(rows[0][0] or b"", type=Key)
        _make_room(self._remembered)[place] = _Remembered(found, now + self._seconds)
        return self._used_now(found)

    def _used_now(self, key: Key) -> Key | None:
        if not key.holds:
            return None
        self._used[key.company_id].add(key.id)
        return key

    async def _write_usage(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self._flush()

    async def _flush(self) -> None:
        used, self._used = self._used, defaultdict(set)
        for company_id, ids in used.items():
            statement = Sql(shipped("keys/touch"), (company_id, msgspec.json.encode(sorted(ids))))
            try:
                await self._connections.run(statement, Session(company_id, "", ""), lane=SINGLE)
            except (Problem, DatabaseError) as error:
                log.warning("The times of last use could not be written.", reason=str(error))


def _make_room(remembered: dict[Place, Value]) -> dict[Place, Value]:
    """The same, emptied if it is full."""
    if len(remembered) >= REMEMBERED_MAX:
        remembered.clear()
    return remembered
