"""Writers that go on through faults, and a check of the rows that they wrote."""

import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from conftest import Database

ELEMENTS = "/api/v2/elements"
WAIT_SECONDS_MAX = 60
# A change that has no row, a row that has no change, or the two differ.
UNLIKE_THEIR_HISTORY = """
    with last as (
        select distinct on ("companyId", "mappingId") "companyId", "mappingId", operation, after
        from tieline."mappingChange" order by "companyId", "mappingId", position desc
    )
    select l, m
    from (select * from last where operation <> 'delete') l
    full join tieline."externalIntegrationMapping" m on m."companyId" = l."companyId" and m.id = l."mappingId"
    where l.after is distinct from to_jsonb(m) - 'externalIdReversed'
"""


@dataclass
class Writers:
    """Each links, changes and unlinks elements of its own until it is told to stop, or until nobody answers."""

    url: str
    key: str
    seen: Counter[int] = field(default_factory=Counter)
    # Element → external id, or None: unlinked. A write that was under way when a fault came is in `unsure`.
    acknowledged: dict[int, str | None] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)
    refused_without_retry: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, count: int = 4) -> None:
        for number in range(1, count + 1):
            self._threads.append(threading.Thread(target=self._write, args=(1_000_000 * number,)))
            self._threads[-1].start()

    def wait_for(self, acknowledged: int) -> None:
        """Wait until so many elements have a write that was acknowledged."""
        until = time.monotonic() + WAIT_SECONDS_MAX
        while len(self.acknowledged) < acknowledged:
            assert time.monotonic() < until
            time.sleep(0.05)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, start: int) -> None:
        headers = {"authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False) as caller:
            for element in itertools.takewhile(lambda _: not self._stop.is_set(), itertools.count(start)):
                try:
                    self._write_one(caller, element)
                except httpx.TransportError:
                    return

    def _write_one(self, caller: httpx.Client, element: int) -> None:
        if self._post(caller, ELEMENTS, {"id": element, "title": "x"}) != 201:
            return
        path = f"{ELEMENTS}/{element}/external-element"
        steps = [(f"{path}/link", f"A-{element}"), (f"{path}/link", f"B-{element}")]
        if element % 3 == 0:
            steps.append((f"{path}/unlink", None))
        for address, external_id in steps:
            self.unsure.add(element)
            status = self._post(caller, address, {"externalId": external_id} if external_id else {})
            if status != 200:
                return
            self.acknowledged[element] = external_id
            self.unsure.discard(element)

    def _post(self, caller: httpx.Client, path: str, body: dict) -> int:
        response = caller.post(path, json=body)
        self.seen[response.status_code] += 1
        if response.status_code >= 500 and "retry-after" not in response.headers:
            self.refused_without_retry.append(response.text)
        return response.status_code

    def check(self, database: Database) -> None:
        """Check that acknowledged writes are stored, that no write is half done, and that the history fits the rows."""
        assert self.refused_without_retry == []
        rows = database.execute(
            """select "entityId"::bigint, "externalId" from tieline."externalIntegrationMapping"
            where "entityType" = 'element'"""
        )
        there = dict(rows)
        assert len(there) == len(rows)
        for element, external_id in self.acknowledged.items():
            if element in self.unsure:
                # The next write may have happened without an answer.
                assert there.get(element) in (external_id, f"B-{element}", None)
            else:
                assert there.get(element) == external_id
        assert set(there) <= self.acknowledged.keys() | self.unsure
        assert database.execute(UNLIKE_THEIR_HISTORY) == []
        assert {row[0] for row in database.execute("select id from tieline.element")} >= set(self.acknowledged)
