"""Writers at the same time: constraints decide, and no answer is a server error."""

from concurrent.futures import ThreadPoolExecutor

MAPPINGS = "/externalIntegrationMapping"
WRITERS = 8


def at_once(acme, send) -> list[int]:
    """The statuses of the answers to writers that all start together."""

    def one(number: int) -> int:
        with acme.client() as client:
            return send(client, number).status_code

    with ThreadPoolExecutor(WRITERS) as pool:
        return sorted(pool.map(one, range(WRITERS)))


def row(n: int, **more: object) -> dict[str, object]:
    return {"entityType": "item", "entityId": f"{n}", "integration": "xero", "externalId": f"X{n}", **more}


def test_of_many_first_links_one_wins(acme, client):
    statuses = at_once(acme, lambda c, n: c.post(MAPPINGS, json=row(n, externalId="the one")))
    assert statuses == [201, *[409] * (WRITERS - 1)]
    assert len(client.get(MAPPINGS).json()) == 1


def test_upserts_of_one_key_all_succeed(acme, client):
    headers = {"Prefer": "resolution=merge-duplicates"}
    params = {"on_conflict": "entityType,entityId,integration"}
    statuses = at_once(
        acme, lambda c, n: c.post(MAPPINGS, params=params, headers=headers, json=row(1, externalId=f"by {n}"))
    )
    assert set(statuses) == {200, 201}
    assert statuses.count(201) == 1
    assert len(client.get(MAPPINGS).json()) == 1


def test_batches_in_opposite_order_all_succeed(acme, client):
    headers = {"Prefer": "resolution=merge-duplicates"}
    params = {"on_conflict": "entityType,entityId,integration"}
    rows = [row(n) for n in range(300)]
    client.post(MAPPINGS, json=rows).raise_for_status()

    def send(c, n):
        changed = [{**r, "link": f"https://x.example/{n}"} for r in (rows if n % 2 else rows[::-1])]
        return c.post(MAPPINGS, params=params, headers=headers, json=changed)

    assert at_once(acme, send) == [200] * WRITERS
