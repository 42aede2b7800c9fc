"""claim: of many claims at once one wins, and the others learn the winner."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

MAPPINGS = "/externalIntegrationMapping"
CLAIMANTS = 32
ROUNDS = 3
ITEM = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}


def claim(client, **changes: object):
    answer = client.post("/rpc/claim", json={**ITEM, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_first_claim_creates_the_mapping(client, acme):
    answer = claim(client)
    assert answer["outcome"] == "created"
    assert client.get(MAPPINGS).json() == [answer["mapping"]]
    assert answer["mapping"] | ITEM == answer["mapping"]
    assert [(operation, actor) for operation, _, _, actor in acme.changes()] == [
        ("insert", answer["mapping"]["createdBy"])
    ]


def test_an_entity_that_is_linked_already_keeps_what_it_has(client, acme):
    first = claim(client)
    assert claim(client) == {"outcome": "existing", "mapping": first["mapping"]}
    assert claim(client, externalId="B") == {"outcome": "existing", "mapping": first["mapping"]}
    assert len(acme.changes()) == 1


def test_an_id_that_another_entity_has_is_a_conflict_with_its_mapping(client):
    first = claim(client)
    assert claim(client, entityId="2") == {"outcome": "conflict", "mapping": first["mapping"]}
    assert len(client.get(MAPPINGS).json()) == 1


def test_the_same_id_is_free_elsewhere(client):
    claim(client)
    assert claim(client, entityId="2", integration="hubspot")["outcome"] == "created"
    assert claim(client, entityId="2", entityType="vendor")["outcome"] == "created"


def at_once(acme, changes: list[dict[str, str]]) -> list[dict]:
    """All claims over connections of their own, let go together."""
    barrier = Barrier(len(changes))

    def one(change: dict[str, str]) -> dict:
        with acme.client() as client:
            client.get("/healthz")
            barrier.wait()
            return claim(client, **change)

    with ThreadPoolExecutor(len(changes)) as pool:
        return list(pool.map(one, changes))


@pytest.mark.parametrize("contested", ["entity", "external id", "both"])
def test_of_many_at_once_exactly_one_creates_and_all_learn_the_winner(acme, client, contested):
    for turn in range(ROUNDS):
        changes = [
            {
                "entityId": f"{turn}" if contested != "external id" else f"{turn}-{n}",
                "externalId": f"X{turn}" if contested != "entity" else f"X{turn}-{n}",
            }
            for n in range(CLAIMANTS)
        ]
        answers = at_once(acme, changes)
        lost = "conflict" if contested == "external id" else "existing"
        assert Counter(a["outcome"] for a in answers) == {"created": 1, lost: CLAIMANTS - 1}
        assert len({a["mapping"]["id"] for a in answers}) == 1
    assert len(client.get(MAPPINGS).json()) == ROUNDS
    assert len(acme.changes()) == ROUNDS


def test_claims_while_the_winner_comes_and_goes_are_all_answered(acme, client):
    def one(n: int) -> str:
        with acme.client() as own:
            answer = claim(own, entityId=str(n))
            if answer["outcome"] == "created":
                own.delete(MAPPINGS, params={"id": f"eq.{answer['mapping']['id']}"}).raise_for_status()
            return answer["outcome"]

    with ThreadPoolExecutor(CLAIMANTS) as pool:
        outcomes = Counter(pool.map(one, range(CLAIMANTS * 2)))
    assert set(outcomes) <= {"created", "conflict"}
    assert client.get(MAPPINGS).json() == []
    assert Counter(change[0] for change in acme.changes()) == {
        "insert": outcomes["created"],
        "delete": outcomes["created"],
    }


def test_a_dry_run_creates_nothing(client, acme):
    answer = client.post("/rpc/claim", json=ITEM, headers={"Prefer": "tx=rollback"})
    assert answer.json()["outcome"] == "created"
    assert answer.headers["preference-applied"] == "tx=rollback"
    assert client.get(MAPPINGS).json() == []
    assert acme.changes() == []


def test_the_answer_can_be_narrowed(client):
    answer = client.post("/rpc/claim", params={"select": "outcome,id:mapping->>entityId"}, json=ITEM)
    assert answer.json() == {"outcome": "created", "id": "1"}


@pytest.mark.parametrize("name", ITEM)
@pytest.mark.parametrize("value", [None, 5, "", [], "x" * 5000, "\0"])
def test_a_claim_with_a_wrong_argument_is_refused(client, name, value):
    answer = client.post("/rpc/claim", json={**ITEM, name: value})
    # Repeated characters are compressed: even so long a key may fit.
    expected = {200, 400} if value == "x" * 5000 else {400}
    assert answer.status_code in expected, answer.text


def test_another_company_may_claim_the_same_id(client, other):
    first = claim(client)
    with other.client() as theirs:
        answer = claim(theirs)
    assert answer["outcome"] == "created"
    assert answer["mapping"]["id"] != first["mapping"]["id"]


def test_a_key_that_may_only_read_may_not_claim(acme, client):
    with acme.client("api.read") as reader:
        assert reader.post("/rpc/claim", json=ITEM).status_code == 403
    assert client.get("/rpc/claim", params=ITEM).status_code == 405
    assert client.get(MAPPINGS).json() == []


@pytest.mark.parametrize("name", ["entityType", "entityId", "integration", "externalId"])
@pytest.mark.parametrize("blank", [" ", "\t\u3000", "\x85"])
def test_a_blank_argument_is_refused(client, name, blank):
    answer = client.post("/rpc/claim", json={**ITEM, name: blank})
    assert (answer.status_code, answer.json()["message"]) == (400, f"{name} must not be blank")
    assert client.get(MAPPINGS).json() == []
