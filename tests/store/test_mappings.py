"""The verbs of mappings and of their history, over the connections that a server has."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from tieline import settings
from tieline.postgres.connections import Connections, DatabaseError
from tieline.postgres.lane import lanes_of
from tieline.postgres.session import Session
from tieline.postgres.transactions import Transactions
from tieline.problems import Problem
from tieline.store import changes, mappings
from tieline.store.batches.find import Options
from tieline.store.batches.rows import MappingRow
from tieline.store.mappings import Candidate, Located, Resolved, Translated, Translation


@asynccontextmanager
async def opened(database):
    loaded = settings.load({}, {})
    connections = Connections(lanes_of(loaded, database.dsn), loaded)
    await connections.open()
    try:
        yield connections
    finally:
        await connections.close()


@pytest.fixture
def call(acme):
    """Call a verb for acme and give its answer."""

    def run(verb, *values, company=acme):
        async def act():
            async with opened(company.database) as connections:
                return await verb(connections, Session(company.id, "key_1", "request_1"), *values)

        return asyncio.run(act())

    return run


@pytest.fixture
def ids(acme, client) -> dict[str, str]:
    """Items 1 and 2 in xero and the crm; S is shared by items 3 and 4 there. The mappings' ids."""
    acme.has_system("crm", "https://crm.example", template="https://crm.example/{externalId}")
    rows = [("1", "xero", "A"), ("2", "xero", "B"), ("1", "crm", "a/1"), ("3", "xero", "S"), ("4", "xero", "S")]
    made = client.post(
        "/externalIntegrationMapping",
        json=[
            {
                "entityType": "item",
                "entityId": entity_id,
                "integration": integration,
                "externalId": external_id,
                "allowDuplicateExternalId": external_id == "S",
                "metadata": {"n": 1.50},
            }
            for entity_id, integration, external_id in rows
        ],
        headers={"Prefer": "return=representation"},
    ).json()
    return {f"{row['integration']} {row['entityId']}": row["id"] for row in made}


def test_resolve_finds_the_entities_in_the_order_asked(call, ids):
    candidates = [Candidate("item", entity_id, ids[f"xero {entity_id}"]) for entity_id in ("3", "4")]
    assert call(mappings.resolve, "xero", ["B", "S", "no"]) == [
        Resolved("B", "linked", "item", "2", ids["xero 2"], []),
        Resolved("S", "ambiguous", None, None, None, candidates),
        Resolved("no", "unknown", None, None, None, []),
    ]
    assert call(mappings.resolve, "xero", ["B"], "vendor")[0].status == "unknown"
    assert call(mappings.resolve, "xero", []) == []


def test_locate_finds_the_external_ids_in_the_order_asked(call, ids):
    assert call(mappings.locate, "crm", "item", ["2", "1"]) == [
        Located("2", "unlinked", None, None, None),
        Located("1", "linked", "a/1", "https://crm.example/a%2F1", ids["crm 1"]),
    ]


def test_translate_finds_the_ids_of_another_system(call, ids):
    assert call(mappings.translate, ("xero", "crm"), ["A", "B", "no"]) == [
        Translated("A", "linked", [Translation("item", "1", "a/1", "https://crm.example/a%2F1")]),
        Translated("B", "unlinked", []),
        Translated("no", "unknown", []),
    ]


def test_claim_creates_once_and_then_says_who_holds(call, ids):
    made = call(mappings.claim, ("item", "9"), "xero", "N")
    assert (made.outcome, made.mapping.external_id, made.mapping.created_by) == ("created", "N", "key_1")
    assert call(mappings.claim, ("item", "9"), "xero", "M").outcome == "existing"
    refused = call(mappings.claim, ("item", "8"), "xero", "N")
    assert (refused.outcome, refused.mapping) == ("conflict", made.mapping)


def test_claim_of_a_value_that_no_index_or_text_can_hold_is_refused(call):
    long = "".join(chr(0x4E00 + n * 7 % 20_000) for n in range(5000))
    with pytest.raises(DatabaseError):
        call(mappings.claim, ("item", "9"), "xero", long)
    with pytest.raises(Problem):
        call(mappings.claim, ("item", "9"), "xero", "\0")


def test_a_mapping_is_found_whole_and_removed_once(call, acme, other, ids):
    found = call(mappings.find, ids["xero 1"])
    assert (found.entity_type, found.entity_id, found.external_id) == ("item", "1", "A")
    assert msgspec.json.decode(found.metadata) == {"n": 1.5}
    assert call(mappings.find, ids["xero 1"], company=other) is None
    assert call(mappings.remove, ids["xero 1"], company=other) is None
    assert call(mappings.remove, ids["xero 1"]) == found
    assert call(mappings.remove, ids["xero 1"]) is None
    assert call(mappings.find, ids["xero 1"]) is None


def test_the_mappings_of_an_entity_tell_which_are_current(call, ids):
    there = call(mappings.of_entity, "item", "1")
    assert [(one.id, one.integration, one.is_current) for one in there] == [
        (ids["crm 1"], "crm", True),
        (ids["xero 1"], "xero", False),
    ]
    assert call(mappings.of_entity, "item", "nobody") == []


def test_changes_are_listed_after_a_position(call, acme, other, ids):
    call(mappings.remove, ids["xero 1"])
    first, *more = call(changes.listed, 0, 100)
    assert len(more) == len(ids)
    assert (first.operation, msgspec.json.decode(first.before)) == ("insert", None)
    last = more[-1]
    assert (last.operation, last.mapping_id, last.actor, last.request_id) == (
        *("delete", ids["xero 1"]),
        *("key_1", "request_1"),
    )
    assert msgspec.json.decode(last.before)["externalId"] == "A"
    assert call(changes.listed, first.position, 2) == more[:2]
    assert call(changes.listed, last.position, 100) == []
    assert call(changes.listed, 0, 100, company=other) == []


def link(company, *rows, options=None, **how):
    """Call link_many for the company."""

    async def act():
        transactions = Transactions(company.database.dsn, settings.load({}, {}))
        transactions.open()
        try:
            return await mappings.link_many(transactions, Session(company.id, "key_1"), rows, options, **how)
        finally:
            transactions.close()

    return asyncio.run(act())


def row(entity_id: str, external_id: str) -> MappingRow:
    return MappingRow(entity_type="item", entity_id=entity_id, integration="xero", external_id=external_id)


def test_link_many_gives_a_result_for_each_row(acme, call, ids):
    new, taken = link(acme, row("9", "N"), row("8", "A"))
    assert (new.outcome, taken.outcome, taken.problem.holder.mapping_id) == ("created", "conflict", ids["xero 1"])
    assert call(mappings.find, new.mapping_id).external_id == "N"
    (moved,) = link(acme, row("8", "A"), options=Options("move"))
    assert [loser.mapping_id for loser in moved.moved_from] == [ids["xero 1"]]


def test_link_many_lands_whole_or_only_tells_what_would_be(acme, call, ids):
    with pytest.raises(Problem) as refused:
        link(acme, row("9", "N"), row("8", "A"), atomic=True)
    assert (refused.value.status, refused.value.code) == (409, "23505")
    assert [result.outcome for result in link(acme, row("9", "N"), rollback=True)] == ["created"]
    assert call(mappings.resolve, "xero", ["N"])[0].status == "unknown"
