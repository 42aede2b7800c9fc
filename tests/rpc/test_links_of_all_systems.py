"""crosswalk answers, for each id, the links in all systems at once, and how fresh each of them is."""

from datetime import UTC, datetime, timedelta

import pytest

MAPPINGS = "/externalIntegrationMapping"
SHARED = {"allowDuplicateExternalId": True}


def row(entity_id: str, integration: str, external_id: str | None, **more: object) -> dict[str, object]:
    return {
        "entityType": "item",
        "entityId": entity_id,
        "integration": integration,
        "externalId": external_id,
        **more,
    }


@pytest.fixture
def linked(client, acme):
    acme.has_system("hubspot", template="https://hubspot.example/{externalId}")
    acme.has_system("old", active=False)
    acme.has_element(7)
    rows = [
        *(row("1", "xero", "A"), row("1", "hubspot", "h/1"), row("1", "old", "o", link="https://old.example/1")),
        *(row("2", "xero", None), row("3", "xero", "S", **SHARED), row("4", "xero", "S", **SHARED)),
        *(row("1", "xero", "A", entityType="vendor"), row("7", "hubspot", None, entityType="element")),
    ]
    for one in rows:
        client.post(MAPPINGS, json=one).raise_for_status()
    return client


def call(client, params: dict[str, str] | None = None, **arguments: object) -> list[dict]:
    answer = client.post("/rpc/crosswalk", json=arguments, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_entity_is_answered_with_all_its_systems(linked):
    (answer,) = call(linked, entityType="item", entityIds=["1"])
    mappings = linked.get(MAPPINGS, params={"entityType": "eq.item", "entityId": "eq.1"}).json()
    ids = {m["integration"]: m["id"] for m in mappings}
    assert answer == {
        "externalId": None,
        "entityType": "item",
        "entityId": "1",
        "status": "linked",
        "links": {
            "xero": {
                "externalId": "A",
                "link": None,
                "mappingId": ids["xero"],
                "isCurrent": False,
                "freshness": "never",
            },
            "hubspot": {
                "externalId": "h/1",
                "link": "https://hubspot.example/h%2F1",
                "mappingId": ids["hubspot"],
                "isCurrent": True,
                "freshness": "never",
            },
            "old": {
                "externalId": "o",
                "link": "https://old.example/1",
                "mappingId": ids["old"],
                "isCurrent": False,
                "freshness": "never",
            },
        },
        "candidates": [],
    }


def test_entities_are_answered_in_the_order_asked_and_twice_if_asked_twice(linked):
    answers = call(linked, entityType="item", entityIds=["2", "no", "1", "2", "1"])
    assert [(a["entityId"], a["status"], len(a["links"])) for a in answers] == [
        *(("2", "unlinked", 0), ("no", "unknown", 0), ("1", "linked", 3), ("2", "unlinked", 0), ("1", "linked", 3)),
    ]


def test_an_entity_without_a_link_is_known_if_it_has_an_emptied_mapping_or_is_registered(linked, acme):
    acme.has_element(8)
    answers = call(linked, entityType="element", entityIds=["7", "8", "9", "08"])
    assert [(a["entityId"], a["status"]) for a in answers] == [
        *(("7", "unlinked"), ("8", "unlinked"), ("9", "unknown"), ("08", "unknown")),
    ]
    assert call(linked, entityType="item", entityIds=["8"])[0]["status"] == "unknown"


def test_external_ids_are_answered_with_all_systems_of_their_entities(linked):
    answers = call(linked, integration="xero", entityType="item", externalIds=["no", "A", "S"])
    assert [(a["externalId"], a["entityType"], a["entityId"], a["status"]) for a in answers] == [
        ("no", None, None, "unknown"),
        ("A", "item", "1", "linked"),
        ("S", None, None, "ambiguous"),
    ]
    assert set(answers[1]["links"]) == {"xero", "hubspot", "old"}
    assert (answers[0]["links"], answers[2]["links"]) == ({}, {})
    assert [c["entityId"] for c in answers[2]["candidates"]] == ["3", "4"]
    # Without a type, A is the item's and the vendor's.
    assert call(linked, integration="xero", externalIds=["A"])[0]["status"] == "ambiguous"
    assert call(linked, integration="xero", entityType="vendor", externalIds=["A"])[0]["entityType"] == "vendor"


def test_a_mapping_is_never_synced_newer_over_there_old_or_current(client, acme, database):
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    times = {
        "never": (None, now),
        "remoteNewer": (now - hour, now),
        "old": (now - hour, now - 2 * hour),
        "current": (now, now),
    }
    acme.has_system("slow")
    database.execute('update tieline."externalSystem" set "staleAfterSeconds" = 1800 where "companyId" = %s', acme.id)
    for name, (synced, remote) in times.items():
        stamps = {"lastSyncedAt": synced and synced.isoformat(), "remoteUpdatedAt": remote.isoformat()}
        for integration in ("slow", "other"):
            client.post(MAPPINGS, json=row(name, integration, name, **stamps)).raise_for_status()
    answers = call(client, entityType="item", entityIds=list(times))
    assert [a["links"]["slow"]["freshness"] for a in answers] == list(times)
    # A system that does not say when its mappings grow old has no old ones.
    assert [a["links"]["other"]["freshness"] for a in answers] == ["never", "remoteNewer", "current", "current"]


def test_the_answer_comes_by_get_by_a_form_and_as_csv(linked):
    by_post = call(linked, entityType="item", entityIds=["1", "no"])
    for ids in (["1", "no"], "{1,no}", '["1","no"]'):
        params = {"entityType": "item", "entityIds": ids}
        assert linked.get("/rpc/crosswalk", params=params).json() == by_post
    assert linked.post("/rpc/crosswalk", data={"entityType": "item", "entityIds": "{1,no}"}).json() == by_post
    params = {"integration": "xero", "externalIds": '{A,"{6F96}"}', "select": "externalId,status"}
    table = linked.get("/rpc/crosswalk", params=params, headers={"Accept": "text/csv"})
    assert table.text == "externalId,status\nA,ambiguous\n{6F96},unknown"


@pytest.mark.parametrize(
    "asked", ['"entityType": "item", "entityIds"', '"integration": "xero", "entityType": "item", "externalIds"']
)
def test_an_id_that_cannot_be_stored_spoils_no_other(linked, asked):
    body = "{" + asked + ': ["a\\u0000b", "no", "\\ud800"]}'
    answer = linked.post("/rpc/crosswalk", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert [one["status"] for one in answer.json()] == ["invalid", "unknown", "invalid"]
    assert [one["problem"] is None for one in answer.json()] == [False, True, False]


def test_the_answer_is_selected_filtered_ordered_and_limited(linked):
    params = {"select": "entityId,x:links->xero->>externalId", "status": "eq.linked", "order": "entityId.desc"}
    assert call(linked, {**params, "limit": "1"}, entityType="item", entityIds=["1", "3", "no"]) == [
        {"entityId": "3", "x": "S"}
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"entityType": "item"},
        {"entityIds": ["1"]},
        {"integration": "xero", "entityIds": ["1"]},
        {"integration": "xero", "entityType": "item", "entityIds": ["1"], "externalIds": ["A"]},
        {"integration": "xero", "externalIds": None},
    ],
)
def test_one_of_the_two_sets_of_arguments_must_be_whole(client, arguments):
    answer = client.post("/rpc/crosswalk", json=arguments)
    assert (answer.status_code, answer.json()["code"]) == (404, "PGRST202")
    assert answer.json()["hint"] == ("crosswalk takes entityType, entityIds; or integration, externalIds (entityType).")


@pytest.mark.parametrize("how", ["one entity again and again", "its external id again and again", "many systems"])
def test_more_than_an_answer_may_have_is_refused_before_it_is_made(client, acme, how):
    acme.database.execute(
        """insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration, "externalId", link)
        select %s, 'item', '1', 'system ' || n, 'x', 'https://x.example/' || repeat('x', 2000)
        from generate_series(1, %s) n""",
        *(acme.id, 4500 if how == "many systems" else 10),
    )
    ids = ["1"] * (1 if how == "many systems" else 1000)
    arguments = {"entityType": "item", "entityIds": ids}
    if "external" in how:
        arguments = {"integration": "system 1", "externalIds": ["x"] * len(ids)}
    answer = client.post("/rpc/crosswalk", json=arguments, params={"select": "status"})
    assert (answer.status_code, answer.json()["code"]) == (413, "54000"), answer.text
    assert "answer_bytes_max" in answer.json()["message"]


def test_nothing_of_another_company_is_answered(linked, other):
    with other.client() as theirs:
        assert call(theirs, entityType="item", entityIds=["1"])[0]["status"] == "unknown"
        assert call(theirs, entityType="element", entityIds=["7"])[0]["status"] == "unknown"
        assert call(theirs, integration="xero", externalIds=["A", "S"])[1]["candidates"] == []
        theirs.post(MAPPINGS, json=row("1", "hubspot", "h/1")).raise_for_status()
        (answer,) = call(theirs, entityType="item", entityIds=["1"])
    # Their template and their settings of the system do not count.
    assert answer["links"]["hubspot"]["link"] is None
    assert list(answer["links"]) == ["hubspot"]
