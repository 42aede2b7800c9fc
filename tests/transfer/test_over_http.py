"""Files in and out over HTTP."""

import csv
import gzip
import hashlib
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from workbooks import xlsx

from documents import ROOT
from tieline.transfer.load import BATCH_ROWS_MAX

EXAMPLES = ROOT / "examples" / "bioregistry"
CSV = {"content-type": "text/csv"}
NDJSON = {"content-type": "application/x-ndjson"}
HEADER = b"entityType,entityId,integration,externalId\n"
NAMES = HEADER.decode().strip().split(",")


def imported(client, what, content, headers=CSV, **parameters):
    answer = client.post(f"/import/{what}", content=content, headers=headers, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_real_crosswalk_lands_and_its_shared_ids_are_refused_by_name(client):
    counts = {}
    for what in ("systems", "elements", "mappings"):
        report = imported(client, what, (EXAMPLES / f"{what}.csv").read_bytes())
        counts[what] = report["created"]
    assert counts == {"systems": 33, "elements": 2937, "mappings": 7678}
    assert report["refused"] == 4
    first = report["refusals"][0]
    holder = first.pop("holder")
    assert first == {
        "line": 3303,
        "code": "23505",
        "reason": "The external id is held by element 1153 in wikidata.entity (see line 3284)",
        "duplicateOf": 3284,
    }
    assert (holder["entityId"], holder["externalId"]) == ("1153", "Q50018")
    again = imported(client, "mappings", (EXAMPLES / "mappings.csv").read_bytes())
    assert (again["created"], again["unchanged"], again["refused"]) == (0, 7678, 4)


@pytest.mark.parametrize(("accept", "headers"), [("text/csv", CSV), ("application/x-ndjson", NDJSON)])
def test_an_import_of_an_export_changes_nothing(client, new_company, accept, headers):
    rows = b"".join(b"item,%d,xero,00%d/a \xc3\xa9\n" % (n, n) for n in range(2500))
    assert imported(client, "mappings", HEADER + rows)["created"] == 2500
    exported = client.get("/export/mappings", headers={"accept": accept})
    assert exported.headers["content-type"].startswith(accept)
    with new_company().client() as theirs:
        assert imported(theirs, "mappings", exported.content, headers)["created"] == 2500
        back = theirs.get("/export/mappings", headers={"accept": accept})
    assert hashlib.sha256(back.content).digest() == hashlib.sha256(exported.content).digest()


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.mark.parametrize(
    ("content", "media_type", "parameters"),
    [
        (HEADER.replace(b",", b";") + b"item;1;xero;007\n", "text/csv; charset=utf-8", {}),
        (HEADER.replace(b",", b"\t") + b"item\t1\txero\t007\n", "text/tab-separated-values", {}),
        (gzip.compress(HEADER + b"item,1,xero,007\n", mtime=0), "text/csv", {}),
        (
            b"sep=;\r\n" + HEADER.replace(b",", b";") + b'item;1;xero;"=""007"""\n',
            "text/csv",
            {"format": "spreadsheet"},
        ),
        (HEADER + b"item,1,xero,007\n", "application/octet-stream", {"format": "csv"}),
        (xlsx(NAMES, ("item", 1, "xero", "007")), XLSX, {}),
        (
            xlsx(("Notes",), sheets=[("Ids", "visible", [NAMES, ("item", 1, "xero", "007")])]),
            "application/octet-stream",
            {"format": "xlsx", "sheet": "Ids"},
        ),
    ],
)
def test_every_format_comes_in(client, content, media_type, parameters):
    report = imported(client, "mappings", content, {"content-type": media_type}, **parameters)
    assert (report["created"], report["refusals"]) == (1, [])
    assert client.get("/externalIntegrationMapping?select=entityId,externalId").json() == [
        {"entityId": "1", "externalId": "007"}
    ]


@pytest.mark.parametrize(
    ("headers", "parameters", "media_type", "text", "name"),
    [
        ({"accept": "text/tab-separated-values"}, {}, "text/tab-separated-values; charset=utf-8", "\t007\t", "m.tsv"),
        ({"accept": "text/html"}, {"format": "tsv"}, "text/tab-separated-values; charset=utf-8", "\t007\t", "m.tsv"),
        ({}, {"format": "spreadsheet"}, "text/csv; charset=utf-8", ',"=""007""",', "m.csv"),
        ({}, {"format": "ndjson"}, "application/x-ndjson", '"externalId":"007"', "m.ndjson"),
        ({}, {}, "text/csv; charset=utf-8", ",007,", "m.csv"),
    ],
)
def test_text_goes_out_by_accept_or_by_format(client, headers, parameters, media_type, text, name):
    imported(client, "mappings", HEADER + b"item,1,xero,007\n")
    answer = client.get("/export/mappings", headers=headers, params=parameters)
    assert answer.headers["content-type"] == media_type
    assert text in answer.text
    assert answer.headers["content-disposition"].endswith(f'{name.replace("m.", "mappings.")}"')


def test_the_formats_that_there_are_are_named(client):
    wrong = client.post("/import/mappings", content=HEADER, headers={"content-type": "application/json"})
    assert (wrong.status_code, "?format=csv, tsv, ndjson, spreadsheet, xlsx or ods" in wrong.text) == (415, True)
    unknown = client.post("/import/mappings?format=xls", content=HEADER)
    assert (unknown.status_code, "format must be csv, tsv, ndjson, spreadsheet, xlsx or ods." in unknown.text) == (
        400,
        True,
    )
    written = client.get("/export/mappings?format=xlsx")
    assert (written.status_code, "format must be csv, tsv, ndjson or spreadsheet." in written.text) == (400, True)


@pytest.mark.parametrize(
    ("query", "entities"),
    [
        ("integration=eq.sap", "2"),
        ("integration=eq.sap&entityId=eq.1", ""),
        ("externalId=is.null", "3"),
        ("or=(entityId.eq.1,entityId.eq.3)&format=csv", "13"),
        ("metadata->>kind=eq.a%2Cb", "1"),
        ("entityId=in.(1,2)&createdAt=gt.2020-01-01", "12"),
        ("externalId=like.*0*", "12"),
        ("format=csv&not.and=(integration.eq.xero,externalId.not.is.null)", "23"),
        ("externalId=eq.$2", ""),
        ("externalId=eq.'; drop table x; --%25s", ""),
    ],
)
def test_filters_choose_what_is_exported(client, query, entities):
    rows = b'item,1,xero,010,"{""kind"": ""a,b""}"\nitem,2,sap,020,\nitem,3,xero,,\n'
    imported(client, "mappings", HEADER.replace(b"\n", b",metadata\n") + rows)
    answer = client.get(f"/export/mappings?{query}")
    assert answer.status_code == 200, answer.text
    assert "".join(row["entityId"] for row in csv.DictReader(io.StringIO(answer.text))) == entities


def test_filters_choose_systems_too(client):
    imported(client, "systems", b"integration,active\nxero,true\nsap,false\n")
    lines = client.get("/export/systems?active=is.true&format=ndjson").text.splitlines()
    assert [json.loads(line)["integration"] for line in lines] == ["xero"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("mappings?limit=1", "An export takes filters alone, such as integration=eq.xero"),
        ("mappings?select=id", "An export takes filters alone"),
        ("mappings?order=id", "An export takes filters alone"),
        ("mappings?company.id=eq.1", "An export takes filters alone"),
        ("mappings?externalId=match.(a*)*b", "An export does not take the operator match"),
        ("mappings?or=(externalId.fts.a,id.eq.1)", "An export does not take the operator fts"),
        ("mappings?integratio=eq.x", "integratio"),
        ("mappings?integration", "'integration' is no filter; one is column=operator.value."),
        ("mappings?format=csv&externalId", "'externalId' is no filter; one is column=operator.value."),
        ("systems?active", "'active' is no filter; one is column=operator.value."),
        ("mappings?integration=xero", "failed to parse filter (xero)"),
        ("mappings?createdAt=gt.yesterday-ish", "invalid input syntax for type timestamp"),
        ("mappings?format=csv&format=tsv", "format is given twice."),
        ("mappings?integration=eq.%FF", "invalid byte sequence"),
        ("elements?id=eq.1", "An export of elements takes no filters"),
    ],
)
def test_other_parameters_of_an_export_are_refused_with_what_can_be_chosen(client, path, said):
    answer = client.get(f"/export/{path}")
    assert (answer.status_code, said in answer.text) == (400, True), answer.text


def test_an_export_has_no_page_limit_and_nothing_of_another_company(client, other):
    with other.client() as theirs:
        imported(theirs, "mappings", HEADER + b"item,theirs,xero,secret\n")
    imported(client, "mappings", HEADER + b"".join(b"item,%d,xero,%d\n" % (n, n) for n in range(3000)))
    lines = client.get("/export/mappings", headers={"accept": "text/csv"}).text.splitlines()
    assert len(lines) == 3001
    assert not any("secret" in line for line in lines)


def test_an_import_is_in_the_history_with_its_key_and_request(client, acme):
    client.post(
        "/import/mappings",
        content=HEADER + b"item,1,xero,007\n",
        headers={**CSV, "x-request-id": "nightly-run-7"},
    ).raise_for_status()
    changed = acme.database.execute(
        'select actor like %s, "requestId" from tieline."mappingChange" where "companyId" = %s', "key_%", acme.id
    )
    assert changed == [(True, "nightly-run-7")]


def test_a_dry_run_reports_and_changes_nothing(client):
    report = imported(client, "mappings", HEADER + b"item,1,xero,007\n", dryRun="true")
    assert (report["created"], report["dryRun"]) == (1, True)
    assert client.get("/externalIntegrationMapping").json() == []


@pytest.mark.parametrize(("on_conflict", "holder"), [("report", "1"), ("skip", "1"), ("move", "2")])
def test_a_held_id_stays_or_moves_as_asked(client, on_conflict, holder):
    imported(client, "mappings", HEADER + b"item,1,xero,007\n")
    imported(client, "mappings", HEADER + b"item,2,xero,007\n", onConflict=on_conflict)
    held = client.get("/externalIntegrationMapping?externalId=eq.007&select=entityId").json()
    assert held == [{"entityId": holder}]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/import/mappings", {"content-type": "application/json"}, 415),
        ("POST", "/import/mappings", {}, 415),
        ("POST", "/import/nothing", CSV, 404),
        ("POST", "/import/mappings?onConflict=steal", CSV, 400),
        ("POST", "/import/mappings?dryRun=perhaps", CSV, 400),
        ("POST", "/import/mappings?unknown=1", CSV, 400),
        ("GET", "/export/nothing", {}, 404),
        ("GET", "/export/mappings", {"accept": "image/png"}, 406),
        ("GET", "/export/mappings?limit=1", {}, 400),
        ("GET", "/import/mappings", {}, 405),
    ],
)
def test_a_transfer_that_is_asked_for_wrongly_is_refused(client, method, path, headers, status):
    content = HEADER if method == "POST" else None
    assert client.request(method, path, headers=headers, content=content).status_code == status


@pytest.mark.parametrize("content", [b"", b"nothing,of,these\n1,2,3\n", b"\xff\xfe", b"entityType,entityType\n"])
def test_a_file_that_cannot_be_read_at_all_is_a_bad_request_and_lands_nothing(client, content):
    answer = client.post("/import/mappings", content=content, headers=CSV)
    assert answer.status_code == 400
    assert client.get("/externalIntegrationMapping").json() == []


def test_a_file_that_breaks_off_lands_up_to_there(client):
    report = imported(client, "mappings", HEADER + b'item,1,xero,007\nitem,2,xero,"00')
    assert (report["created"], report["refused"], report["refusals"][0]["line"]) == (1, 1, 3)


def test_a_body_that_is_cut_off_lands_nothing(client, acme):
    def half():
        yield HEADER + b"item,1,xero,007\n"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        client.post("/import/mappings", content=half(), headers=CSV)
    time.sleep(0.3)
    with acme.client() as again:
        assert again.get("/externalIntegrationMapping").json() == []


def test_an_import_that_is_stopped_says_what_landed_and_from_which_line_it_stopped(client, acme):
    imported(client, "mappings", HEADER + b"item,held,xero,held\n")
    rows = [*(b"item,%d,xero,%d\n" % (n, n) for n in range(BATCH_ROWS_MAX - 1)), b"item,,xero,1\n"]
    later = [b"item,held,xero,changed\n", b"item,later,xero,later\n"]
    with psycopg.connect(acme.database.dsn) as holder, ThreadPoolExecutor(1) as thread:
        holder.execute('select from tieline."externalIntegrationMapping" where "externalId" = %s for update', ("held",))
        sent = thread.submit(client.post, "/import/mappings", content=HEADER + b"".join(rows + later), headers=CSV)
        end_who_waits(acme.database)
        answer = sent.result()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    told = answer.json()
    assert told["message"] == f"The import stopped at line {BATCH_ROWS_MAX + 2}."
    counts = [told[name] for name in ("created", "updated", "unchanged", "skipped", "refused", "stoppedAtLine")]
    assert counts == [BATCH_ROWS_MAX - 1, 0, 0, 0, 1, BATCH_ROWS_MAX + 2]
    assert [refusal["line"] for refusal in told["refusals"]] == [BATCH_ROWS_MAX + 1]
    rest = imported(client, "mappings", HEADER + b"".join(later))
    assert (rest["created"], rest["updated"], rest["refused"]) == (1, 1, 0)


def end_who_waits(database):
    """End the connection that waits for a row, once there is one."""
    ending = """select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'"""
    until = time.monotonic() + 30
    while not database.execute(ending):
        assert time.monotonic() < until, "nobody waited"
        time.sleep(0.05)


def test_only_keys_of_api_admin_may_import_and_export(acme):
    with acme.client("api.write") as writer:
        assert writer.post("/import/mappings", content=HEADER, headers=CSV).status_code == 403
        assert writer.get("/export/mappings").status_code == 403


def test_a_reader_that_leaves_ends_the_export_and_others_go_on(client, acme):
    imported(client, "mappings", HEADER + b"".join(b"item,%d,xero,%d\n" % (n, n) for n in range(20_000)))
    for _ in range(5):
        with acme.client() as leaving, leaving.stream("GET", "/export/mappings") as answer:
            assert next(answer.iter_bytes())
    until = time.monotonic() + 20
    while (answer := client.get("/export/mappings")).status_code == 503 and time.monotonic() < until:
        time.sleep(0.1)
    assert len(answer.text.splitlines()) == 20_001


def test_head_gives_the_media_type_of_an_export(client):
    answer = client.head("/export/mappings", headers={"accept": "application/x-ndjson"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.content == b""


def test_more_transfers_at_a_time_than_the_setting_get_a_503(acme, client):
    imported(client, "mappings", HEADER + b"".join(b"item,%d,xero,%d\n" % (n, n) for n in range(60_000)))
    opened = [acme.client() for _ in range(3)]
    statuses = []
    streams = []
    try:
        for one in opened:
            request = one.build_request("GET", "/export/mappings")
            streams.append(one.send(request, stream=True))
            statuses.append(streams[-1].status_code)
        assert statuses == [200, 200, 503]
        assert streams[-1].headers["retry-after"]
    finally:
        for stream in streams:
            stream.close()
        for one in opened:
            one.close()
