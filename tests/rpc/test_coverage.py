"""coverage counts, for each entity type and system, from counts that are kept. They are exact whoever writes what."""

import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from conftest import new_database

MAPPINGS = "/externalIntegrationMapping"
KEY = "entityType,entityId,integration"
MERGE = {"Prefer": "resolution=merge-duplicates"}


def row(entity_id: str, integration: str, external_id: str | None = None, **more: object) -> dict[str, object]:
    return {
        "entityType": "item",
        "entityId": entity_id,
        "integration": integration,
        "externalId": external_id,
        **more,
    }


def coverage(client, **arguments: object) -> list[dict]:
    answer = client.post("/rpc/coverage", json=arguments)
    assert answer.status_code == 200, answer.text
    return answer.json()


def expected(company) -> list[dict]:
    """The answer, made by Python from all mappings, elements and systems."""
    stale = dict(
        company.database.execute(
            """select integration, "staleAfterSeconds" from tieline."externalSystem" where "companyId" = %s""",
            company.id,
        )
    )
    rows = company.database.execute(
        """select "entityType", "entityId", integration, "externalId" is not null or link is not null,
            "externalId" is not null and "allowDuplicateExternalId", "lastSyncedAt", "remoteUpdatedAt"
        from tieline."externalIntegrationMapping" where "companyId" = %s""",
        company.id,
    )
    known = defaultdict(set)
    for (element_id,) in company.database.execute('select id from tieline.element where "companyId" = %s', company.id):
        known["element"].add(str(element_id))
    pairs = defaultdict(list)
    for kind, entity_id, integration, *rest in rows:
        known[kind].add(entity_id)
        pairs[kind, integration].append(rest)
    return [
        {
            "entityType": kind,
            "integration": integration,
            "mappings": len(found),
            **told([rest for is_linked, *rest in found if is_linked], stale.get(integration), len(known[kind])),
        }
        for (kind, integration), found in sorted(pairs.items())
    ]


def told(linked: list[list], stale: int | None, known: int) -> dict[str, object]:
    now = datetime.now(UTC)
    freshness = dict.fromkeys(("never", "remoteNewer", "old", "current"), 0)
    for _, synced, remote in linked:
        if synced is None:
            freshness["never"] += 1
        elif remote is not None and remote > synced:
            freshness["remoteNewer"] += 1
        else:
            freshness["old" if stale is not None and synced < now - timedelta(seconds=stale) else "current"] += 1
    times = [synced for _, synced, _ in linked if synced is not None]
    ends = {"oldest": min(times), "newest": max(times)} if times else {"oldest": None, "newest": None}
    return {
        "entities": len(linked),
        "known": known,
        "share": len(linked) / known,
        "lastSyncedAt": {name: time and time.isoformat() for name, time in ends.items()},
        "shared": sum(is_shared for is_shared, *_ in linked),
        "freshness": freshness,
    }


def require_exact(company, client) -> None:
    """The answer is what a count of everything gives, before and after what was noted is added up."""
    for _ in range(2):
        answered = [{name: value for name, value in one.items() if name != "position"} for one in coverage(client)]
        by_name = sorted(answered, key=lambda one: (one["entityType"], one["integration"]))
        assert by_name == expected(company)
        assert company.database.execute("select tieline.miscounted(%s)", company.id) == [(0,)]
        company.database.execute("select tieline.fold_counts(%s)", company.id)
    noted = company.database.execute('select count(*) from tieline."mappingDelta" where "companyId" = %s', company.id)
    assert noted == [(0,)]


def test_coverage_tells_how_many_known_entities_are_linked_in_each_system(client, acme):
    for element_id in (1, 2):
        acme.has_element(element_id)
    shared = {"allowDuplicateExternalId": True}
    rows = [row("1", "xero", "A"), row("2", "xero", "S", **shared), row("3", "xero", "S", **shared), row("4", "xero")]
    rows += [row("1", "hubspot", "h1"), row("5", "hubspot", link="https://h.example/5")]
    rows += [row("1", "crm", "e1", entityType="element")]
    for one in rows:
        client.post(MAPPINGS, json=one).raise_for_status()
    (newest,) = client.get(
        "/mappingChange", params={"select": "position", "order": "position.desc", "limit": "1"}
    ).json()
    nothing = {"oldest": None, "newest": None}
    fresh = {"remoteNewer": 0, "old": 0, "current": 0}
    common = {"lastSyncedAt": nothing, "position": newest["position"]}
    assert coverage(client) == [
        {"entityType": "element", "integration": "crm", "mappings": 1, "entities": 1, "known": 2, "share": 0.5}
        | {"shared": 0, "freshness": {"never": 1, **fresh}, **common},
        {"entityType": "item", "integration": "hubspot", "mappings": 2, "entities": 2, "known": 5, "share": 0.4}
        | {"shared": 0, "freshness": {"never": 2, **fresh}, **common},
        # The emptied mapping of item 4 is one, and links nothing.
        {"entityType": "item", "integration": "xero", "mappings": 4, "entities": 3, "known": 5, "share": 0.6}
        | {"shared": 2, "freshness": {"never": 3, **fresh}, **common},
    ]
    assert [one["entityType"] for one in coverage(client, entityType="element")] == ["element"]
    assert coverage(client, entityType="nothing") == []


def test_it_tells_the_oldest_and_the_newest_synchronisation_and_how_fresh_mappings_are(client, acme, database):
    now = datetime.now(UTC).replace(microsecond=0)
    acme.has_system("xero")
    database.execute('update tieline."externalSystem" set "staleAfterSeconds" = 5400 where "companyId" = %s', acme.id)
    # Minutes ago; the hour in which mappings become old has some on both sides of its 90 minutes.
    ages = [0, 1, 60, 80, 88, 92, 100, 119, 150, 10_000]
    rows = [
        row(str(n), system, f"x{n}", lastSyncedAt=(now - timedelta(minutes=age)).isoformat(), remoteUpdatedAt=remote)
        for system in ("xero", "sage")
        for n, age in enumerate(ages)
        for remote in [now.isoformat() if n == 5 else None]
    ]
    client.post(MAPPINGS, json=rows).raise_for_status()
    client.post(MAPPINGS, json=row("99", "xero", lastSyncedAt="2001-01-01T00:00:00Z")).raise_for_status()
    sage, xero = coverage(client)
    assert xero["freshness"] == {"never": 0, "remoteNewer": 1, "old": 4, "current": 5}
    assert sage["freshness"] == {"never": 0, "remoteNewer": 1, "old": 0, "current": 9}
    # That of the emptied mapping does not count.
    assert xero["lastSyncedAt"]["oldest"] == (now - timedelta(minutes=10_000)).isoformat()
    assert xero["lastSyncedAt"]["newest"] == now.isoformat()
    client.patch(MAPPINGS, params={"entityId": "eq.9"}, json={"lastSyncedAt": now.isoformat()}).raise_for_status()
    assert coverage(client)[1]["lastSyncedAt"]["oldest"] == (now - timedelta(minutes=150)).isoformat()
    require_exact(acme, client)


STRANGE = ["infinity", "-infinity", "4000-01-01 BC", "9999-12-31T23:59:59Z", None]


def test_times_at_both_ends_of_all_times_are_counted(client, acme):
    rows = [row(str(n), "xero", f"x{n}", lastSyncedAt=time) for n, time in enumerate(STRANGE)]
    client.post(MAPPINGS, json=rows).raise_for_status()
    (xero,) = coverage(client)
    assert xero["freshness"] == {"never": 1, "remoteNewer": 0, "old": 0, "current": 4}
    assert xero["lastSyncedAt"] == {"oldest": "-infinity", "newest": "infinity"}


def random_write(client, random_: random.Random) -> None:
    """One write by one of the ways in."""
    kinds, systems, ids = ["item", "element"], ["xero", "crm", "erp"], [str(n) for n in range(1, 9)]
    hour = f"2026-01-0{random_.randint(1, 3)}T0{random_.randint(0, 9)}:30:00Z"

    def one(**more: object) -> dict[str, object]:
        given = {
            "entityType": random_.choice(kinds),
            "entityId": random_.choice(ids),
            "integration": random_.choice(systems),
        }
        for name, values in {
            "externalId": [None, *"ABCDEF"],
            "link": [None, None, "https://x.example"],
            "lastSyncedAt": [None, hour],
            "remoteUpdatedAt": [None, "2026-01-02T05:00:00Z"],
            "allowDuplicateExternalId": [False, True],
        }.items():
            given[name] = random_.choice(values)
        return {**given, **more}

    def chosen() -> dict[str, str]:
        return {"entityType": f"eq.{random_.choice(kinds)}", "entityId": f"in.({','.join(random_.sample(ids, 3))})"}

    ways = [
        lambda: client.post(MAPPINGS, json=one()),
        lambda: client.post(MAPPINGS, json=one(), params={"on_conflict": KEY}, headers=MERGE),
        lambda: client.post("/rpc/link_many", json={"mappings": [one() for _ in range(6)], "onConflict": "move"}),
        lambda: client.post("/rpc/link_many", json={"mappings": [one()]}, headers={"Prefer": "tx=rollback"}),
        lambda: client.post("/rpc/claim", json={k: one(externalId="G")[k] for k in (*KEY.split(","), "externalId")}),
        lambda: client.patch(MAPPINGS, params=chosen(), json={"lastSyncedAt": hour}),
        lambda: client.patch(MAPPINGS, params=chosen(), json={"externalId": None, "link": None}),
        # An entity becomes another one.
        lambda: client.patch(MAPPINGS, params=chosen(), json={"entityId": random_.choice(ids)}),
        lambda: client.patch(MAPPINGS, params=chosen(), json={"entityType": random_.choice(kinds)}),
        lambda: client.delete(MAPPINGS, params=chosen()),
        lambda: client.post("/rpc/unlink_many", json={"integration": "crm", "entityType": "item", "entityIds": ids}),
        lambda: client.post("/api/v2/elements", json={"id": int(random_.choice(ids)), "title": "E"}),
        lambda: client.delete(f"/api/v2/elements/{random_.choice(ids)}"),
    ]
    assert random_.choice(ways)().status_code < 500


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_written_by_whatever_way_the_counts_are_exact(client, acme, seed):
    chance = random.Random(seed)
    acme.has_system("crm", "https://crm.example", default=True)
    for _ in range(4):
        for _ in range(25):
            random_write(client, chance)
        require_exact(acme, client)


def test_writers_at_once_leave_exact_counts(client, acme):
    """All about the same few entities, in different systems, some of them rolled back."""

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with acme.client() as own:
            for _ in range(25):
                random_write(own, chance)
                acme.database.execute("select tieline.fold_counts(%s)", acme.id)

    with ThreadPoolExecutor(4) as clients:
        list(clients.map(write, range(10, 14)))
    require_exact(acme, client)


def test_a_writer_that_has_not_committed_keeps_nobody_waiting(client, acme, database):
    """Neither writers of the same entity nor those who add the counts up."""
    client.post(MAPPINGS, json=row("1", "crm", "A")).raise_for_status()
    with psycopg.connect(database.dsn) as open_ended:
        insert = """insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration) values (%s, 'item', '2', 'crm')"""
        open_ended.execute(insert, (acme.id,))
        with psycopg.connect(database.dsn, autocommit=True) as conn:
            conn.execute("set lock_timeout = '5s'")
            conn.execute(insert.replace("'crm'", "'erp'"), (acme.id,))
            conn.execute("select tieline.fold_counts(%s)", (acme.id,))
        assert [(one["integration"], one["known"]) for one in coverage(client)] == [("crm", 2), ("erp", 2)]
        open_ended.commit()
    require_exact(acme, client)


def test_many_rows_in_one_statement_are_added_up_when_they_commit(client, acme):
    rows = [row(str(n), "xero", f"x{n}") for n in range(1500)]
    client.post("/rpc/link_many", json={"mappings": rows}).raise_for_status()
    noted = 'select count(*) from tieline."mappingDelta" where "companyId" = %s'
    assert acme.database.execute(noted, acme.id) == [(0,)]
    require_exact(acme, client)


def test_a_company_is_counted_when_the_database_is_migrated_if_it_never_was(client, acme, database):
    from tieline.postgres.migrate import migrate  # noqa: PLC0415

    client.post(MAPPINGS, json=[row(str(n), "xero", f"x{n}") for n in range(5)]).raise_for_status()
    for table in ("mappingCount", "entityCount", "mappingDelta"):
        database.execute(f'delete from tieline."{table}" where "companyId" = %s', acme.id)
    database.execute('update tieline.company set "isCounted" = false where id = %s', acme.id)
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        migrate(conn)
    assert database.execute('select "isCounted" from tieline.company where id = %s', acme.id) == [(True,)]
    require_exact(acme, client)


def test_counting_a_company_anew_beside_its_writers_changes_nothing(client, acme):
    def write(seed: int) -> None:
        chance = random.Random(seed)
        with acme.client() as own:
            for _ in range(25):
                random_write(own, chance)

    def count() -> None:
        for _ in range(10):
            acme.database.execute("select tieline.recount(%s)", acme.id)

    with ThreadPoolExecutor(4) as clients:
        done = [clients.submit(write, seed) for seed in range(20, 23)] + [clients.submit(count)]
        for one in done:
            one.result()
    require_exact(acme, client)


@pytest.mark.parametrize("table", ["externalIntegrationMapping", "element"])
def test_a_table_that_is_emptied_as_a_whole_is_counted_anew(postgres, table):
    with new_database(postgres) as own:
        own.execute("insert into tieline.company (id, name) values ('acme', 'Acme')")
        own.execute("insert into tieline.element (\"companyId\", id, title) values ('acme', 1, 'x'), ('acme', 2, 'x')")
        own.execute(
            """insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)
            values ('acme', 'element', '2', 'crm'), ('acme', 'item', '1', 'crm')"""
        )
        own.execute("select tieline.fold_counts('acme')")
        own.execute(f'truncate tieline."{table}"')
        shown = own.execute("select \"entityType\", known from tieline.coverage('acme', null)")
        assert shown == ([] if table != "element" else [("element", 1), ("item", 1)])
        assert own.execute("select tieline.miscounted('acme')") == [(0,)]
        known = own.execute("select \"entityType\", known from tieline.known_now('acme') order by 1")
        assert known == ([("element", 2)] if table != "element" else [("element", 1), ("item", 1)])


def test_counts_go_with_their_company(acme, database):
    with acme.client() as client:
        client.post(MAPPINGS, json=row("1", "xero", "A")).raise_for_status()
        acme.has_element(5)
        coverage(client)
    database.execute("select tieline.fold_counts(%s)", acme.id)
    database.execute("delete from tieline.company where id = %s", acme.id)
    for table in ("mappingCount", "entityCount", "mappingDelta"):
        assert database.execute(f'select count(*) from tieline."{table}" where "companyId" = %s', acme.id) == [(0,)]


def test_the_answer_comes_by_get_by_a_form_as_csv_and_is_chosen_from(client):
    rows = [row(str(n), system, f"{system}{n}") for system in ("xero", "sage") for n in range(3)]
    client.post(MAPPINGS, json=rows[:5]).raise_for_status()
    by_post = coverage(client, entityType="item")
    assert client.get("/rpc/coverage", params={"entityType": "item"}).json() == by_post
    assert client.post("/rpc/coverage", data={"entityType": "item"}).json() == by_post
    params = {"select": "integration,share,n:freshness->>never", "share": "lt.1", "order": "share.desc", "limit": "1"}
    table = client.get("/rpc/coverage", params=params, headers={"Accept": "text/csv"})
    assert table.text == "integration,share,n\nsage,0.6666666666666666,2"
    assert client.get("/rpc/coverage", params={"integration": "eq.xero", "select": "known"}).json() == [{"known": 3}]


def test_a_key_that_reads_may_ask_and_hears_nothing_of_another_company(client, acme, other):
    client.post(MAPPINGS, json=row("1", "xero", "A")).raise_for_status()
    other.has_element(1)
    with other.client("api.read") as theirs:
        assert coverage(theirs) == []
    with acme.client("api.read") as reader:
        assert len(coverage(reader)) == 1
