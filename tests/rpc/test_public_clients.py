"""The public clients call the functions, without special code for them."""

import httpx
import pytest
from postgrest import SyncPostgrestClient
from postgrest.exceptions import APIError
from supabase import create_client
from supabase.lib.client_options import SyncClientOptions

ITEM = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}


@pytest.fixture
def postgrest(acme):
    headers = {"Authorization": f"Bearer {acme.keys['api.write']}"}
    with SyncPostgrestClient(acme.server.url, headers=headers) as client:
        yield client


def test_postgrest_calls_each_of_them(postgrest):
    made = postgrest.rpc("link_many", {"mappings": [ITEM, {**ITEM, "integration": "hubspot"}]}).execute()
    assert [r["outcome"] for r in made.data] == ["created", "created"]
    assert postgrest.rpc("claim", ITEM).execute().data["outcome"] == "existing"
    ids = {"integration": "xero", "externalIds": ["A", "x,y"]}
    assert [r["status"] for r in postgrest.rpc("resolve", ids).execute().data] == ["linked", "unknown"]
    located = postgrest.rpc("locate", {"integration": "xero", "entityType": "item", "entityIds": ["1"]}).execute()
    assert located.data[0]["externalId"] == "A"
    translated = postgrest.rpc("translate", {"from": "xero", "to": "hubspot", "externalIds": ["A"]}).execute()
    assert translated.data[0]["translations"][0]["externalId"] == "A"


def test_postgrest_asks_by_get_and_narrows_the_answer(postgrest):
    postgrest.rpc("claim", ITEM).execute()
    for ids in (["A", "x,y"], ["A"]):
        asked = postgrest.rpc("resolve", {"integration": "xero", "externalIds": ids}, get=True, count="exact")
        found = asked.eq("status", "linked").select("externalId", "entityId").execute()
        assert (found.data, found.count) == ([{"externalId": "A", "entityId": "1"}], 1)


def test_postgrest_asks_for_all_systems_and_for_what_is_missing(postgrest):
    postgrest.rpc("link_many", {"mappings": [ITEM, {**ITEM, "entityId": "{6F96}", "externalId": "B"}]}).execute()
    asked = {"entityType": "item", "entityIds": ["1", "{6F96}", "x,y"]}
    for get in (False, True):
        found = postgrest.rpc("crosswalk", asked, get=get).execute().data
        assert [(one["entityId"], one["status"]) for one in found] == [
            ("1", "linked"),
            ("{6F96}", "linked"),
            ("x,y", "unknown"),
        ]
    missing = postgrest.rpc("unlinked", {"entityType": "item", "integration": "erp"}, get=True).limit(1).execute()
    assert [one["entityId"] for one in missing.data] == ["1"]
    covered = postgrest.rpc("coverage", {}, get=True).eq("integration", "xero").execute().data
    assert [(one["entities"], one["known"]) for one in covered] == [(2, 2)]
    unlinked = postgrest.rpc("unlink_many", {"integration": "xero", "entityType": "item", "externalIds": ["A", "no"]})
    assert [one["outcome"] for one in unlinked.execute().data] == ["deleted", "unknown"]
    assert postgrest.rpc("whoami", {}, get=True).execute().data["scopes"] == ["api.read", "api.write"]


def test_postgrest_raises_what_is_refused(postgrest):
    with pytest.raises(APIError) as raised:
        postgrest.rpc("resolve", {"integration": "xero", "externalIds": [1]}).execute()
    assert raised.value.code == "22023"
    with pytest.raises(APIError) as raised:
        postgrest.rpc("link_many", {"mappings": [ITEM, {**ITEM, "entityId": "2"}], "atomic": True}).execute()
    assert raised.value.code == "23505"


@pytest.mark.filterwarnings("ignore:The '.*' parameter is deprecated:DeprecationWarning")
def test_supabase_calls_them_too(acme):
    with httpx.Client() as connections:
        options = SyncClientOptions(httpx_client=connections)
        client = create_client(acme.server.url, acme.keys["api.write"], options)
        assert client.rpc("claim", ITEM).execute().data["outcome"] == "created"
        found = client.rpc("resolve", {"integration": "xero", "externalIds": ["A"]}).execute()
        assert found.data[0]["entityId"] == "1"
