"""A real crosswalk through link_many and translate, checked against what plain Python finds in the file."""

import csv
from collections import Counter, defaultdict

import pytest

from documents import ROOT

MAPPINGS = ROOT / "examples" / "bioregistry" / "mappings.csv"
BATCH_ROWS_MAX = 10_000


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with MAPPINGS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def call(client, function: str, **arguments: object) -> list[dict]:
    answer = client.post(f"/rpc/{function}", json=arguments)
    assert answer.status_code == 200, answer.text
    return answer.json()


def expected(kept: list[dict[str, str]], origin: str, target: str, asked: list[str]) -> Counter[str]:
    """The expected answer for each id, made by two dictionaries."""
    entities, there = defaultdict(list), {}
    for row in kept:
        if row["integration"] == origin:
            entities[row["externalId"]].append(row["entityId"])
        if row["integration"] == target:
            there[row["entityId"]] = row["externalId"]
    statuses = Counter()
    for external_id in asked:
        found = entities.get(external_id, [])
        if not found:
            statuses["unknown"] += 1
        elif not any(entity in there for entity in found):
            statuses["unlinked"] += 1
        else:
            statuses["linked" if len(found) == 1 else "ambiguous"] += 1
    return statuses


def test_shared_ids_are_reported_and_everything_else_lands(client, rows):
    results = call(client, "link_many", mappings=rows)
    assert Counter(r["outcome"] for r in results) == {"created": 7678, "conflict": 4}
    seen: dict[tuple[str, str], int] = {}
    for index, (row, result) in enumerate(zip(rows, results, strict=True)):
        first = seen.setdefault((row["integration"], row["externalId"]), index)
        assert (result["problem"] or {}).get("duplicateOf", index) == first
    again = call(client, "link_many", mappings=rows)
    assert Counter(r["outcome"] for r in again) == {"unchanged": 7678, "conflict": 4}


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize(
    ("origin", "target"),
    [("obofoundry", "wikidata.entity"), ("wikidata.entity", "obofoundry"), ("miriam", "edam.data")],
)
def test_ids_of_one_registry_in_the_words_of_another(client, rows, origin, target, is_shared):
    given = [{**row, "allowDuplicateExternalId": is_shared} for row in rows]
    results = call(client, "link_many", mappings=given)
    kept = [row for row, result in zip(rows, results, strict=True) if result["outcome"] == "created"]
    assert len(kept) == (len(rows) if is_shared else 7678)
    asked = [row["externalId"] for row in rows if row["integration"] == origin] + ["nothing-like-it"]
    answers = call(client, "translate", **{"from": origin, "to": target}, externalIds=asked)
    assert [a["externalId"] for a in answers] == asked
    assert Counter(a["status"] for a in answers) == expected(kept, origin, target, asked)
    pairs = {(r["entityId"], r["externalId"]) for r in kept if r["integration"] == target}
    assert all((t["entityId"], t["externalId"]) in pairs for a in answers for t in a["translations"])


def test_from_obofoundry_to_wikidata(client, rows):
    call(client, "link_many", mappings=rows)
    asked = [row["externalId"] for row in rows if row["integration"] == "obofoundry"]
    answers = call(client, "translate", **{"from": "obofoundry", "to": "wikidata.entity"}, externalIds=asked)
    assert Counter(a["status"] for a in answers) == {"linked": 220, "unlinked": 46}
    chebi = next(a for a in answers if a["externalId"] == "chebi")
    assert [t["externalId"] for t in chebi["translations"]] == ["Q902623"]
