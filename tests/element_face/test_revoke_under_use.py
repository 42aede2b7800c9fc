"""A key is revoked while many connections use it."""

import asyncio
import time
from dataclasses import dataclass, field

import httpx

from conftest import Company

AT_ONCE = 32
# The setting key_cache_ms.
BELIEVED_SECONDS = 1.0
ELEMENTS = "/api/v2/elements"


@dataclass
class Use:
    """The users of a key: the times of their requests and the statuses of the answers."""

    company: Company
    logins: list[dict]
    seen: list[tuple[float, int]] = field(default_factory=list)
    revoked_at: float = float("inf")

    async def go_on(self, number: int, caller: httpx.AsyncClient) -> None:
        """Read or write, by the key, by an access token of it, or by a refresh token."""
        login = self.logins[number]
        secret = self.company.keys["api.write"] if number % 2 else login["access_token"]
        headers = {"authorization": f"Bearer {secret}"}
        refresh = login["refresh_token"]
        while time.monotonic() < self.revoked_at + BELIEVED_SECONDS + 1:
            sent = time.monotonic()
            if number % 4 == 0:
                answer = await caller.post("/api/v2/auth/refresh", json={"refresh_token": refresh})
                refresh = answer.json().get("refresh_token", refresh)
            elif number % 4 == 1:
                answer = await caller.post(ELEMENTS, headers=headers, json={"title": "x"})
            else:
                answer = await caller.get(ELEMENTS, headers=headers)
            self.seen.append((sent, answer.status_code))

    async def until_after_the_revocation(self, key_id: str) -> None:
        async with httpx.AsyncClient(
            base_url=self.company.server.url, limits=httpx.Limits(max_connections=AT_ONCE), timeout=60, trust_env=False
        ) as caller:
            users = [asyncio.create_task(self.go_on(number, caller)) for number in range(AT_ONCE)]
            await asyncio.sleep(0.5)
            statement = """update tieline."apiKey" set "revokedAt" = now() where "companyId" = %s and id = %s"""
            await asyncio.to_thread(self.company.database.execute, statement, self.company.id, key_id)
            self.revoked_at = time.monotonic()
            await asyncio.gather(*users)


def test_a_second_after_a_revocation_nobody_gets_in(acme):
    [(key_id,)] = acme.database.execute(
        """select id from tieline."apiKey" where "companyId" = %s and name = 'api.write'""", acme.id
    )
    given = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": acme.keys["api.write"]}
    logins = [httpx.post(f"{acme.server.url}/api/v2/auth/token", json=given).json() for _ in range(AT_ONCE)]
    use = Use(acme, logins)
    asyncio.run(use.until_after_the_revocation(key_id))
    assert {status for _, status in use.seen} <= {200, 201, 401}
    assert 401 not in [status for sent, status in use.seen if sent < use.revoked_at - 0.5]
    after = [status for sent, status in use.seen if sent > use.revoked_at + BELIEVED_SECONDS]
    assert len(after) > AT_ONCE
    assert set(after) == {401}
