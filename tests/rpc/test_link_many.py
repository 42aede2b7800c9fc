"""link_many: one change of state, with an outcome for each row."""

import json
import random
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

MAPPINGS = "/externalIntegrationMapping"
BATCH_ROWS_MAX = 10_000
WRITERS = 8


def row(entity_id: str, external_id: str | None, **more: object) -> dict[str, object]:
    return {"entityType": "item", "entityId": entity_id, "integration": "xero", "externalId": external_id, **more}


def link_many(client, mappings: list, prefer: str | None = None, **arguments: object) -> list[dict]:
    headers = {} if prefer is None else {"Prefer": prefer}
    answer = client.post("/rpc/link_many", json={"mappings": mappings, **arguments}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert [result["index"] for result in answer.json()] == list(range(len(mappings)))
    return answer.json()


def outcomes(results: list[dict]) -> list[str]:
    return [result["outcome"] for result in results]


def held(client) -> dict[str, str | None]:
    """The external id of each entity."""
    rows = client.get(MAPPINGS, params={"select": "entityId,externalId"}).json()
    return {r["entityId"]: r["externalId"] for r in rows}


def test_rows_are_created_updated_or_left_alone(client, acme):
    first = link_many(client, [row("1", "A"), row("2", "B")])
    assert outcomes(first) == ["created", "created"]
    assert set(first[0]) == {"index", "outcome", "mappingId", "problem", "movedFrom"}
    second = link_many(client, [row("1", "A"), row("2", "C"), row("3", "D")])
    assert outcomes(second) == ["unchanged", "updated", "created"]
    assert [r["mappingId"] for r in second[:2]] == [r["mappingId"] for r in first]
    assert held(client) == {"1": "A", "2": "C", "3": "D"}
    assert Counter(change[0] for change in acme.changes()) == {"insert": 3, "update": 1}


def test_a_column_that_a_row_leaves_out_stays_and_null_clears_it(client):
    whole = row("1", "A", link="https://x.example", metadata={"a": 1}, lastSyncedAt="2026-03-01T10:00:00Z")
    link_many(client, [whole])
    key = {"entityType": "item", "entityId": "1", "integration": "xero"}
    assert outcomes(link_many(client, [key])) == ["unchanged"]
    assert outcomes(link_many(client, [{**key, "metadata": {"a": 2}}])) == ["updated"]
    assert outcomes(link_many(client, [{**key, "link": None}])) == ["updated"]
    (found,) = client.get(MAPPINGS).json()
    assert (found["externalId"], found["metadata"], found["link"]) == ("A", {"a": 2}, None)
    assert found["lastSyncedAt"] == "2026-03-01T10:00:00+00:00"


def test_rows_that_were_read_can_be_sent_back(client, acme):
    link_many(client, [row("1", "A", link="https://x.example", metadata={"a": [1.50, None]})])
    assert outcomes(link_many(client, client.get(MAPPINGS).json())) == ["unchanged"]
    assert outcomes(link_many(client, [row("1", "A", companyId=None)])) == ["unchanged"]
    assert len(acme.changes()) == 1


def test_a_held_id_is_reported_with_its_holder(client):
    (first,) = link_many(client, [row("1", "A")])
    (result,) = link_many(client, [row("2", "A")])
    assert result == {
        "index": 0,
        "outcome": "conflict",
        "mappingId": None,
        "movedFrom": None,
        "problem": {
            "code": "23505",
            "message": "The external id is held by item 1 in xero.",
            "details": None,
            "hint": f"It is held by the row whose id is {first['mappingId']}",
            "holder": {
                "mappingId": first["mappingId"],
                "entityType": "item",
                "entityId": "1",
                "integration": "xero",
                "externalId": "A",
            },
        },
    }
    (skipped,) = link_many(client, [row("2", "A")], onConflict="skip")
    assert skipped == {**result, "outcome": "skipped"}
    assert held(client) == {"1": "A"}


def test_an_id_is_shared_only_by_mappings_that_all_allow_it(client):
    shared = {"allowDuplicateExternalId": True}
    assert outcomes(link_many(client, [row("1", "A", **shared), row("2", "A", **shared), row("3", "A")])) == [
        "created",
        "created",
        "conflict",
    ]
    assert outcomes(link_many(client, [row("4", "B"), row("5", "B", **shared)])) == ["created", "conflict"]


def test_a_move_takes_the_id_and_the_history_of_both_says_so(client, acme):
    (one,) = link_many(client, [row("1", "A", link="https://x.example/1")])
    (two,) = link_many(client, [row("2", "B")])
    (moved,) = link_many(client, [row("2", "A")], onConflict="move")
    assert (moved["outcome"], moved["mappingId"]) == ("updated", two["mappingId"])
    assert moved["movedFrom"] == [{"mappingId": one["mappingId"], "entityType": "item", "entityId": "1"}]
    assert held(client) == {"1": None, "2": "A"}
    changes = {
        before["entityId"]: (before["externalId"], after["externalId"]) for _, before, after, _ in acme.changes()[2:]
    }
    assert changes == {"1": ("A", None), "2": ("B", "A")}


def test_the_loser_of_a_move_stays_without_an_id_and_with_all_else(client, acme):
    link_many(client, [row("1", "A", metadata={"a": 1})])
    (before,) = client.get(MAPPINGS).json()
    (moved,) = link_many(client, [row("2", "A")], onConflict="move")
    assert moved["outcome"] == "created"
    (after,) = client.get(MAPPINGS, params={"entityId": "eq.1"}).json()
    times = {key: after[key] for key in ("updatedAt", "updatedBy")}
    assert after == {**before, "externalId": None, **times}
    assert held(client) == {"1": None, "2": "A"}
    assert [change[0] for change in acme.changes()] == ["insert", "update", "insert"]


def test_many_ids_move_in_one_batch(client, acme):
    link_many(client, [row(f"a{n}", f"X{n}", link="https://x.example") for n in range(500)])
    results = link_many(client, [row(f"b{n}", f"X{n}") for n in range(500)], onConflict="move")
    assert set(outcomes(results)) == {"created"}
    assert held(client) == {f"a{n}": None for n in range(500)} | {f"b{n}": f"X{n}" for n in range(500)}
    assert Counter(change[0] for change in acme.changes()) == {"insert": 1000, "update": 500}


@pytest.mark.parametrize("on_conflict", ["report", "move", "skip"])
def test_of_duplicates_the_first_wins_and_the_second_names_it(client, on_conflict):
    batch = [row("0", "Z"), row("1", "A"), row("2", "A"), row("1", "B"), row("3", "B"), row("1", "A")]
    results = link_many(client, batch, onConflict=on_conflict)
    same_id = "skipped" if on_conflict == "skip" else "conflict"
    assert outcomes(results) == ["created", "created", same_id, "conflict", "created", "conflict"]
    assert [results[n]["problem"]["duplicateOf"] for n in (2, 3, 5)] == [1, 1, 1]
    assert results[2]["problem"]["holder"]["mappingId"] == results[1]["mappingId"]
    assert results[3]["problem"]["message"] == "Row 1 is already about item 1 in xero."
    assert held(client) == {"0": "Z", "1": "A", "3": "B"}


def test_a_row_may_take_an_id_that_an_earlier_or_a_later_row_gives_up(client):
    link_many(client, [row("1", "A"), row("2", "B")])
    assert outcomes(link_many(client, [row("1", "C"), row("3", "A")])) == ["updated", "created"]
    assert outcomes(link_many(client, [row("4", "B"), row("2", "D")])) == ["created", "updated"]
    assert held(client) == {"1": "C", "3": "A", "2": "D", "4": "B"}


@pytest.mark.parametrize("order", [sorted, reversed])
def test_a_chain_lands_in_any_order(client, order):
    link_many(client, [row(str(n), f"X{n}") for n in range(50)])
    shifted = [row(str(n), f"X{n + 1}") for n in order(range(50))]
    assert set(outcomes(link_many(client, shifted))) == {"updated"}
    assert held(client) == {str(n): f"X{n + 1}" for n in range(50)}


@pytest.mark.parametrize("on_conflict", ["report", "move", "skip"])
def test_two_that_swap_their_ids_keep_all_else(client, on_conflict):
    before = link_many(client, [row("1", "A", metadata={"m": 1}), row("2", "B", metadata={"m": 2})])
    results = link_many(client, [row("1", "B"), row("2", "A")], onConflict=on_conflict)
    assert outcomes(results) == ["updated", "updated"]
    assert [result["mappingId"] for result in results] == [result["mappingId"] for result in before]
    assert held(client) == {"1": "B", "2": "A"}
    assert [found["metadata"] for found in client.get(MAPPINGS, params={"order": "entityId"}).json()] == [
        {"m": 1},
        {"m": 2},
    ]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"externalId": 7}, "externalId is a number; write it as a string, so that no digit is lost."),
        ({"externalId": ""}, "externalId must not be blank."),
        ({"entityId": None}, "entityId: expected a string, got null."),
        ({"entityType": "\u2003"}, "entityType must not be blank."),
        ({"integration": {}}, "integration: expected a string, got an object."),
        ({"allowDuplicateExternalId": "maybe"}, "allowDuplicateExternalId: expected a boolean or null, got a string."),
        ({"nothing": 1}, "nothing is not one of the columns."),
        ({"externalID": "1"}, "externalID is not one of the columns. Did you mean externalId?"),
        ({"lastSyncedAt": "yesterday"}, "lastSyncedAt is not an ISO 8601 time."),
        ({"remoteUpdatedAt": "03/01/2026"}, "remoteUpdatedAt is not an ISO 8601 time."),
        ({"lastSyncedAt": "999999-01-01 00:00:00+00"}, "lastSyncedAt is not a time that PostgreSQL can store."),
        ({"lastSyncedAt": "2026-01-01T00:00:00+23:59"}, "lastSyncedAt has an offset that PostgreSQL cannot store."),
        ({"externalId": "a\0b"}, "externalId contains a NUL character, which PostgreSQL cannot store."),
        ({"metadata": {"a": "\0"}}, "metadata contains a NUL character, which PostgreSQL cannot store."),
        ({"externalId": "x" * 3000}, "externalId is too long: its key is longer than 2650 bytes."),
        ({"link": " "}, "link must not be blank."),
        ({"companyId": "another"}, "companyId is another company's."),
    ],
)
def test_a_row_that_is_not_fit_does_not_spoil_the_others(client, bad, said):
    results = link_many(client, [row("1", "A"), row("2", "B") | bad, row("3", "C")])
    assert outcomes(results) == ["created", "invalid", "created"]
    assert (results[1]["mappingId"], results[1]["problem"]["message"]) == (None, said)
    assert held(client) == {"1": "A", "3": "C"}


def test_a_key_as_long_as_an_index_can_hold_lands(client):
    longest = secrets.token_hex(1300)
    assert outcomes(link_many(client, [row("1", longest)])) == ["created"]
    assert held(client) == {"1": longest}


@pytest.mark.parametrize("metadata", ["1e400000", "[" * 900 + "1e999999" + "]" * 900])
def test_metadata_that_no_column_can_hold_makes_its_row_invalid(client, metadata):
    good = json.dumps(row("1", "A"))
    body = f'{{"mappings": [{good}, {json.dumps(row("2", "B"))[:-1]}, "metadata": {metadata}}}]}}'
    answer = client.post("/rpc/link_many", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert outcomes(answer.json()) == ["created", "invalid"]


def test_text_of_any_plane_is_kept_beside_a_row_that_is_not_fit(client):
    external_id = "\\u0000 \U0001f600 \u2028"
    results = link_many(client, [row("1", external_id, metadata={"\U0001f600": "\\ud800"}), row("2", "\0")])
    assert outcomes(results) == ["created", "invalid"]
    (found,) = client.get(MAPPINGS).json()
    assert (found["externalId"], found["metadata"]) == (external_id, {"\U0001f600": "\\ud800"})


HALF = "contains half of a surrogate pair, which PostgreSQL cannot store."


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (r'"externalId": "\ud83d"', f"externalId {HALF}"),
        (r'"externalId": "\udc00x"', f"externalId {HALF}"),
        (r'"metadata": {"n": "\ud83d"}', f"metadata {HALF}"),
        (r'"metadata": {"\ud83d\u0041": 1}', f"metadata {HALF}"),
        (r'"\ud83d": 1', "\ufffd is not one of the columns."),
        (r'"a\u0000b": 1', r"a\u0000b is not one of the columns."),
    ],
)
@pytest.mark.parametrize("query", ["", "?columns=mappings", "?order=index"])
def test_half_of_a_surrogate_pair_spoils_its_own_row(client, bad, said, query):
    key = '{"entityType": "item", "integration": "xero", "entityId"'
    rows = [f'{key}: "1", "metadata": {{"n": "\\ud83d\\ude00 \\\\ud83d"}}}}', f'{key}: "2", {bad}}}', f'{key}: "3"}}']
    body = f'{{"mappings": [{", ".join(rows)}]}}'
    answer = client.post(f"/rpc/link_many{query}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert outcomes(answer.json()) == ["created", "invalid", "created"]
    assert answer.json()[1]["problem"]["message"] == said
    found = client.get(MAPPINGS, params={"entityId": "eq.1"}).json()
    assert found[0]["metadata"] == {"n": "\U0001f600 \\ud83d"}


def test_a_row_that_meets_another_which_did_not_land_names_no_false_holder(client):
    link_many(client, [row("1", "B", allowDuplicateExternalId=True), row("2", "A")])
    results = link_many(client, [row("2", "B"), row("1", "B", allowDuplicateExternalId=False)])
    assert outcomes(results) == ["conflict", "conflict"]
    assert results[0]["problem"]["holder"]["entityId"] == "1"
    assert results[1]["problem"]["message"] == "Row 0 wants the same external id, for item 2 in xero."
    assert (results[1]["problem"]["duplicateOf"], "holder" in results[1]["problem"]) == (0, False)
    assert held(client) == {"1": "B", "2": "A"}


def test_ten_thousand_that_share_an_id_may_all_ask_to_stop_sharing_it(client):
    link_many(client, [row(str(n), "A", allowDuplicateExternalId=True) for n in range(BATCH_ROWS_MAX)])
    alone = [{"entityType": "item", "entityId": str(n), "integration": "xero"} for n in range(BATCH_ROWS_MAX)]
    results = link_many(client, [{**each, "allowDuplicateExternalId": False} for each in alone])
    assert set(outcomes(results)) == {"conflict"}


def test_of_a_body_only_what_columns_names_counts(client):
    link_many(client, [row("1", "A")])
    body = {"mappings": [row("2", "A")], "onConflict": "move", "other": 1}
    answer = client.post("/rpc/link_many?columns=mappings", json=body)
    assert outcomes(answer.json()) == ["conflict"]
    answer = client.post("/rpc/link_many?columns=mappings", json={"onConflict": "move"})
    assert (answer.status_code, answer.json()["message"]) == (400, "mappings: expected an array, got null")


@pytest.mark.parametrize("bad", [None, 5, "x", [], {}])
def test_an_item_that_is_not_a_mapping_is_invalid(client, bad):
    assert outcomes(link_many(client, [bad, row("1", "A"), bad])) == ["invalid", "created", "invalid"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"mappings": "x"}, 400),
        ({"mappings": None}, 400),
        ({"mappings": {}}, 400),
        ({"mappings": [], "onConflict": "steal"}, 400),
        ({"mappings": [], "onConflict": 5}, 400),
        ({"mappings": [], "atomic": "perhaps"}, 400),
        ({"mappings": [], "refused": []}, 404),
        ({}, 404),
        ({"mappings": [], "onConflict": None, "atomic": None}, 200),
    ],
)
def test_arguments_are_checked_before_rows(client, arguments, status):
    assert client.post("/rpc/link_many", json=arguments).status_code == status


def test_an_atomic_batch_lands_whole_or_not_at_all(client, acme):
    link_many(client, [row("1", "A")])
    batch = [row("2", "B"), row("3", "A"), row("4", 5)]
    answer = client.post("/rpc/link_many", json={"mappings": batch, "atomic": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "23505")
    assert [result["index"] for result in json.loads(answer.json()["details"])] == [1, 2]
    answer = client.post("/rpc/link_many", json={"mappings": [batch[0], batch[2]], "atomic": True})
    assert (answer.status_code, answer.json()["code"]) == (400, "22023")
    assert held(client) == {"1": "A"}
    assert len(acme.changes()) == 1
    assert outcomes(link_many(client, [row("2", "B"), row("3", "A")], atomic=True, onConflict="skip")) == [
        "created",
        "skipped",
    ]
    assert outcomes(link_many(client, [row("5", "E"), row("6", "A")], atomic=True, onConflict="move")) == [
        "created",
        "created",
    ]


def test_a_dry_run_gives_outcomes_and_changes_nothing(client, acme):
    link_many(client, [row("1", "A")])
    results = link_many(client, [row("1", "B"), row("2", "A"), row("2", "C")], prefer="tx=rollback", onConflict="move")
    assert outcomes(results) == ["updated", "created", "conflict"]
    assert held(client) == {"1": "A"}
    assert len(acme.changes()) == 1


def test_results_can_be_filtered_by_outcome(client):
    link_many(client, [row("1", "A")])
    answer = client.post(
        "/rpc/link_many",
        params={"select": "index,code:problem->>code", "outcome": "in.(conflict,invalid)"},
        json={"mappings": [row("2", "B"), row("3", "A"), row("4", 4)]},
    )
    assert answer.json() == [{"index": 1, "code": "23505"}, {"index": 2, "code": "22023"}]
    assert held(client) == {"1": "A", "2": "B"}


def test_ten_thousand_rows_land_and_one_more_is_too_many(client):
    rows = [row(str(n), f"X{n}") for n in range(BATCH_ROWS_MAX)]
    assert Counter(outcomes(link_many(client, rows))) == {"created": BATCH_ROWS_MAX}
    # The table has not been analyzed since. The look-ups must find their indexes all the same.
    assert Counter(outcomes(link_many(client, rows))) == {"unchanged": BATCH_ROWS_MAX}
    answer = client.post("/rpc/link_many", json={"mappings": [*rows, row("x", "x")]})
    assert answer.status_code == 413
    assert "batch_rows_max" in answer.json()["message"]


def test_the_history_names_who_did_it_and_in_which_request(client, acme, database):
    answer = client.post(
        "/rpc/link_many",
        json={"mappings": [row(str(n), f"X{n}") for n in range(3)]},
        headers={"X-Request-Id": "batch-of-three"},
    )
    assert answer.status_code == 200
    found = client.get("/mappingChange", params={"select": "requestId,actor,operation"}).json()
    assert {(c["requestId"], c["operation"]) for c in found} == {("batch-of-three", "insert")}
    assert len(found) == 3
    assert all(c["actor"].startswith("key_") for c in found)


def test_nothing_of_another_company_is_a_conflict_or_moved(client, other):
    with other.client() as theirs:
        link_many(theirs, [row("1", "A", link="https://theirs.example")])
        assert outcomes(link_many(client, [row("2", "A")], onConflict="move")) == ["created"]
        assert held(theirs) == {"1": "A"}
        assert link_many(client, [row("3", "A", companyId=other.id)])[0]["outcome"] == "invalid"
        assert len(other.changes()) == 1


def test_a_key_that_may_only_read_may_not_link(acme, client):
    with acme.client("api.read") as reader:
        assert reader.post("/rpc/link_many", json={"mappings": [row("1", "A")]}).status_code == 403
    assert held(client) == {}


def at_once(acme, batches: list[list[dict]], **arguments: object) -> list[list[dict]]:
    def one(batch: list[dict]) -> list[dict]:
        with acme.client() as client:
            return link_many(client, batch, **arguments)

    with ThreadPoolExecutor(len(batches)) as pool:
        return list(pool.map(one, batches))


def test_the_same_batch_from_many_at_once_lands_once(acme, client):
    rows = [row(str(n), f"X{n}") for n in range(300)]
    answers = at_once(acme, [rows if n % 2 else rows[::-1] for n in range(WRITERS)])
    assert Counter(outcome for answer in answers for outcome in outcomes(answer)) == {
        "created": 300,
        "unchanged": 300 * (WRITERS - 1),
    }
    assert len(acme.changes()) == 300
    assert len(held(client)) == 300


def test_of_batches_that_want_the_same_ids_each_id_has_one_winner(acme, client):
    answers = at_once(acme, [[row(f"{writer}-{n}", f"X{n}") for n in range(100)] for writer in range(WRITERS)])
    for n in range(100):
        assert Counter(answer[n]["outcome"] for answer in answers) == {"created": 1, "conflict": WRITERS - 1}
        winner = next(answer[n]["mappingId"] for answer in answers if answer[n]["outcome"] == "created")
        losers = [
            answer[n]["problem"]["holder"]["mappingId"] for answer in answers if answer[n]["outcome"] == "conflict"
        ]
        assert set(losers) == {winner}
    assert len(held(client)) == 100


def test_moves_from_many_at_once_leave_each_id_with_one_holder(acme, client):
    batches = [[row(f"{writer}-{n}", f"X{n}") for n in range(50)] for writer in range(WRITERS)]
    answers = at_once(acme, batches, onConflict="move")
    assert {outcome for answer in answers for outcome in outcomes(answer)} == {"created"}
    ids = [external_id for external_id in held(client).values() if external_id is not None]
    assert sorted(ids) == sorted(f"X{n}" for n in range(50))


def test_permutations_from_many_at_once_end_as_one_of_them(acme, client):
    entities = [str(n) for n in range(60)]
    link_many(client, [row(entity, f"X{entity}", link="https://x.example") for entity in entities])
    orders = [random.Random(writer).sample(entities, len(entities)) for writer in range(WRITERS)]
    batches = [[row(e, f"X{x}") for e, x in zip(entities, order, strict=True)] for order in orders]
    answers = at_once(acme, [batch if n % 2 else batch[::-1] for n, batch in enumerate(batches)], onConflict="move")
    assert {outcome for answer in answers for outcome in outcomes(answer)} <= {"updated", "unchanged"}
    assert held(client) in [{r["entityId"]: r["externalId"] for r in batch} for batch in batches]
