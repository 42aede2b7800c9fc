"""link_many and imports follow the rule for batches in a real registry: its examples, and any batch."""

import json
import operator
import re
from collections import Counter

import httpx
import pytest
from examples import EXAMPLES
from hypothesis import HealthCheck, given, settings
from notation import (
    ENTITY_TYPE,
    HOW,
    INTEGRATION,
    ROWS,
    Mapping,
    batch,
    registries,
    registry,
    standing,
    wish,
)

from tieline.store.batches.plan import plan

MAPPINGS = "/externalIntegrationMapping"
COUNTED = ("created", "updated", "unchanged", "kept", "skipped")


def fill(client: httpx.Client, mappings: list[Mapping]) -> None:
    rows = [
        {
            "entityType": ENTITY_TYPE,
            "entityId": mapping.entity,
            "integration": INTEGRATION,
            "externalId": mapping.external_id,
            "allowDuplicateExternalId": mapping.is_shared,
            "metadata": {"mark": mapping.mark} if mapping.mark else None,
        }
        for mapping in mappings
    ]
    if rows:
        assert client.post(MAPPINGS, json=rows).status_code == 201


def rows_of(client: httpx.Client) -> dict[str, dict]:
    return {row["entityId"]: row for row in client.get(MAPPINGS).json()}


def as_mappings(rows: dict[str, dict]) -> list[Mapping]:
    return [
        Mapping(name, row["externalId"], row["allowDuplicateExternalId"], (row["metadata"] or {}).get("mark"))
        for name, row in sorted(rows.items())
    ]


def options(option: str) -> dict[str, str]:
    return {"onExisting": "keep"} if option == "keep" else {"onConflict": option}


def told(result: dict) -> str:
    """A result in the words of the examples, from its fields."""
    words = [result["outcome"]]
    problem = result["problem"] or {}
    if "holder" in problem:
        words.append(f"w {problem['holder']['entityId']}")
    if "duplicateOf" in problem:
        words.append(f"row {problem['duplicateOf']}")
    return " ".join([*words, *(f"from {loser['entityId']}" for loser in result["movedFrom"] or [])])


def check_end(before: dict[str, dict], after: dict[str, dict], expected: str) -> None:
    """The registry is as it should be, and each mapping has kept its id, its author and its time."""
    assert as_mappings(after) == registry(expected)
    for name, row in before.items():
        assert {key: after[name][key] for key in ("id", "createdAt", "createdBy")} == {
            key: row[key] for key in ("id", "createdAt", "createdBy")
        }


@pytest.mark.parametrize(("there", "rows", "option", "outcomes", "end"), EXAMPLES)
def test_link_many_follows_the_rule(client, acme, there, rows, option, outcomes, end):
    fill(client, registry(there))
    before = rows_of(client)
    body = {"mappings": [row.json for row in batch(rows)], **options(option)}
    dry = client.post("/rpc/link_many", json=body, headers={"Prefer": "tx=rollback"}).json()
    assert rows_of(client) == before
    results = client.post("/rpc/link_many", json=body).json()
    assert [told(result) for result in results] == [told(result) for result in dry] == outcomes.split(", ")
    after = rows_of(client)
    check_end(before, after, end)
    for result, row in zip(results, batch(rows), strict=True):
        mapping = after.get(row.entity)
        assert result["mappingId"] == (None if mapping is None else mapping["id"])
        holder = (result["problem"] or {}).get("holder")
        if holder is not None:
            assert holder["mappingId"] == after[holder["entityId"]]["id"]
            assert holder["externalId"] == after[holder["entityId"]]["externalId"]
    unchanged = {name for name, row in after.items() if row == before.get(name)}
    assert {after_["entityId"] for _, _, after_, _ in acme.changes()[len(before) :]} == set(after) - unchanged


@pytest.mark.parametrize(("there", "rows", "option", "outcomes", "end"), EXAMPLES)
def test_an_import_follows_the_rule(client, there, rows, option, outcomes, end):
    fill(client, registry(there))
    before = rows_of(client)
    file = "".join(json.dumps(row.json) + "\n" for row in batch(rows))
    headers = {"Content-Type": "application/x-ndjson"}
    report = client.post("/import/mappings", params=options(option), content=file, headers=headers).json()
    expected = Counter(outcome.split(" ")[0] for outcome in outcomes.split(", "))
    assert {name: report[name] for name in COUNTED} == {name: expected[name] for name in COUNTED}
    assert report["refused"] == len(report["refusals"]) == expected["conflict"]
    losers = [told.split(" from ")[1] for told in outcomes.split(", ") if " from " in told]
    assert [move["movedFrom"]["entityId"] for move in report["moves"]] == losers
    check_end(before, rows_of(client), end)


@pytest.mark.parametrize(("there", "rows", "option", "outcomes", "end"), EXAMPLES)
def test_an_atomic_batch_lands_unless_a_row_is_a_conflict(client, there, rows, option, outcomes, end):
    fill(client, registry(there))
    before = rows_of(client)
    body = {"mappings": [row.json for row in batch(rows)], "atomic": True, **options(option)}
    answer = client.post("/rpc/link_many", json=body)
    if "conflict" not in outcomes:
        assert [told(result) for result in answer.json()] == outcomes.split(", ")
        check_end(before, rows_of(client), end)
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "23505")
        refused = [told(result) for result in json.loads(answer.json()["details"])]
        assert refused == [outcome for outcome in outcomes.split(", ") if outcome.startswith("conflict")]
        assert rows_of(client) == before


def decided(there: list[Mapping], rows: list, how: dict[str, str]) -> list[str]:
    """The outcomes that the rule gives."""
    by_entity = {mapping.entity: mapping for mapping in there}
    wishes = [wish(index, row, by_entity) for index, row in enumerate(rows)]
    made = plan(wishes, [standing(mapping) for mapping in there], **how)
    return [decision.outcome for decision in made.decisions]


@given(registries(), ROWS, HOW)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_link_many_and_an_import_make_the_same_of_any_batch_as_the_rule(client, other, there, rows, how):
    options = {"onConflict": how["on_conflict"], "onExisting": how["on_existing"]}
    expected = decided(there, rows, how)
    with other.client() as second:
        for each in (client, second):
            each.delete(MAPPINGS, params={"integration": f"eq.{INTEGRATION}"}).raise_for_status()
            fill(each, there)
        body = {"mappings": [row.json for row in rows], **options}
        results = client.post("/rpc/link_many", json=body).json()
        assert [result["outcome"] for result in results] == expected
        file = "".join(json.dumps(row.json) + "\n" for row in rows)
        headers = {"Content-Type": "application/x-ndjson"}
        report = second.post("/import/mappings", params=options, content=file, headers=headers).json()
        counted = Counter(expected)
        assert {name: report[name] for name in COUNTED} == {name: counted[name] for name in COUNTED}
        messages = [result["problem"]["message"] for result in results if result["outcome"] == "conflict"]
        # A call counts its rows from 0, a file its lines from 1.
        refusals = sorted(report["refusals"], key=operator.itemgetter("line"))
        assert [strip(refusal["reason"]) for refusal in refusals] == [strip(message) for message in messages]
        assert as_mappings(rows_of(client)) == as_mappings(rows_of(second))


def strip(reason: str) -> str:
    """A reason without the number of the row or line that it speaks of."""
    return re.sub(r"\b(row|line) \d+", "", reason, flags=re.IGNORECASE).rstrip(".")
