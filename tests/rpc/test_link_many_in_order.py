"""A batch of link_many is what its rows are, one after the other: outcomes, rows and the history of each mapping."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

LINK = "https://x.example"
# New rows; ids that are taken: who goes, who stays; all that lands then: who is new, who was there.
STATEMENTS_MAX = 5
# Entity type, entity id, integration.
Key = tuple[str, str, str]
# Few, so that rows meet; what is about another type or integration never meets the others.
keys = st.sampled_from([*[("item", e, "xero") for e in "1234"] * 3, ("item", "1", "shop"), ("order", "1", "xero")])


@dataclass(frozen=True)
class Mapping:
    """A mapping of the model; one that the batch made has its row's index for an id."""

    id: str | int
    external_id: str | None = None
    is_shared: bool = False
    link: str | None = None
    metadata: object = None


links = st.sampled_from([None, LINK])
standing_rows = st.lists(
    st.tuples(keys, st.sampled_from(["A", "B", "C", None]), st.sampled_from([False, False, True]), links),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[0],
)
batch_rows = st.fixed_dictionaries(
    {"key": keys},
    optional={
        "externalId": st.sampled_from(["A", "B", "C", "D", None]),
        "allowDuplicateExternalId": st.sampled_from([False, False, True, None]),
        "link": links,
        "metadata": st.sampled_from([None, {"a": 1}]),
    },
)


@dataclass
class Registry:
    """The mappings by their key, and what happened to each: the plainest words for what a batch does."""

    mappings: dict[Key, Mapping] = field(default_factory=dict)
    history: dict[str | int, list[tuple]] = field(default_factory=lambda: defaultdict(list))
    landed: dict[Key, int] = field(default_factory=dict)

    def put(self, key: Key, after: Mapping | None) -> None:
        before = self.mappings.pop(key, None)
        if after is not None:
            self.mappings[key] = after
        said = after or before
        assert said is not None, "nobody removes what is not there"
        operation = "insert" if before is None else "delete" if after is None else "update"
        self.history[said.id].append((operation, before, after))

    def holder(self, key: Key, wanted: Mapping) -> Key | None:
        """Who else has the external id for itself."""
        if wanted.is_shared or wanted.external_id is None:
            return None
        for other, held in self.mappings.items():
            alike = (other[0], other[2], held.external_id) == (key[0], key[2], wanted.external_id)
            if alike and other != key and not held.is_shared:
                return other
        return None

    def land(self, index: int, row: dict, on_conflict: str) -> tuple:
        """Outcome, mapping, the problem's code, whose duplicate it is, and whom an id was moved from."""
        key = row["key"]
        held = self.mappings.get(key)
        wanted = replace(
            held or Mapping(index),
            **{
                name: row[given]
                for name, given in (("external_id", "externalId"), ("link", "link"), ("metadata", "metadata"))
                if given in row
            },
        )
        if "allowDuplicateExternalId" in row:
            wanted = replace(wanted, is_shared=bool(row["allowDuplicateExternalId"]))
        if key in self.landed:
            return ("conflict", wanted.id, "21000", self.landed[key], None)
        holder = self.holder(key, wanted)
        if holder is not None and (on_conflict != "move" or holder in self.landed):
            said = (None, None) if on_conflict == "skip" else ("23505", self.landed.get(holder))
            return ("conflict", self.mappings[holder].id, *said, None)
        moved_from = None
        if holder is not None:
            loser = self.mappings[holder]
            self.put(holder, replace(loser, external_id=None) if loser.link else None)
            moved_from = (holder, loser.id)
        self.landed[key] = index
        if wanted == held:
            return ("unchanged", wanted.id, None, None, None)
        self.put(key, wanted)
        return ("created" if held is None else "updated", wanted.id, None, None, moved_from)


@pytest.fixture
def conn(database, acme) -> Iterator[psycopg.Connection]:
    """A session like the server's, for the company."""
    with psycopg.connect(database.dsn, autocommit=True) as opened:
        opened.execute("set role tieline_server; set plan_cache_mode = force_generic_plan")
        opened.execute("select set_config('tieline.company', %s, false)", (acme.id,))
        yield opened


def link_many(conn, company: str, rows: list[dict], on_conflict: str, *, atomic: bool = False) -> list[tuple]:
    """The results of a batch, in the words of the model."""
    mappings = [
        dict(zip(("entityType", "entityId", "integration"), row["key"], strict=True))
        | {name: value for name, value in row.items() if name != "key"}
        for row in rows
    ]
    found = conn.execute(
        'select index, outcome, "mappingId", problem, "movedFrom" from tieline.link_many(%s, %s, %s, %s, %s)',
        (company, json.dumps(mappings), "[]", on_conflict, atomic),
    ).fetchall()
    assert [index for index, *_ in found] == list(range(len(rows)))
    return [
        (
            outcome,
            mapping_id,
            problem and problem["code"],
            problem and problem.get("duplicateOf"),
            moved and ((moved["entityType"], moved["entityId"], rows[index]["key"][2]), moved["mappingId"]),
        )
        for index, outcome, mapping_id, problem, moved in found
    ]


def stand(conn, company: str, registry: Registry, rows: list[tuple]) -> None:
    """The mappings that were there before; of those that cannot be there both, the first."""
    for key, external_id, is_shared, link in rows:
        mapping = Mapping(f"m{len(registry.mappings)}", external_id, is_shared, link)
        if registry.holder(key, mapping) is None:
            registry.put(key, mapping)
            conn.execute(
                'insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration,'
                ' id, "externalId", "allowDuplicateExternalId", link) values (%s, %s, %s, %s, %s, %s, %s, %s)',
                (company, *key, mapping.id, external_id, is_shared, link),
            )


def as_mapping(row: dict | None) -> Mapping | None:
    return row and Mapping(row["id"], row["externalId"], row["allowDuplicateExternalId"], row["link"], row["metadata"])


def registry_of(conn, ids: dict[str, int]) -> tuple[dict, dict]:
    """The mappings and their histories as the database has them; those that a row made have its index for an id."""

    def known(row: dict | None) -> Mapping | None:
        mapping = as_mapping(row)
        return mapping and replace(mapping, id=ids.get(mapping.id, mapping.id))

    mappings = {
        (row["entityType"], row["entityId"], row["integration"]): known(row)
        for (row,) in conn.execute('select to_jsonb(m) from tieline."externalIntegrationMapping" m')
    }
    history = defaultdict(list)
    for mapping_id, operation, before, after in conn.execute(
        'select "mappingId", operation, before, after from tieline."mappingChange" order by position'
    ):
        history[ids.get(mapping_id, mapping_id)].append((operation, known(before), known(after)))
    return mappings, history


def key(entity_id: str) -> Key:
    return ("item", entity_id, "xero")


@given(
    before=standing_rows,
    rows=st.lists(batch_rows, min_size=2, max_size=8),
    on_conflict=st.sampled_from(["report", "move", "skip", "move", "move"]),
    atomic=st.sampled_from([False, False, False, True]),
)
# An id that nobody had for itself becomes somebody's own by a row that does not name it.
@example(
    before=[(key("1"), "A", True, None)],
    rows=[{"key": key("1"), "allowDuplicateExternalId": False}, {"key": key("2"), "externalId": "A"}],
    on_conflict="report",
    atomic=False,
)
# Who lost its id to an earlier row has none, when its own row does not name one.
@example(
    before=[(key("1"), "A", False, LINK)],
    rows=[{"key": key("2"), "externalId": "A"}, {"key": key("1"), "metadata": {"a": 1}}],
    on_conflict="move",
    atomic=False,
)
# Who lost everything to an earlier row is made anew by its own, from what that row gives alone.
@example(
    before=[(key("1"), "A", False, None)],
    rows=[{"key": key("2"), "externalId": "A"}, {"key": key("1"), "metadata": {"a": 1}}],
    on_conflict="move",
    atomic=False,
)
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_does_what_its_rows_do_one_after_the_other(conn, acme, before, rows, on_conflict, atomic):
    registry = Registry()
    with conn.transaction(force_rollback=True):
        stand(conn, acme.id, registry, before)
        untouched = (dict(registry.mappings), {i: list(h) for i, h in registry.history.items()})
        expected = [registry.land(index, row, on_conflict) for index, row in enumerate(rows)]
        if atomic and on_conflict != "skip" and any(outcome == "conflict" for outcome, *_ in expected):
            with pytest.raises(psycopg.Error, match="conflict"), conn.transaction():
                link_many(conn, acme.id, rows, on_conflict, atomic=True)
            assert registry_of(conn, {}) == untouched
            return
        results = link_many(conn, acme.id, rows, on_conflict, atomic=atomic)
        ids = {result[1]: index for index, result in enumerate(results) if result[0] == "created"}
        assert [
            (outcome, ids.get(mapping_id, mapping_id), code, duplicate_of, moved_from)
            for outcome, mapping_id, code, duplicate_of, moved_from in results
        ] == expected
        assert registry_of(conn, ids) == (registry.mappings, registry.history)


ROWS = 300
STANDING = [(key(f"e{n:03}"), f"x{n:03}", False, LINK if n % 2 else None) for n in range(ROWS)]


@pytest.mark.parametrize(
    ("before", "rows"),
    [
        ([], [{"key": key(f"e{n % 150}"), "externalId": f"x{n % 150}"} for n in range(ROWS)]),
        ([], [{"key": key(f"e{n}"), "externalId": "x"} for n in range(ROWS)]),
        (STANDING, [{"key": key(f"e{n:03}"), "externalId": f"x{n + 1:03}"} for n in range(ROWS)]),
        (STANDING, [{"key": key(f"e{n:03}"), "externalId": f"x{n + 1:03}"} for n in reversed(range(ROWS))]),
        (STANDING, [{"key": key(f"e{n:03}"), "externalId": f"x{n * 7 % ROWS:03}"} for n in range(ROWS)]),
    ],
    ids=["each row twice", "one id for all", "a shift", "a shift back", "a permutation"],
)
def test_rows_that_have_to_do_with_each_other_are_written_by_a_few_statements(conn, acme, before, rows):
    registry = Registry()
    with conn.transaction(force_rollback=True):
        stand(conn, acme.id, registry, before)
        expected = [registry.land(index, row, "move")[0] for index, row in enumerate(rows)]
        changes = sum(len(history) for history in registry.history.values()) - len(before)
        assert [outcome for outcome, *_ in link_many(conn, acme.id, rows, "move")] == expected
        # The history's trigger runs once a statement; what one run writes has one command's number.
        runs = conn.execute(
            'select cmin::text, count(*) from tieline."mappingChange" group by 1 order by min(position)'
        ).fetchall()[len(before) :]
        assert sum(count for _, count in runs) == changes
        assert len(runs) <= STATEMENTS_MAX
