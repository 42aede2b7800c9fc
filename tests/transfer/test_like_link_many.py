# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""A file says the same to import as the same rows say to link_many."""

import json

import psycopg
from files_of_companies import ours, theirs  # noqa: F401 -- fixtures
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# What import counts, in the words of link_many.
COUNTED_AS = {"created": "created", "updated": "updated", "unchanged": "unchanged"}
MAPPINGS = '"entityId", "externalId", "allowDuplicateExternalId", link, metadata'

# Few, so that rows meet.
keys = st.sampled_from(["1", "2", "3", "4"])
external_ids = st.sampled_from(["A", "B", "C", None])
links = st.sampled_from(["https://x.example", None])
rows = st.lists(
    st.fixed_dictionaries(
        {"entityId": keys},
        optional={
            "externalId": external_ids,
            "allowDuplicateExternalId": st.booleans(),
            "link": links,
            "metadata": st.sampled_from([{"a": 1}, None]),
        },
    ).map(lambda row: {"entityType": "item", "integration": "xero", **row}),
    min_size=1,
    max_size=7,
)


def link_many(registry, batch, on_conflict):
    """The outcomes of a batch."""
    with psycopg.connect(registry.database.dsn) as conn:
        conn.execute("set role tieline_server")
        conn.execute("select set_config('tieline.company', %s, false)", (registry.id,))
        found = conn.execute(
            "select outcome from tieline.link_many(%s, %s, '[]', %s, false)",
            (registry.id, json.dumps(batch), on_conflict),
        )
        return [outcome for (outcome,) in found]


@given(st.lists(st.tuples(rows, st.sampled_from(["report", "move", "skip"])), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_import_makes_of_rows_what_link_many_makes_of_them(ours, theirs, batches):
    for registry in (ours, theirs):
        registry.database.execute(
            'delete from tieline."externalIntegrationMapping" where "companyId" = %s', registry.id
        )
    for batch, on_conflict in batches:
        outcomes = link_many(ours, batch, on_conflict)
        loaded = theirs.load(
            "mappings", "".join(json.dumps(row) + "\n" for row in batch), "ndjson", on_conflict=on_conflict
        )
        assert {COUNTED_AS[name]: count for name, count in loaded.counts.items() if name in COUNTED_AS} == {
            outcome: outcomes.count(outcome) for outcome in set(outcomes) - {"conflict"}
        }
        assert loaded.counts.get("skipped", 0) + len(loaded.refused) == outcomes.count("conflict")
        assert ours.mappings(MAPPINGS) == theirs.mappings(MAPPINGS)
