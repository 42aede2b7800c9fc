"""The answer to a request from the row, or the error, of its statement: status, headers and body."""

import json

import pytest

from tieline.dialect import answer, statement
from tieline.dialect.request.asked import Asked, ask
from tieline.dialect.statement import Limits, Statement
from tieline.problems import Problem

LIMITS = Limits(depth_max=9, page_rows_max=10)
MAPPING = "externalIntegrationMapping"
EXTERNAL_ID_KEY = "externalIntegrationMapping_externalId_key"
JSON = "application/json; charset=utf-8"
ROW = b'{"id": "m1", "integration": "crm"}'
VARY = "Accept, Prefer, Range"


def prepared(method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> Statement:
    path, _, query = target.partition("?")
    sent = [(name.encode(), value.encode()) for name, value in headers]
    made = statement.prepare(ask(method, path, query.encode(), sent, body), "c1", LIMITS)
    assert made is not None
    return made


def prefer(*wishes: str) -> tuple[str, str]:
    return ("prefer", ", ".join(wishes))


@pytest.mark.parametrize(
    ("made", "row", "status", "headers"),
    [
        (prepared("GET", MAPPING), (b"2", None, b"[...]"), 200, {"content-range": "0-1/*"}),
        (prepared("GET", f"{MAPPING}?offset=5"), (b"2", None, b"[...]"), 200, {"content-range": "5-6/*"}),
        (prepared("GET", f"{MAPPING}?offset=5&id=gt.a"), (b"0", None, b"[]"), 200, {"content-range": "*/*"}),
        (
            prepared("GET", MAPPING, prefer("count=exact", "tx=rollback")),
            (b"2", b"9", b"[...]"),
            206,
            {"content-range": "0-1/9", "preference-applied": "count=exact, tx=rollback"},
        ),
        (
            prepared("GET", MAPPING, prefer("count=exact")),
            (b"9", b"9", b"[...]"),
            200,
            {"content-range": "0-8/9", "preference-applied": "count=exact"},
        ),
    ],
)
def test_a_page_says_which_rows_of_how_many_it_has(made, row, status, headers):
    expected = {"content-type": JSON, "vary": VARY, **headers}
    found_status, found_headers, body = answer.of(made, row)
    assert (found_status, dict(found_headers), body) == (status, expected, row[2])


def test_the_answer_to_head_has_the_headers_of_get_and_no_body():
    made = prepared("HEAD", MAPPING, ("accept", "text/csv"))
    status, headers, body = answer.of(made, (b"2", None, None))
    assert (status, body) == (200, b"")
    assert dict(headers)["content-type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize("wanted", ["planned", "estimated"])
def test_a_count_that_need_not_be_exact_counts_up_to_its_limit_behind_the_page(wanted):
    made = prepared("GET", f"{MAPPING}?integration=eq.crm&offset=20", prefer(f"count={wanted}"))
    assert "explain" not in made.sql.text
    assert str(20 + LIMITS.counted_rows_max) in made.sql.parameters
    assert dict(answer.of(made, (b"3", b"23", b"[...]"))[1])["content-range"] == "20-22/23"


@pytest.mark.parametrize("rows", ["0", "2"])
def test_the_one_row_that_is_asked_for_has_to_be_one(rows):
    made = prepared("GET", MAPPING, ("accept", "application/vnd.pgrst.object+json"))
    with pytest.raises(Problem) as raised:
        answer.of(made, (rows.encode(), None, b"null"))
    assert (raised.value.status, raised.value.details) == (406, f"The result contains {rows} rows")
    assert answer.of(made, (b"1", None, b"{}"))[0] == 200


def insert(*wishes: str) -> Statement:
    return prepared("POST", MAPPING, prefer(*wishes), body=ROW)


def put(*wishes: str) -> Statement:
    return prepared("PUT", f"{MAPPING}?id=eq.m1", prefer(*wishes), body=ROW)


SHOWN = {"content-type": JSON, "vary": VARY, "preference-applied": "return=representation"}


@pytest.mark.parametrize(
    ("made", "row", "status", "headers", "body"),
    [
        (insert("tx=commit"), (b"1", None, None, b"1", b"m1"), 201, {"preference-applied": "tx=commit"}, b""),
        (
            insert("return=headers-only"),
            (b"1", None, None, b"1", b"m 1"),
            201,
            {"location": f"/{MAPPING}?id=eq.m%201", "preference-applied": "return=headers-only"},
            b"",
        ),
        (
            insert("return=headers-only"),
            (b"2", None, None, b"2", None),
            201,
            {"preference-applied": "return=headers-only"},
            b"",
        ),
        (insert("return=representation"), (b"1", b"[...]", None, b"1", b"m1"), 201, SHOWN, b"[...]"),
        (
            insert("resolution=merge-duplicates", "count=exact"),
            (b"1", None, None, b"0", b"m1"),
            200,
            {"content-range": "*/1", "preference-applied": "resolution=merge-duplicates, count=exact"},
            b"",
        ),
        (
            insert("resolution=merge-duplicates"),
            (b"2", None, None, b"1", None),
            201,
            {"preference-applied": "resolution=merge-duplicates"},
            b"",
        ),
    ],
)
def test_an_insert_answers_201_unless_it_only_merged(made, row, status, headers, body):
    found_status, found_headers, found_body = answer.of(made, row)
    assert (found_status, dict(found_headers), found_body) == (status, {"content-range": "*/*", **headers}, body)


@pytest.mark.parametrize(
    ("made", "row", "status", "headers"),
    [
        (put("return=representation"), (b"1", b"[...]", None, b"1", b"m1"), 201, SHOWN),
        (put("return=representation"), (b"1", b"[...]", None, b"0", b"m1"), 200, SHOWN),
        (put("return=minimal"), (b"1", None, None, b"1", b"m1"), 204, {"preference-applied": "return=minimal"}),
    ],
)
def test_a_put_answers_whether_it_made_the_row_if_the_row_is_shown(made, row, status, headers):
    found_status, found_headers, body = answer.of(made, row)
    assert (found_status, dict(found_headers), body) == (status, headers, row[1] or b"")


@pytest.mark.parametrize(
    ("method", "wish", "status", "content_range"),
    [
        ("PATCH", "return=representation", 200, "0-1/*"),
        ("PATCH", "return=minimal", 204, "0-1/*"),
        ("PATCH", "count=exact", 204, "0-1/2"),
        ("DELETE", "return=representation", 200, "*/*"),
        ("DELETE", "count=exact", 204, "*/2"),
    ],
)
def test_changes_and_deletions_count_their_rows(method, wish, status, content_range):
    made = prepared(method, f"{MAPPING}?id=eq.m1", prefer(wish), body=b'{"link": null}')
    found_status, headers, _ = answer.of(made, (b"2", b"[...]", None))
    assert (found_status, dict(headers)["content-range"]) == (status, content_range)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("", "OPTIONS,GET,HEAD"),
        ("company", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("rpc/resolve", "OPTIONS,GET,HEAD,POST"),
        ("rpc/claim", "OPTIONS,POST"),
    ],
)
def test_options_need_no_rows(path, allowed):
    asked = Asked("OPTIONS", path, "", statement.ask("GET", "", b"", [], b"").wishes)
    assert statement.prepare(asked, "c1", LIMITS) is None
    assert answer.fixed(asked, {"api.read"}, "1") == (200, [("allow", allowed)], b"")


@pytest.mark.parametrize("path", ["companies", "rpc/nope"])
def test_options_of_an_unknown_name_are_not_found(path):
    with pytest.raises(Problem) as raised:
        statement.prepare(ask("OPTIONS", path, b"", [], b""), "c1", LIMITS)
    assert raised.value.status == 404


def test_the_root_answers_the_description_to_those_who_take_json():
    for accept in ("", "*/*", "application/openapi+json", "text/html, application/json"):
        asked = ask("GET", "", b"", [(b"accept", accept.encode())], b"")
        assert statement.prepare(asked, "c1", LIMITS) is None
        status, headers, body = answer.fixed(asked, {"api.read"}, "1.2")
        assert (status, headers[0]) == (200, ("content-type", "application/openapi+json; charset=utf-8"))
        assert json.loads(body)["info"]["version"] == "1.2"
    with pytest.raises(Problem) as raised:
        answer.fixed(ask("GET", "", b"", [(b"accept", b"text/html")], b""), set(), "1")
    assert raised.value.status == 406


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "company/1", "PGRST125"),
        ("GET", "rpc/a/b", "PGRST125"),
        ("POST", "", "PGRST117"),
        ("TRACE", "company", "PGRST117"),
    ],
)
def test_a_path_or_a_method_that_no_request_can_have_needs_no_scope(method, path, code):
    with pytest.raises(Problem) as raised:
        statement.scope(method, path)
    assert raised.value.code == code


def test_a_function_that_writes_is_called_by_post_only():
    for method in ("GET", "HEAD", "PUT"):
        with pytest.raises(Problem) as raised:
            prepared(method, "rpc/claim")
        assert (raised.value.status, raised.value.code) == (405, "PGRST101")


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [([(b"accept-profile", b"other")], b"", "PGRST106"), ([], b"id=eq.\xff", "22021")],
)
def test_a_request_for_another_schema_or_in_other_bytes_than_utf_8_is_refused(headers, query, code):
    with pytest.raises(Problem) as raised:
        ask("GET", "company", query, headers, b"")
    assert raised.value.code == code


def test_of_a_header_that_is_sent_twice_the_first_counts_and_preferences_add_up():
    headers = [(b"accept", b"text/csv"), (b"accept", b"*/*"), (b"prefer", b"count=exact"), (b"prefer", b"tx=rollback")]
    asked = ask("GET", "company", b"", headers, b"")
    assert (asked.accept, asked.wishes.count, asked.wishes.transaction) == ("text/csv", "exact", "rollback")


def test_a_write_and_a_call_are_undone_by_tx_rollback_and_a_read_has_nothing_to_undo():
    assert insert("tx=rollback").is_undone
    assert not prepared("GET", MAPPING, prefer("tx=rollback")).is_undone


def refused(made: Statement, sqlstate: str, explained=None, **fields: str) -> Problem:
    given = [fields.get(name) for name in ("detail", "hint", "constraint")]
    return answer.problem(made, sqlstate, fields.get("message", "said"), *given, explained)


@pytest.mark.parametrize(
    ("sqlstate", "status", "code"),
    [
        ("TL115", 400, "PGRST115"),
        ("TL116", 406, "PGRST116"),
        ("TL124", 400, "PGRST124"),
        ("22P02", 400, "22P02"),
        ("23503", 409, "23503"),
        ("42501", 403, "42501"),
        ("0L000", 403, "0L000"),
        ("55P03", 503, "55P03"),
        ("XX000", 500, "XX000"),
        ("P0001", 400, "P0001"),
    ],
)
def test_an_error_of_postgresql_has_postgrest_s_status_and_the_server_s_own_faults_are_not_quoted(
    sqlstate, status, code
):
    problem = refused(insert(), sqlstate, message="secret")
    assert (problem.status, problem.code) == (status, code)
    assert (problem.message == "secret") == (status < 500 and not sqlstate.startswith("TL"))


@pytest.mark.parametrize(("holder", "hint"), [(b"m7", "It is held by the row whose id is m7"), (None, "as it was")])
def test_a_taken_key_is_told_with_its_values_and_its_holder(holder, hint):
    problem = refused(insert(), "23505", (b"crm, item, A", holder), constraint=EXTERNAL_ID_KEY, hint="as it was")
    assert problem.details == "Key (integration, entityType, externalId)=(crm, item, A) already exists."
    assert (problem.slug, problem.hint) == ("conflict", hint)


def test_rows_of_a_body_with_one_key_are_told_by_their_positions():
    problem = refused(insert(), "21000", (b"1", b"3"))
    assert problem.details == "Rows 1 and 3 of the body have the same key."


def test_an_error_without_an_explanation_keeps_postgresql_s_words():
    problem = refused(insert(), "23505", detail="what it says", hint="its hint")
    assert (problem.details, problem.hint) == ("what it says", "its hint")
