"""The public clients, unmodified, against a running server."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from postgrest import AsyncPostgrestClient, CountMethod, ReturnMethod, SyncPostgrestClient
from postgrest.exceptions import APIError
from supabase import create_client
from supabase.lib.client_options import SyncClientOptions

JS = Path(__file__).parent / "js"
NODE = shutil.which("node")
NPM = shutil.which("npm")
SECONDS_MAX = 300
TABLE = "externalIntegrationMapping"


def row(n: int, **more: object) -> dict[str, object]:
    return {
        "id": f"py{n}",
        "entityType": "item",
        "entityId": str(n),
        "integration": "xero",
        "externalId": f"X {n}, ({n})",
        "metadata": {"n": n, "tags": [f"t{n}"], "text": f"fox {n}"},
        **more,
    }


ROWS = [row(n) for n in range(1, 6)]

FILTERS = {
    "eq": (lambda q: q.eq("externalId", "X 2, (2)"), [2]),
    "neq": (lambda q: q.neq("id", "py1"), [2, 3, 4, 5]),
    "gt and lte": (lambda q: q.gt("id", "py1").lte("id", "py3"), [2, 3]),
    "gte and lt": (lambda q: q.gte("id", "py2").lt("id", "py3"), [2]),
    "like": (lambda q: q.like("externalId", "X 3%"), [3]),
    "ilike": (lambda q: q.ilike("externalId", "x 3%"), [3]),
    "is null": (lambda q: q.is_("link", "null").limit(2), [1, 2]),
    "is true": (lambda q: q.is_("allowDuplicateExternalId", "true"), []),
    "in": (lambda q: q.in_("externalId", ["X 1, (1)", "X 5, (5)"]), [1, 5]),
    "contains": (lambda q: q.contains("metadata", {"n": 4}), [4]),
    "contained by": (lambda q: q.contained_by("metadata", {"n": 4, "tags": ["t4"], "text": "fox 4", "more": 1}), [4]),
    "full text": (lambda q: q.fts("metadata->>text", "fox & 3"), [3]),
    "match": (lambda q: q.match({"entityType": "item", "entityId": "5"}), [5]),
    "not": (lambda q: q.not_.in_("id", ["py1", "py2", "py3"]), [4, 5]),
    "or": (lambda q: q.or_('id.eq.py1,and(id.gt.py3,externalId.neq."X 4, (4)")'), [1, 5]),
}


@pytest.fixture(params=["", "/rest/v1"], ids=["at the root", "at /rest/v1"])
def postgrest(acme, request):
    headers = {"Authorization": f"Bearer {acme.keys['api.write']}"}
    with SyncPostgrestClient(acme.server.url + request.param, headers=headers) as client:
        client.from_(TABLE).insert(ROWS, returning=ReturnMethod.minimal).execute()
        yield client


@pytest.mark.parametrize("name", FILTERS)
def test_postgrest_filters(postgrest, name):
    narrow, expected = FILTERS[name]
    found = narrow(postgrest.from_(TABLE).select("id").order("id")).execute()
    assert [r["id"] for r in found.data] == [f"py{n}" for n in expected]


def test_postgrest_orders_pages_and_counts(postgrest):
    query = postgrest.from_(TABLE).select("id", count=CountMethod.exact).order("entityType", nullsfirst=True)
    found = query.order("id", desc=True).range(1, 2).execute()
    assert ([r["id"] for r in found.data], found.count) == (["py4", "py3"], 5)
    assert postgrest.from_(TABLE).select("*", count=CountMethod.exact, head=True).execute().count == 5


def test_postgrest_takes_one_row_or_none(postgrest):
    assert postgrest.from_(TABLE).select("id").eq("id", "py1").single().execute().data == {"id": "py1"}
    assert postgrest.from_(TABLE).select("id").eq("id", "nobody").maybe_single().execute() is None
    with pytest.raises(APIError) as raised:
        postgrest.from_(TABLE).select("id").single().execute()
    assert raised.value.code == "PGRST116"


def test_postgrest_reads_csv_and_embedded_resources(postgrest, acme):
    assert postgrest.from_(TABLE).select("id,externalId").eq("id", "py1").csv().execute().data == (
        'id,externalId\npy1,"X 1, (1)"'
    )
    found = postgrest.from_(TABLE).select("key:id, n:metadata->n, company!inner(id)").eq("id", "py2").execute()
    assert found.data == [{"key": "py2", "n": 2, "company": {"id": acme.id}}]


def test_postgrest_writes(postgrest):
    table = postgrest.from_(TABLE)
    assert table.insert(row(9)).execute().data[0]["id"] == "py9"
    merged = table.upsert(row(9, externalId="new"), on_conflict="entityType,entityId,integration").execute()
    assert merged.data[0]["externalId"] == "new"
    assert table.upsert(row(9), ignore_duplicates=True, on_conflict="id").execute().data == []
    few = {"id": "py11", "entityType": "item", "entityId": "11", "integration": "xero"}
    made = table.insert([row(10), few], default_to_null=False).execute()
    assert made.data[1]["allowDuplicateExternalId"] is False
    changed = table.update({"link": "https://x.example"}, count=CountMethod.exact).eq("id", "py9").execute()
    assert (changed.count, changed.data[0]["link"]) == (1, "https://x.example")
    removed = table.delete().in_("id", ["py9", "py10", "py11"]).execute()
    assert {r["id"] for r in removed.data} == {"py9", "py10", "py11"}


def test_postgrest_raises_errors_with_their_parts(postgrest):
    with pytest.raises(APIError) as raised:
        postgrest.from_(TABLE).insert(row(1)).execute()
    assert raised.value.code == "23505"
    assert raised.value.hint.endswith("py1")
    with pytest.raises(APIError) as raised:
        postgrest.rpc("no_such_function", {"a": 1}).execute()
    assert raised.value.code == "PGRST202"


@pytest.mark.parametrize("name", ["eq", "in", "or"])
def test_postgrest_asynchronously(postgrest, acme, name):
    narrow, expected = FILTERS[name]

    async def found() -> list[str]:
        headers = {"Authorization": f"Bearer {acme.keys['api.read']}"}
        async with AsyncPostgrestClient(acme.server.url, headers=headers) as client:
            answer = await narrow(client.from_(TABLE).select("id").order("id")).execute()
        return [r["id"] for r in answer.data]

    assert asyncio.run(found()) == [f"py{n}" for n in expected]


# supabase calls its own postgrest with parameters that postgrest deprecates.
@pytest.mark.filterwarnings("ignore:The '.*' parameter is deprecated:DeprecationWarning")
def test_supabase_with_its_own_paths_and_headers(acme):
    with httpx.Client() as connections:
        options = SyncClientOptions(httpx_client=connections)
        client = create_client(acme.server.url, acme.keys["api.write"], options)
        assert client.table(TABLE).insert(ROWS).execute().data[0]["companyId"] == acme.id
        found = client.table(TABLE).select("id").eq("entityType", "item").order("id").limit(2).execute()
        assert [r["id"] for r in found.data] == ["py1", "py2"]
        counted = client.table("company").select("id, externalIntegrationMapping(count())").execute()
        assert counted.data == [{"id": acme.id, "externalIntegrationMapping": [{"count": 5}]}]


@pytest.mark.skipif(NODE is None or NPM is None, reason="node is not installed")
def test_the_npm_client(acme, tmp_path):
    for name in ("package.json", "package-lock.json", "client.test.mjs"):
        shutil.copy(JS / name, tmp_path)
    install = [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=SECONDS_MAX)
    environment = {**os.environ, "TIELINE_URL": acme.server.url, "TIELINE_KEY": acme.keys["api.write"]}
    done = subprocess.run(
        [str(NODE), "--test", "client.test.mjs"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
