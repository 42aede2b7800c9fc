"""The text of statements has only words of the catalogue and placeholders, whatever a client writes."""

import itertools
import re
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tieline.dialect.catalogue import RESOURCES, WORDS
from tieline.dialect.request import prefer
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.prefer import NONE
from tieline.dialect.statement import Statement, explanation, prepare
from tieline.problems import Problem

LIMITS = Limits(depth_max=50, page_rows_max=1000)
MAPPING = "externalIntegrationMapping"
# Part of every text that a client makes up here; no word of ours has it in it.
STRANGE = "zqx"

names = st.sampled_from([STRANGE, f"{STRANGE} é", f'"{STRANGE}.,()"', f"{STRANGE}-1", "id", "metadata", "name"])
values = st.sampled_from(
    [STRANGE, f"'; drop {STRANGE}", f"${STRANGE}", "$1", "true", "", f"({STRANGE})", f"{{{STRANGE}}}"]
)
operators = st.sampled_from(["eq", "neq", "like", "in", "is", "cs", "fts", f"fts({STRANGE})", "isdistinct", "eq(any)"])
paths = st.builds(lambda keys: "".join(f"->{key}" for key in keys), st.lists(names, max_size=2))
fields = st.builds(lambda name, path: name + path, st.sampled_from(["metadata", "id", "createdAt"]), paths)
items = st.one_of(
    st.builds("{}:{}".format, names, fields),
    st.builds("{}::text".format, fields),
    st.builds("{}.max()".format, fields),
    st.builds("{}:company!inner({}:name)".format, names, names),
    st.just("...company(name,count())"),
    st.just("count()"),
)
filters = st.builds("{}={}.{}".format, fields, operators, values)
queries = st.builds(
    lambda select, where, order: "&".join([f"select={','.join(select)}", *where, *([f"order={order}.desc"] * 1)]),
    st.lists(items, max_size=4),
    st.lists(filters, max_size=3),
    fields,
)


def every_statement(asked: Asked) -> list[str]:
    made = prepare(asked, STRANGE, LIMITS)
    constraints = [key.constraint for key in made.model.node.resource.keys]
    others = [
        explanation(made, "21000", None),
        *(explanation(made, "23505", constraint) for constraint in constraints),
    ]
    return [made.sql.text, *(other.text for other in others if other is not None)]


def raw(query: str) -> str:
    return query.replace("%", "%25").replace("+", "%2B").replace(";", "%3B")


@given(query=queries, method=st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT"]), form=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_word_of_a_client_is_in_a_statement(query, method, form):
    wishes = prefer.parse(["return=representation, count=estimated, resolution=merge-duplicates"])
    body = f'{{"id": "{STRANGE}", "entityType": "x", "entityId": "y", "integration": "{STRANGE}"}}'.encode()
    accept = "text/csv" if form else None
    try:
        texts = every_statement(Asked(method, MAPPING, raw(query), wishes, accept, None, None, body))
    except Problem:
        return
    for text in texts:
        assert STRANGE not in text
        assert set(re.findall(r'"([^"]+)"', text)) <= {*WORDS, *(f"{r}_{depth}" for r in RESOURCES for depth in (1, 2))}


@given(query=queries)
@settings(max_examples=200, deadline=None)
def test_every_table_is_read_for_the_company_only(query):
    try:
        texts = every_statement(Asked("GET", MAPPING, raw(query), prefer.parse(["count=estimated"])))
    except Problem:
        return
    for text in texts:
        for table, alias in re.findall(r'tieline\."(\w+)" ("\w+")', text):
            company = RESOURCES[table].company
            assert company is not None
            assert f'{alias}."{company.name}" = $1' in text


def outcome(asked: Asked) -> int:
    try:
        return len(prepare(asked, "c1", LIMITS).sql.parameters)
    except Problem as problem:
        return problem.status


@given(
    query=st.text(max_size=200), method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]), body=st.binary(max_size=50)
)
@settings(max_examples=500, deadline=None)
def test_any_request_whatever_gives_a_statement_or_a_problem(query, method, body):
    assert 1 <= outcome(Asked(method, MAPPING, query, NONE, None, None, None, body)) < 500


@pytest.mark.parametrize(
    "piece",
    ["a,", "company(", "a->", "a:", '"\\', "...a", "!inner", "a-", ".a", "not.", " ", '"', "::text", "count(),", "*,"],
)
@pytest.mark.parametrize("start", ["select=", "order=", "or=(", "id=in.(", "and=(and(", "id=", "columns="])
def test_long_texts_are_read_in_a_number_of_steps_that_grows_with_their_length(start, piece):
    def steps(length: int) -> int:
        query = start + piece * (length // len(piece)) + "\x01("
        counted = itertools.count()
        sys.setprofile(lambda *_: next(counted))
        try:
            with pytest.raises(Problem):
                prepare(Asked("GET", MAPPING, query, NONE), "c1", LIMITS)
        finally:
            sys.setprofile(None)
        return next(counted)

    # Sixteen times the calls would be quadratic.
    assert steps(8_000) < 6 * steps(2_000)


@pytest.mark.parametrize("query", ["or=(" + "and(" * 60, "select=" + "company(" * 60, "or=(" + "not.or(" * 60])
def test_nesting_beyond_the_limit_is_refused(query):
    with pytest.raises(Problem) as raised:
        prepare(Asked("GET", MAPPING, query, NONE), "c1", LIMITS)
    assert raised.value.code == "PGRST100"


def text_of(query: str, method: str = "GET") -> str:
    return prepare(Asked(method, MAPPING, query, NONE), "c1", LIMITS).sql.text


@pytest.mark.parametrize(
    ("test", "text"),
    [
        ("eq.false", 'not "externalIntegrationMapping"."allowDuplicateExternalId"'),
        ("is.false", 'not "externalIntegrationMapping"."allowDuplicateExternalId"'),
        ("eq.t", 'and "externalIntegrationMapping"."allowDuplicateExternalId" '),
        ("neq.no", 'and "externalIntegrationMapping"."allowDuplicateExternalId" '),
        ("not.eq.true", 'not "externalIntegrationMapping"."allowDuplicateExternalId"'),
        ("eq.maybe", '"allowDuplicateExternalId" = $2'),
        ("gt.false", '"allowDuplicateExternalId" > $2'),
        ("is.null", '"allowDuplicateExternalId" is null'),
    ],
)
def test_the_flag_is_asked_for_as_the_partial_index_has_it(test, text):
    assert text in text_of(f"allowDuplicateExternalId={test}") + " "


@pytest.mark.parametrize(
    ("query", "is_lookup"),
    [
        ("entityType=eq.a&entityId=eq.b&integration=eq.c", True),
        ("id=eq.a", True),
        ("integration=eq.a&entityType=eq.b&externalId=eq.c&allowDuplicateExternalId=is.false", True),
        ("integration=eq.a&entityType=eq.b&externalId=eq.c", False),
        ("entityType=eq.a&entityId=eq.b", False),
        ("id=not.eq.a", False),
        ("id=gt.a", False),
        ("id=eq(any).{a}", False),
        ("id->a=eq.1", False),
        ("id=eq.a&select=count()", False),
        ("id=eq.a&select=id,company(name)", False),
        ("id=eq.a&select=id,metadata", True),
        ("id=eq.a&companyId=eq.c1&link=eq.x", True),
        ("id=eq.a&entityId=match.(a%2B)%2Bb", False),
        ("id=eq.a&link=wfts.x", False),
        ("id=eq.a&link=like.*x*", False),
        ("id=eq.a&externalId=in.(a,b)", False),
        ("id=eq.a&or=(id.eq.a,id.eq.b)", False),
        ("id=eq.a&metadata->a=eq.1", False),
        ("id=eq.a&link=is.null", False),
        ("id=eq.a&select=metadata->a", False),
        ("id=eq.a&select=metadata::text", False),
        ("id=eq.a&select=id,x:id", False),
    ],
)
def test_a_lookup_gives_a_whole_key_by_equality(query, is_lookup):
    assert prepare(Asked("GET", MAPPING, query, NONE), "c1", LIMITS).is_lookup is is_lookup


def test_requests_that_differ_in_values_only_share_a_text_of_which_they_bind_their_own():
    one = prepare(Asked("GET", MAPPING, "select=id&id=eq.a&link=like.b*&order=id", NONE), "c1", LIMITS).sql
    two = prepare(Asked("GET", MAPPING, "select=id&id=eq.%C3%A9+x&link=like.c*&order=id", NONE), "c2", LIMITS).sql
    assert one.text is two.text
    assert (one.parameters, two.parameters) == (("c1", "a", "b%", "1000"), ("c2", "é x", "c%", "1000"))


simple_filters = st.builds(
    "{}={}.{}".format,
    st.sampled_from(
        ["id", "entityId", "createdAt", "metadata", "metadata->a", "allowDuplicateExternalId", "entity%49d"]
    ),
    st.sampled_from(["eq", "neq", "gt", "lte", "cs", "cd", "not.eq", "eq(any)", "in"]),
    st.sampled_from(["a", "a.b", "", "true", "{a,b}", "a%2Cb", "a+b", "a=b", "é", "%ff", "%00", "%zz"]),
)
simple_queries = st.lists(
    st.one_of(simple_filters, st.sampled_from(["", "select=id", "order=id", "limit=2", "nope=eq.a", "or=(id.eq.%ff)"])),
    max_size=5,
).map("&".join)


# Of two values that are no text, the first is complained of.
@example(query="id=in.%00&id=eq.%ff", accept=None)
@given(query=st.one_of(simple_queries, queries), accept=st.sampled_from([None, "text/csv", "image/png"]))
@settings(max_examples=300, deadline=None)
def test_a_shape_that_is_known_gives_what_planning_anew_gives(query, accept):
    asked = Asked("GET", MAPPING, query, NONE, accept)

    def said(request: Asked) -> tuple:
        try:
            made = prepare(request, "c1", LIMITS)
        except Problem as problem:
            return (problem.status, problem.code, str(problem))
        return (made.model, made.sql, made.slots, made.first_row)

    # A preference that changes nothing; shapes are kept of requests without any.
    expected = said(Asked("GET", MAPPING, query, prefer.parse(["handling=lenient"]), accept))
    for _ in range(2):
        assert said(asked) == expected


def test_more_keys_than_a_function_takes_are_joined_from_several():
    text = text_of("select=" + ",".join(f"a{i}:id" for i in range(100)))
    assert text.count("json_build_object(") == 3


def test_a_write_answers_from_what_it_wrote():
    asked = Asked("DELETE", MAPPING, "id=eq.a&select=id", prefer.parse(["return=representation"]))
    text = prepare(asked, "c1", LIMITS).sql.text
    assert text.startswith("with written as (delete from")
    assert "from written" in text


def test_a_written_row_is_of_the_company_also_where_row_level_security_would_not_say_so():
    asked = Asked("POST", MAPPING, "", NONE, None, None, None, b'{"companyId": "c2", "id": "a"}')
    text = prepare(asked, "c1", LIMITS).sql.text
    assert "tieline.refuse('42501'" in text
    assert "select $1::text" in text


def test_the_plan_of_a_request_is_the_same_value_for_other_values():
    one = prepare(Asked("GET", MAPPING, "select=a:id&id=eq.1", NONE), "c1", LIMITS)
    two = prepare(Asked("GET", MAPPING, "select=b:id&id=eq.2", NONE), "c2", LIMITS)
    assert one.model == two.model
    assert one.sql.parameters != two.sql.parameters


def write(method: str, query: str, body: bytes) -> Statement:
    wishes = prefer.parse(["resolution=merge-duplicates"])
    return prepare(Asked(method, MAPPING, query, wishes, None, None, None, body), "c1", LIMITS)


IDENTITY_KEY, ENTITY_KEY, EXTERNAL_ID_KEY = (key.constraint for key in RESOURCES[MAPPING].keys)


def test_the_holder_of_a_key_is_asked_for_with_what_the_body_gives():
    insert = write("POST", "", b'{"entityType": "a", "entityId": "b", "integration": "c"}')
    assert explanation(insert, "23505", IDENTITY_KEY) is None
    assert explanation(insert, "23505", EXTERNAL_ID_KEY) is None
    assert explanation(insert, "23505", None) is None
    found = explanation(insert, "23505", ENTITY_KEY)
    assert found is not None
    assert 'h."companyId" = $1' in found.text
    assert found.parameters == insert.sql.parameters[:2]


def test_the_holder_of_a_key_that_an_update_wants_is_another_row():
    update = write("PATCH", "id=eq.a", b'{"externalId": "x"}')
    found = explanation(update, "23505", EXTERNAL_ID_KEY)
    assert found is not None
    assert 'not h."allowDuplicateExternalId"' in found.text
    assert 'h."id" <> r."id"' in found.text
    assert 'r."companyId" = $1' in found.text


def test_doubles_are_looked_for_where_the_key_is_given():
    without, given_key = write("POST", "", b'{"entityType": "a"}'), write("POST", "", b'{"id": "a"}')
    assert explanation(without, "21000", None) is None
    assert explanation(given_key, "21000", None) is not None


def test_an_aggregate_of_a_spread_within_a_spread_is_made_at_the_top():
    text = prepare(
        Asked("GET", "company", "select=m:externalIntegrationMapping(...company(name.max(),n:count()))", NONE),
        "c1",
        LIMITS,
    ).sql.text
    assert text.count("max(") == 1
    deeper = "select=...company(m:externalIntegrationMapping(id),...companyId(id))"
    with pytest.raises(Problem):
        prepare(Asked("GET", MAPPING, deeper, NONE), "c1", LIMITS)
    asked = Asked("GET", "externalSystem", "select=...company(...id(id),name,e:externalSystem())", NONE)
    assert "jsonb_agg" in prepare(asked, "c1", LIMITS).sql.text


def test_rows_embedded_in_a_spread_belong_to_its_parent_too():
    text = text_of("select=...company(name,externalIntegrationMapping(id))")
    assert "coalesce(e2.s1, '[]')" in text
