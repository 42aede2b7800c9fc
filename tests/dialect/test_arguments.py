"""Arguments of functions: how they are written, and which ones are refused."""

import json

import pytest

from tieline.dialect.request.asked import Asked
from tieline.dialect.request.prefer import NONE
from tieline.dialect.statement import Limits, Statement, prepare
from tieline.problems import Problem

LIMITS = Limits(depth_max=9, page_rows_max=10, batch_rows_max=3)
ROW = {"entityType": "item", "entityId": "1", "integration": "crm"}


def get(function: str, query: str) -> Statement:
    return prepare(Asked("GET", f"rpc/{function}", query, NONE), "c1", LIMITS)


def post(function: str, arguments: object, accept: str | None = None) -> Statement:
    body = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
    return prepare(Asked("POST", f"rpc/{function}", "", NONE, accept, body=body), "c1", LIMITS)


def taken(made: Statement) -> dict[str, object]:
    return json.loads(made.arguments)


@pytest.mark.parametrize(
    ("written", "elements"),
    [
        ("externalIds={a,b}", ["a", "b"]),
        ("externalIds={}", []),
        ('externalIds={"a,\\"b" , c}', ['a,"b', "c"]),
        ('externalIds=["a","b"]', ["a", "b"]),
        ("externalIds=[a", ["[a"]),
        ("externalIds=a&externalIds={b}", ["a", "{b}"]),
    ],
)
def test_an_array_in_the_query_is_postgresql_s_text_json_or_one_parameter_for_each_element(written, elements):
    assert taken(get("resolve", f"integration=crm&{written}")) == {"integration": "crm", "externalIds": elements}


@pytest.mark.parametrize("written", ["{a", '{"a"b}', '{"a}', "{a,,b}", "{{a}}"])
def test_half_an_array_is_refused(written):
    with pytest.raises(Problem) as raised:
        get("resolve", f"integration=crm&externalIds={written}")
    assert raised.value.message == f"externalIds: this is not an array: {written}"


def test_a_number_in_an_array_is_refused_with_its_place():
    said = "externalIds[1]: expected a string, got a number: its digits may be lost on the way"
    for call in (lambda: get("resolve", 'integration=crm&externalIds=["a",1]'),
                 lambda: post("resolve", {"integration": "crm", "externalIds": ["a", 1]})):  # fmt: skip
        with pytest.raises(Problem) as raised:
            call()
        assert raised.value.message == said


@pytest.mark.parametrize(
    ("function", "arguments", "code"),
    [
        ("resolve", {"integration": "", "externalIds": []}, "22023"),
        ("resolve", {"integration": "crm", "externalIds": ["a", "b", "c", "d"]}, "54000"),
        ("resolve", b'{"integration": "crm", "externalIds": ["\xff"]}', "PGRST102"),
        ("resolve", b'{"integration": "\\ud800", "externalIds": []}', "22023"),
        ("link_many", {"mappings": [ROW] * 4}, "54000"),
        ("link_many", {"mappings": {}}, "22023"),
        ("link_many", {"mappings": [], "onConflict": "steal"}, "22023"),
        ("link_many", {"mappings": [], "atomic": "maybe"}, "22023"),
    ],
)
def test_arguments_that_do_not_fit_their_types_are_refused(function, arguments, code):
    with pytest.raises(Problem) as raised:
        post(function, arguments)
    assert raised.value.code == code


def test_an_argument_that_may_be_left_out_may_be_null():
    arguments = {"integration": "crm", "entityType": None, "externalIds": ["a"]}
    assert taken(post("resolve", arguments)) == arguments


def test_a_form_gives_an_argument_of_another_type_as_json_or_as_text():
    content_type = "application/x-www-form-urlencoded"

    def form(body: bytes) -> Statement:
        return prepare(Asked("POST", "rpc/link_many", "", NONE, None, content_type, None, body), "c1", LIMITS)

    rows = b"%5B%7B%22entityType%22:%22a%22,%22entityId%22:%22b%22,%22integration%22:%22c%22%7D%5D"
    assert taken(form(b"mappings=" + rows + b"&atomic=t&onConflict=move"))["atomic"] is True
    with pytest.raises(Problem) as raised:
        form(b"mappings=[&atomic=t")
    assert raised.value.message == "mappings: expected an array, got a string"


def test_rows_of_a_batch_are_left_to_the_verb_that_writes_them():
    bad = [{**ROW, "externalId": 7}, {}, 5]
    assert taken(post("link_many", {"mappings": bad})) == {"mappings": bad}


@pytest.mark.parametrize("query", ["", "columns=integration,externalIds"])
@pytest.mark.parametrize("value", [b"[" * 100_000, b"[" * 5_000 + b"]" * 5_000, b"{bad"])
def test_a_body_that_is_no_json_is_refused_whether_columns_are_named_or_not(query, value):
    body = b'{"integration": "crm", "externalIds": ' + value + b"}"
    with pytest.raises(Problem) as raised:
        prepare(Asked("POST", "rpc/resolve", query, NONE, body=body), "c1", LIMITS)
    assert raised.value.code == "PGRST102"


def test_a_writing_call_for_one_row_fails_in_the_database_if_there_are_others():
    made = post("link_many", {"mappings": [ROW]}, "application/vnd.pgrst.object+json")
    assert "tieline.refuse('TL116', 'single', count(p)::text)" in made.sql.text


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("resolve", rb'{"integration": "b\u0000", "externalIds": []}', "integration contains a NUL character"),
        ("translate", rb'{"from": "crm", "to": "\udc00", "externalIds": []}', "to contains half of a surrogate pair"),
    ],
)
def test_text_that_postgresql_cannot_store_is_refused_with_its_place(function, arguments, said):
    with pytest.raises(Problem) as raised:
        post(function, arguments)
    assert raised.value.message.startswith(said)
