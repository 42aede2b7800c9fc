"""Many writers at once: no external id is ever shared and unshared at a time, and no write is lost."""

import json
import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

MAPPINGS = "/externalIntegrationMapping"
WRITERS = 32
IDS = [f"X{number}" for number in range(12)]


def row(entity: str, external_id: str, *, shared: bool) -> dict:
    return {
        "entityType": "item",
        "entityId": entity,
        "integration": "xero",
        "externalId": external_id,
        "allowDuplicateExternalId": shared,
    }


def by_call(client, writer: int, order: list[str], *, shared: bool) -> list[str]:
    rows = [row(f"{writer}-{external_id}", external_id, shared=shared) for external_id in order]
    answer = client.post("/rpc/link_many", json={"mappings": rows})
    assert answer.status_code == 200, answer.text
    return [result["outcome"] for result in answer.json()]


def by_file(client, writer: int, order: list[str], *, shared: bool) -> list[str]:
    rows = [row(f"{writer}-{external_id}", external_id, shared=shared) for external_id in order]
    file = "".join(json.dumps(one) + "\n" for one in rows)
    headers = {"Content-Type": "application/x-ndjson"}
    answer = client.post("/import/mappings", content=file, headers=headers)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    return ["created"] * report["created"] + ["conflict"] * report["refused"]


def by_claims(client, writer: int, order: list[str], *, shared: bool) -> list[str]:
    outcomes = []
    for external_id in order:
        claim = row(f"{writer}-{external_id}", external_id, shared=shared)
        del claim["allowDuplicateExternalId"]
        answer = client.post("/rpc/claim", json=claim)
        assert answer.status_code == 200, answer.text
        outcomes.append(answer.json()["outcome"])
    return outcomes


def holders(client) -> dict[str, list[bool]]:
    """For each external id, the sharing flags of its mappings."""
    found = defaultdict(list)
    for mapping in client.get(MAPPINGS, params={"externalId": "not.is.null"}).json():
        found[mapping["externalId"]].append(mapping["allowDuplicateExternalId"])
    return found


def test_shared_and_unshared_ids_do_not_meet_under_32_writers(client, acme):
    ways = [by_call, by_call, by_claims, by_call]

    def write(writer: int) -> list[str]:
        order = random.Random(writer).sample(IDS, len(IDS))
        with acme.client() as own:
            return ways[writer % len(ways)](own, writer, order, shared=writer % 2 == 1 and writer % len(ways) != 2)

    with ThreadPoolExecutor(WRITERS) as pool:
        outcomes = Counter(outcome for told in pool.map(write, range(WRITERS)) for outcome in told)
    found = holders(client)
    assert set(found) == set(IDS)
    for shares in found.values():
        assert shares == [False] or all(shares), shares
    assert outcomes["created"] == sum(map(len, found.values()))
    assert set(outcomes) <= {"created", "conflict"}


def test_files_and_calls_take_turns_over_shared_ids(client, acme):
    def write(writer: int) -> list[str]:
        order = random.Random(writer).sample(IDS, len(IDS))
        with acme.client() as own:
            return (by_file if writer % 2 else by_call)(own, writer, order, shared=writer % 4 < 2)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(8)))
    for shares in holders(client).values():
        assert shares == [False] or all(shares), shares


def test_a_mapping_that_becomes_shared_meets_those_that_want_its_id_alone(client, acme):
    """The flag alone changes; others want the id in the same moment."""
    for external_id in IDS:
        by_call(client, 0, [external_id], shared=False)

    def write(writer: int) -> None:
        order = random.Random(writer).sample(IDS, len(IDS))
        with acme.client() as own:
            if writer % 2:
                rows = [{**row(f"0-{one}", one, shared=True)} for one in order]
                own.post("/rpc/link_many", json={"mappings": rows}).raise_for_status()
                by_call(own, writer, order, shared=True)
            else:
                rows = [{**row(f"0-{one}", f"Y{writer}-{one}", shared=False)} for one in order]
                own.post("/rpc/link_many", json={"mappings": rows}).raise_for_status()
                by_call(own, writer, order, shared=False)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(1, WRITERS + 1)))
    for external_id, shares in holders(client).items():
        assert shares == [False] or all(shares), (external_id, shares)


def test_a_batch_of_ten_thousand_types_takes_few_locks(client):
    rows = [{"entityType": f"type{n}", "entityId": "1", "integration": f"system{n}"} for n in range(10_000)]
    answer = client.post("/rpc/link_many", params={"select": "outcome,count()"}, json={"mappings": rows})
    assert answer.json() == [{"outcome": "created", "count": 10_000}]
