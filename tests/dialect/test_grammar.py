"""The grammar by examples: what is read, as what, and where it is refused."""

import pytest

from tieline.dialect.request.filters import logic_tree, tree_path, whole_test
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.query import number, parse
from tieline.dialect.request.select import order, select
from tieline.dialect.request.syntax import Field, JsonStep, Logic, OrderTerm, Predicate, SelectField, SelectRelation
from tieline.problems import Problem

LIMITS = Limits(depth_max=9, page_rows_max=1000)


def arrow(key: str) -> JsonStep:
    return JsonStep(key, is_index=False, is_text=False)


def double_arrow_to_index(index: str) -> JsonStep:
    return JsonStep(index, is_index=True, is_text=True)


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("eq.", Predicate("eq", ("",))),
        ("eq.a.b", Predicate("eq", ("a.b",))),
        ('eq."a"', Predicate("eq", ('"a"',))),
        ("not.gte.1", Predicate("gte", ("1",), is_negated=True)),
        ("like(all).{a*}", Predicate("like", ("{a*}",), quantifier="all")),
        ("isdistinct.null", Predicate("isdistinct", ("null",))),
        ("is.Unknown", Predicate("is", ("unknown",))),
        ("is.not_null", Predicate("is", ("not_null",))),
        ("is.null ", Predicate("is", ("null",))),
        ("in.()", Predicate("in", ("",))),
        ('in.(a, b,"c,d","e\\"f",)', Predicate("in", ("a", " b", "c,d", 'e"f', ""))),
        ('in.("a"b,"c)', Predicate("in", ('"a"b', '"c'))),
        ("fts.fox", Predicate("fts", ("fox",))),
        ("wfts(simple).fox", Predicate("wfts", ("fox",), language="simple")),
        ("nxl.(1,2)", Predicate("nxl", ("(1,2)",))),
    ],
)
def test_a_filter_is_read_as(text, test):
    assert whole_test(text) == test


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("eq", 1),
        ("not", 1),
        ("not.", 5),
        ("not.not.eq.a", 5),
        ("EQ.a", 1),
        ("neq(any).a", 1),
        ("eq(some).a", 1),
        ("is.", 4),
        ("is.nullx", 8),
        ("in.a", 4),
        ("in.(a", 6),
        ("in.(a)b", 7),
        ("fts().a", 5),
        ("fts(a.a", 6),
        ("fts(a)a", 7),
    ],
)
def test_an_unreadable_filter_is_refused_with_the_place(text, column):
    with pytest.raises(Problem) as raised:
        parse(f"id={text}", LIMITS)
    assert raised.value.code == "PGRST100"
    assert raised.value.message == f'"failed to parse filter ({text})" (line 1, column {column})'


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        ("*", (SelectField(Field("*")),)),
        (" a b , c ", (SelectField(Field("a b")), SelectField(Field("c")))),
        ('"a,b":"c.d"', (SelectField(Field("c.d"), alias="a,b"),)),
        ("a::text::int", (SelectField(Field("a"), cast="text", aggregate_cast="int"),)),
        ("a.sum()::int", (SelectField(Field("a"), aggregate="sum", aggregate_cast="int"),)),
        ("n:count()::text", (SelectField(Field("*"), "n", aggregate="count", aggregate_cast="text"),)),
        ("count", (SelectField(Field("count")),)),
        ("m->a->>0", (SelectField(Field("m", (arrow("a"), double_arrow_to_index("0")))),)),
        ("r(m->0)", (SelectRelation("r", (SelectField(Field("m", (arrow("0"),))),)),)),
        ("a:r!left!h()", (SelectRelation("r", (), alias="a", hint="h"),)),
        ("r!h!i()", (SelectRelation("r", (), hint="h"),)),
        ("...r!inner(a)", (SelectRelation("r", (SelectField(Field("a")),), is_inner=True, is_spread=True),)),
    ],
)
def test_select_is_read_as(text, items):
    assert select(text, depth_max=9) == items


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a,", 3),
        ("a,,b", 3),
        ("a)", 2),
        ("a:", 3),
        ("a::", 4),
        ("a.b", 2),
        ("a!inner", 2),
        ("r(a", 4),
        ("r(a,)", 5),
        ("r(,a)", 3),
        ("r!(a)", 2),
        ("x:*", 3),
        ("...r", 5),
        ("...:r(a)", 4),
        ("m->", 4),
        ("m->>-1x", 5),
        ('"a', 3),
        ("count(a)", 6),
        ("count()a", 6),
    ],
)
def test_an_unreadable_select_is_refused_with_the_place(text, column):
    with pytest.raises(Problem) as raised:
        parse(f"select={text}", LIMITS)
    assert f'select parameter ({text})" (line 1, column {column})' in raised.value.message


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a", (OrderTerm(Field("a")),)),
        (
            "a.desc, b.asc.nullsfirst",
            (OrderTerm(Field("a"), None, "desc"), OrderTerm(Field("b"), None, "asc", "nullsfirst")),
        ),
        ("a.nullslast", (OrderTerm(Field("a"), nulls="nullslast"),)),
        ("r(a->b).desc", (OrderTerm(Field("a", (arrow("b"),)), "r", "desc"),)),
    ],
)
def test_order_is_read_as(text, terms):
    assert order(text) == terms


@pytest.mark.parametrize(
    "text", ["", "a,", ".a", "a.up", "a.desc.asc", "a.nulls", "a.", "a.descx", "r(a", "r(a,b)", "a.desc "]
)
def test_an_unreadable_order_is_refused(text):
    with pytest.raises(Problem) as raised:
        parse(f"order={text}", LIMITS)
    assert raised.value.code == "PGRST100"


def test_a_tree_is_read_with_its_values_unquoted():
    tree = logic_tree('and(a.eq."x,y",not.or(b.cs.{1,2},c.in.(1,2)),not.eq.z)', depth_max=9, is_read=True)
    quoted, inner, column_not = tree.operands
    assert quoted.test.values == ("x,y",)
    assert isinstance(inner, Logic)
    assert inner.is_negated
    assert [operand.test.values for operand in inner.operands] == [("{1,2}",), ("1", "2")]
    assert column_not.field.name == "not"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "(a.eq.1",
        "(a)",
        "(,a.eq.1)",
        "(a.eq.1,)",
        "(xor(a.eq.1))",
        "and(a.eq.1)",
        "(a.is.foo)",
        "(a.eq.1)x",
        ".eq.1",
    ],
)
@pytest.mark.parametrize("name", ["or", "and", "not.or", "company.and"])
def test_an_unreadable_tree_is_refused(name, text):
    with pytest.raises(Problem) as raised:
        parse(f"{name}={text}", LIMITS)
    assert raised.value.code == "PGRST100"


@pytest.mark.parametrize("name", ["", ".", "a.", "a..b", "a b!", "a->", "é.->x", '"a'])
def test_an_unreadable_name_is_refused(name):
    with pytest.raises(Problem) as raised:
        parse(f"{name}=eq.1", LIMITS)
    assert raised.value.code == "PGRST100"


def test_names_lead_to_embedded_resources_and_into_json():
    assert tree_path('a."b.c"->d') == (("a",), Field("b.c", (arrow("d"),)))


@pytest.mark.parametrize(
    "text", ["columns=", "columns=a.b", "columns=*", "on_conflict=,", "on_conflict=a,", "on_conflict=*"]
)
def test_lists_of_names_are_read_whole(text):
    with pytest.raises(Problem) as raised:
        parse(text, LIMITS)
    assert raised.value.code == "PGRST100"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5),
        (" 5 ", 5),
        ("(5)", 5),
        ("-5", -5),
        ("0x1f", 31),
        ("0o17", 15),
        ("007", 7),
        ("5.0", None),
        ("", None),
        ("((5)", None),
    ],
)
def test_numbers_are_read_as_haskell_does(text, expected):
    assert number(text) == expected


@pytest.mark.parametrize("raw", ["%00", "a%00", "%FF", "%C3", "é%ED%A0%80", "\0"])
def test_bytes_that_are_no_text_are_refused(raw):
    with pytest.raises(Problem) as raised:
        parse(f"id=eq.{raw}", LIMITS)
    assert (raised.value.status, raised.value.code) == (400, "22021")


def test_of_parameters_given_twice_one_counts():
    query = parse("select=a&select=b&limit=1&limit=2&order=a&order=b&columns=x&columns=y&x", LIMITS)
    assert query.select == (SelectField(Field("a")),)
    assert query.spans[()].rows_max == 2
    assert query.columns == ("x",)
    assert query.filters == ()


def test_a_call_s_parameters_are_arguments_unless_they_are_filters():
    query = parse("integration=xero&status=eq.linked", LIMITS, is_call=True)
    assert query.arguments == (("integration", "xero"),)
    assert [f.field.name for _, f in query.filters] == ["status"]
