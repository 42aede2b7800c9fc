"""claim and the element face's link against holders that share their external id, which no unique key decides."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

MAPPINGS = "/externalIntegrationMapping"
WRITERS = 32
ROUNDS = 3
ITEM = {"entityType": "element", "entityId": "1", "integration": "crm", "externalId": "A"}
HOLD_SECONDS = 0.3
SLOT = "tieline.slot_key(%s, 'crm', 'element')"


@pytest.fixture(autouse=True)
def crm(acme):
    acme.has_system("crm", "https://crm.example", default=True)


def claim(client, **changes: str) -> dict:
    answer = client.post("/rpc/claim", json={**ITEM, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def link(client, element_id: int, external_id: str):
    return client.post(f"/api/v2/elements/{element_id}/external-element/link", json={"externalId": external_id})


def make_shared(conn, acme, entity_id: str, external_id: str) -> str:
    """Write a mapping that shares its id, as a batch does: behind the exclusive lock, after a look for holders."""
    conn.execute(f"select pg_advisory_xact_lock({SLOT})", (acme.id,))
    columns = '"companyId", "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId"'
    row = conn.execute(
        f"""insert into tieline."externalIntegrationMapping" ({columns})
        select %(company)s, 'element', %(entity)s, 'crm', %(id)s, true
        where not exists (
            select 1 from tieline."externalIntegrationMapping"
            where "companyId" = %(company)s and integration = 'crm' and "externalId" = %(id)s
                and not "allowDuplicateExternalId"
        )
        returning id""",
        {"company": acme.id, "entity": entity_id, "id": external_id},
    ).fetchone()
    return row[0] if row else ""


def holders(acme, external_id: str) -> list[tuple[str, bool]]:
    return acme.database.execute(
        """select "entityId", "allowDuplicateExternalId" from tieline."externalIntegrationMapping"
        where "companyId" = %s and "externalId" = %s""",
        acme.id,
        external_id,
    )


def test_a_claim_of_an_id_that_is_shared_is_a_conflict_with_its_holder(client, acme):
    with psycopg.connect(acme.database.dsn) as conn:
        mapping_id = make_shared(conn, acme, "2", "A")
    answer = claim(client)
    assert (answer["outcome"], answer["mapping"]["id"]) == ("conflict", mapping_id)


def test_a_link_with_an_id_that_is_shared_names_the_element_that_holds_it(client, acme):
    acme.has_element(1)
    with psycopg.connect(acme.database.dsn) as conn:
        make_shared(conn, acme, "2", "A")
    refused = link(client, 1, "A")
    assert (refused.status_code, refused.json()["conflictingElementId"]) == (409, 2)


def test_two_elements_whose_mappings_both_share_are_alike(client, acme):
    acme.has_element(1)
    with psycopg.connect(acme.database.dsn) as conn:
        make_shared(conn, acme, "1", "B")
        make_shared(conn, acme, "2", "A")
    assert link(client, 1, "A").status_code == 200
    assert sorted(holders(acme, "A")) == [("1", True), ("2", True)]


def test_a_link_that_repeats_the_id_which_the_element_has_is_no_new_claim(client, acme):
    acme.has_element(1)
    assert link(client, 1, "A").status_code == 200
    row = {**ITEM, "entityId": "2", "allowDuplicateExternalId": True}
    client.post(MAPPINGS, json=row).raise_for_status()
    assert link(client, 1, "A").status_code == 200


def test_claims_wait_for_a_writer_that_makes_the_id_shared_and_find_it(acme):
    barrier = Barrier(WRITERS + 1)

    def one(n: int) -> tuple[str, str, float]:
        with acme.client() as own:
            own.get("/healthz")
            barrier.wait()
            answer = claim(own, entityId=f"c{n}")
            return answer["outcome"], answer["mapping"]["entityId"], time.monotonic()

    with ThreadPoolExecutor(WRITERS) as pool, psycopg.connect(acme.database.dsn) as conn:
        make_shared(conn, acme, "shared", "A")
        answers = [pool.submit(one, n) for n in range(WRITERS)]
        barrier.wait()
        time.sleep(HOLD_SECONDS)
        committed_at = time.monotonic()
        conn.commit()
    outcomes = [answer.result() for answer in answers]
    assert {(outcome, holder) for outcome, holder, _ in outcomes} == {("conflict", "shared")}
    assert min(ended_at for *_, ended_at in outcomes) > committed_at
    assert holders(acme, "A") == [("shared", True)]


def test_a_writer_that_makes_an_id_shared_waits_for_a_claim_that_is_not_committed(acme):
    made: list[str] = []

    def share() -> None:
        with psycopg.connect(acme.database.dsn) as conn:
            made.append(make_shared(conn, acme, "shared", "A"))

    with psycopg.connect(acme.database.dsn) as claimant:
        claimant.execute("select * from tieline.claim(%s, 'element', '1', 'crm', 'A')", (acme.id,))
        sharing = threading.Thread(target=share)
        sharing.start()
        sharing.join(HOLD_SECONDS)
        assert sharing.is_alive()
        claimant.commit()
    sharing.join()
    assert made == [""]
    assert holders(acme, "A") == [("1", False)]


def test_claims_links_and_sharing_writers_at_once_leave_holders_that_are_alike(acme):
    for n in range(WRITERS):
        acme.has_element(n + 1)

    def one(turn: int, n: int, barrier: Barrier) -> str:
        external_id = f"X{turn}"
        with acme.client() as own, psycopg.connect(acme.database.dsn) as conn:
            own.get("/healthz")
            barrier.wait()
            if n % 4 == 0:
                return "shared" if make_shared(conn, acme, f"s{turn}-{n}", external_id) else "lost"
            if n % 2:
                status = link(own, n + 1, external_id).status_code
                return {200: "won", 409: "lost"}.get(status, str(status))
            outcome = claim(own, entityId=f"c{turn}-{n}", externalId=external_id)["outcome"]
            return {"created": "won", "conflict": "lost"}.get(outcome, outcome)

    for turn in range(ROUNDS):
        barrier = Barrier(WRITERS)
        with ThreadPoolExecutor(WRITERS) as pool:
            seen = Counter(pool.map(one, [turn] * WRITERS, range(WRITERS), [barrier] * WRITERS))
        assert set(seen) <= {"won", "lost", "shared"}
        there = holders(acme, f"X{turn}")
        assert len(there) == seen["won"] + seen["shared"]
        assert seen["won"] <= 1
        assert not (seen["won"] and seen["shared"])
        acme.database.execute(
            """delete from tieline."externalIntegrationMapping" where "companyId" = %s and "externalId" = %s""",
            acme.id,
            f"X{turn}",
        )


def test_a_claim_and_a_link_at_once_have_one_winner(acme):
    for n in range(WRITERS):
        acme.has_element(n + 1)

    def one(turn: int, n: int, barrier: Barrier) -> bool:
        with acme.client() as own:
            own.get("/healthz")
            barrier.wait()
            if n % 2:
                return link(own, n + 1, f"X{turn}").status_code == 200
            return claim(own, entityId=f"c{turn}-{n}", externalId=f"X{turn}")["outcome"] == "created"

    for turn in range(ROUNDS):
        barrier = Barrier(WRITERS)
        with ThreadPoolExecutor(WRITERS) as pool:
            assert sum(pool.map(one, [turn] * WRITERS, range(WRITERS), [barrier] * WRITERS)) == 1
        assert len(holders(acme, f"X{turn}")) == 1
