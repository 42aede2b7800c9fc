"""unlink_many deletes mappings by their ids, entities or external ids, with an outcome for each."""

from concurrent.futures import ThreadPoolExecutor

import pytest

MAPPINGS = "/externalIntegrationMapping"
IN_XERO = {"integration": "xero", "entityType": "item"}
BATCH_ROWS_MAX = 10_000


def row(entity_id: str, external_id: str | None, **more: object) -> dict[str, object]:
    return {**IN_XERO, "entityId": entity_id, "externalId": external_id, **more}


@pytest.fixture
def linked(client):
    """Items 1 to 3 in xero as A to C, 4 and 5 as S, 6 emptied; item 1 in hubspot too, vendor 1 as A in xero."""
    shared = {"allowDuplicateExternalId": True}
    rows = [
        *(
            row("1", "A"),
            row("2", "B"),
            row("3", "C"),
            row("4", "S", **shared),
            row("5", "S", **shared),
            row("6", None),
        ),
        *(row("1", "h1", integration="hubspot"), row("1", "A", entityType="vendor")),
    ]
    for one in rows:
        client.post(MAPPINGS, json=one).raise_for_status()
    return client


def unlink(client, headers: dict[str, str] | None = None, **arguments: object) -> list[dict]:
    answer = client.post("/rpc/unlink_many", json=arguments, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(results: list[dict]) -> list[tuple]:
    """Index, outcome, and the entity of the mapping."""
    return [(r["index"], r["outcome"], r["mapping"] and r["mapping"]["entityId"]) for r in results]


def left(client) -> list[str]:
    """Entity and system of each mapping that is there."""
    rows = client.get(MAPPINGS, params={"order": "entityType,entityId,integration"}).json()
    return [f"{r['entityType']} {r['entityId']} {r['integration']}" for r in rows]


def test_each_entity_of_the_call_is_unlinked_in_that_system_alone(linked):
    before = linked.get(MAPPINGS, params={"entityId": "eq.1", "integration": "eq.xero", "entityType": "eq.item"}).json()
    results = unlink(linked, **IN_XERO, entityIds=["3", "no", "1"])
    assert told(results) == [(0, "deleted", "3"), (1, "unknown", None), (2, "deleted", "1")]
    assert results[2]["mapping"] == before[0]
    assert left(linked) == [
        *("item 1 hubspot", "item 2 xero", "item 4 xero", "item 5 xero", "item 6 xero", "vendor 1 xero"),
    ]


def test_mappings_are_unlinked_by_their_own_ids(linked):
    ids = {m["entityId"]: m["id"] for m in linked.get(MAPPINGS, params={"integration": "eq.xero"}).json()}
    results = unlink(linked, mappingIds=[ids["6"], "no", ids["2"]])
    assert told(results) == [(0, "deleted", "6"), (1, "unknown", None), (2, "deleted", "2")]


def test_all_mappings_that_share_an_external_id_are_unlinked_each_with_its_result(linked):
    results = unlink(linked, **IN_XERO, externalIds=["no", "S", "A"])
    assert told(results) == [(0, "unknown", None), (1, "deleted", "4"), (1, "deleted", "5"), (2, "deleted", "1")]
    assert "vendor 1 xero" in left(linked)


def test_an_id_that_stands_twice_finds_nothing_the_second_time(linked):
    assert told(unlink(linked, **IN_XERO, entityIds=["2", "2"])) == [(0, "deleted", "2"), (1, "unknown", None)]


def test_an_emptied_mapping_is_not_linked_so_only_its_own_id_deletes_it(linked):
    assert told(unlink(linked, **IN_XERO, entityIds=["6"])) == [(0, "unknown", None)]
    assert "item 6 xero" in left(linked)


def test_an_id_that_cannot_be_stored_spoils_no_other(linked):
    body = '{"integration": "xero", "entityType": "item", "entityIds": ["a\\u0000b", "2", "\\ud800"]}'
    answer = linked.post("/rpc/unlink_many", content=body, headers={"Content-Type": "application/json"})
    assert told(answer.json()) == [(0, "unknown", None), (1, "deleted", "2"), (2, "unknown", None)]


def test_a_dry_run_tells_the_same_and_deletes_nothing(linked):
    before = left(linked)
    dry = unlink(linked, {"Prefer": "tx=rollback"}, **IN_XERO, externalIds=["A", "S"])
    assert left(linked) == before
    assert unlink(linked, **IN_XERO, externalIds=["A", "S"]) == dry


def test_each_unlinked_mapping_is_in_the_history_with_its_actor(linked, acme):
    unlink(linked, **IN_XERO, entityIds=["1", "2"])
    written = [(operation, before["entityId"], actor) for operation, before, _, actor in acme.changes()[-2:]]
    key_id = linked.get("/rpc/whoami").json()["keyId"]
    assert sorted(written) == [("delete", "1", key_id), ("delete", "2", key_id)]


def test_results_are_selected_filtered_ordered_and_written_as_csv(linked):
    params = {"select": "index,id:mapping->>entityId", "outcome": "eq.deleted", "order": "index.desc", "limit": "1"}
    arguments = {**IN_XERO, "entityIds": ["1", "no", "2"]}
    answer = linked.post("/rpc/unlink_many", json=arguments, params=params, headers={"Accept": "text/csv"})
    assert answer.text == "index,id\n2,2"
    assert linked.post("/rpc/unlink_many", data={**IN_XERO, "entityIds": "{3,4}"}).json()[1]["outcome"] == "deleted"


def test_an_answer_that_is_to_be_single_and_is_not_deletes_nothing(linked):
    accept = {"Accept": "application/vnd.pgrst.object+json"}
    answer = linked.post("/rpc/unlink_many", json={**IN_XERO, "entityIds": ["1", "2"]}, headers=accept)
    assert answer.status_code == 406
    assert {"item 1 xero", "item 2 xero"} <= set(left(linked))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({}, 404),
        ({"mappingIds": ["a"], "integration": "xero"}, 404),
        ({**IN_XERO, "entityIds": ["1"], "externalIds": ["A"]}, 404),
        ({"integration": "xero", "entityIds": ["1"]}, 404),
        ({**IN_XERO, "entityIds": None}, 404),
        ({**IN_XERO, "entityIds": [1]}, 400),
        ({**IN_XERO, "entityIds": "1"}, 400),
        ({"integration": " ", "entityType": "item", "entityIds": ["1"]}, 400),
        ({**IN_XERO, "entityIds": ["x"] * (BATCH_ROWS_MAX + 1)}, 413),
    ],
)
def test_a_call_that_is_none_is_refused_and_says_why(linked, arguments, status):
    answer = linked.post("/rpc/unlink_many", json=arguments)
    assert answer.status_code == status, answer.text
    if status == 404:
        assert answer.json()["hint"] == (
            "unlink_many takes mappingIds; or integration, entityType, entityIds;"
            " or integration, entityType, externalIds."
        )


def test_a_null_beside_a_whole_set_of_arguments_is_left_out(linked):
    assert told(unlink(linked, **IN_XERO, entityIds=["1"], mappingIds=None)) == [(0, "deleted", "1")]


def test_more_mappings_than_a_batch_may_have_are_not_deleted_by_an_id_that_they_share(client, acme):
    acme.database.execute(
        """insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId")
        select %s, 'item', n::text, 'xero', 'S', true from generate_series(1, %s) n""",
        acme.id,
        BATCH_ROWS_MAX + 1,
    )
    answer = client.post("/rpc/unlink_many", json={**IN_XERO, "externalIds": ["S"]})
    assert answer.status_code == 413
    assert "batch_rows_max" in answer.json()["message"]
    one = unlink(client, **IN_XERO, entityIds=["1"])
    assert told(one) == [(0, "deleted", "1")]
    assert len(unlink(client, **IN_XERO, externalIds=["S"])) == BATCH_ROWS_MAX


def test_more_than_an_answer_may_have_is_not_deleted(client, acme):
    acme.database.execute(
        """insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration, "externalId", metadata)
        select %s, 'item', n::text, 'xero', n::text, jsonb_build_object('text', repeat('x', 60000))
        from generate_series(1, 140) n""",
        acme.id,
    )
    ids = [str(n) for n in range(1, 141)]
    answer = client.post("/rpc/unlink_many", json={**IN_XERO, "entityIds": ids})
    assert (answer.status_code, answer.json()["code"]) == (413, "54000"), answer.text
    assert "answer_bytes_max" in answer.json()["message"]
    assert len(unlink(client, **IN_XERO, entityIds=ids[:100])) == 100
    assert len(left(client)) == 40


def test_reading_keys_may_not_and_get_does_not_unlink(linked, acme):
    with acme.client("api.read") as reader:
        assert reader.post("/rpc/unlink_many", json={**IN_XERO, "entityIds": ["1"]}).status_code == 403
    assert linked.get("/rpc/unlink_many", params={**IN_XERO, "entityIds": "{1}"}).status_code == 405


def test_nothing_of_another_company_is_unlinked(linked, other):
    ids = [m["id"] for m in linked.get(MAPPINGS).json()]
    with other.client() as theirs:
        for arguments in ({"mappingIds": ids}, {**IN_XERO, "entityIds": ["1"]}, {**IN_XERO, "externalIds": ["A"]}):
            assert {r["outcome"] for r in unlink(theirs, **arguments)} == {"unknown"}
    assert len(left(linked)) == len(ids)


def test_calls_and_batches_about_the_same_mappings_all_end(linked, acme):
    """In opposite orders, at once: nobody is answered with a deadlock."""
    ids = [str(n) for n in range(200)]

    def churn(turn: int) -> set[int]:
        order = ids if turn % 2 else ids[::-1]
        with acme.client() as client:
            rows = [row(entity_id, f"n{entity_id}") for entity_id in order]
            return {
                client.post("/rpc/link_many", json={"mappings": rows}).status_code,
                client.post("/rpc/unlink_many", json={**IN_XERO, "entityIds": order}).status_code,
                client.post("/rpc/unlink_many", json={**IN_XERO, "externalIds": [f"n{i}" for i in order]}).status_code,
            }

    with ThreadPoolExecutor(4) as clients:
        assert set.union(*clients.map(churn, range(8))) == {200}
