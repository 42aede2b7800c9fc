"""Prefer, Accept, Content-Type and Range headers, and bodies, by examples."""

import pytest

from tieline.dialect.request import body, media, prefer, ranges
from tieline.dialect.request.media import BodyKind, Form
from tieline.dialect.request.syntax import Span
from tieline.problems import Problem


@pytest.mark.parametrize(
    ("headers", "method", "applied"),
    [
        ([], "GET", None),
        (["return=minimal"], "GET", None),
        (["count=exact , tx=rollback"], "GET", "count=exact, tx=rollback"),
        (["timezone=UTC", "handling=lenient"], "HEAD", "handling=lenient, timezone=UTC"),
        (["return=minimal, missing=null"], "POST", "missing=null, return=minimal"),
        (["return=minimal", "resolution=merge-duplicates"], "POST", "resolution=merge-duplicates, return=minimal"),
        (["max-affected=3"], "DELETE", None),
        (["max-affected=-3, handling=strict"], "PATCH", "handling=strict, max-affected=-3"),
        (["max-affected=3, handling=strict"], "PUT", "handling=strict"),
        (["max-affected=x, handling=strict"], "PATCH", "handling=strict"),
        (["return=minimal, return=representation"], "PUT", "return=minimal"),
    ],
)
def test_the_preferences_that_count_are_echoed(headers, method, applied):
    assert prefer.applied(prefer.parse(headers), method) == applied


def test_a_bound_beyond_all_bounds_is_cut():
    assert prefer.parse([f"max-affected={'9' * 40}"]).max_affected == 2**63 - 1


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.JSON),
        ("*/*", Form.JSON),
        ("application/vnd.pgrst.object", Form.SINGULAR),
        ('application/vnd.pgrst.object+json;nulls="stripped"', Form.SINGULAR_STRIPPED),
        ("application/vnd.pgrst.array+json", Form.JSON),
        ("application/json, application/vnd.pgrst.array+json;nulls=stripped", Form.STRIPPED),
        ("text/csv;q=0.9, application/json;q=0.8", Form.CSV),
        ("text/csv;q=x, application/json", Form.CSV),
        ("Text/CSV; charset=utf-8", Form.CSV),
    ],
)
def test_accept_picks_the_form(accept, form):
    assert media.form(accept) is form
    assert form.is_singular == ("object" in form.value)


@pytest.mark.parametrize(
    "accept", ["", "text/html", "*", 'application/vnd.pgrst.plan;for="text/csv"', "application/vnd.pgrst.plans"]
)
def test_a_media_type_that_we_do_not_make_is_not_acceptable(accept):
    with pytest.raises(Problem) as raised:
        media.form(accept)
    assert (raised.value.status, raised.value.code) == (406, "PGRST107")


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (None, BodyKind.JSON),
        ("application/json;charset=latin1", BodyKind.JSON),
        ("TEXT/CSV", BodyKind.CSV),
        ("application/x-www-form-urlencoded", BodyKind.FORM),
        ("application/vnd.pgrst.array+json", BodyKind.JSON),
        ("application/vnd.pgrst.array+json;nulls=stripped", "application/vnd.pgrst.array+json;nulls=stripped"),
        ("", ""),
    ],
)
def test_the_content_type_says_what_the_body_is(content_type, kind):
    assert media.body_kind(content_type) == kind


@pytest.mark.parametrize(
    ("limit", "offset", "header", "method", "span"),
    [
        (None, None, None, "GET", Span(0, None)),
        (5, None, None, "GET", Span(0, 4)),
        (5, 3, "4-", "GET", Span(4, 7)),
        (None, 3, None, "GET", Span(3, None)),
        (None, -3, None, "GET", Span(0, None)),
        (0, None, "0-9", "GET", Span(0, -1)),
        (5, None, "1-2", "POST", Span(0, 4)),
    ],
)
def test_limit_offset_and_range_are_cut_from_each_other(limit, offset, header, method, span):
    asked = ranges.spans([] if limit is None else [((), limit)], [] if offset is None else [((), offset)])
    assert ranges.top_span(asked.get(()), header, method) == span


@pytest.mark.parametrize(
    ("span", "header", "method", "code"),
    [
        (Span(0, -2), None, "GET", "PGRST103"),
        (Span(5, 4), None, "GET", "PGRST103"),
        (None, "5-2", "GET", "PGRST103"),
        (Span(0, 2), "5-9", "GET", "PGRST103"),
        (Span(0, 2), None, "PUT", "PGRST114"),
    ],
)
def test_ranges_that_cannot_be_are_refused(span, header, method, code):
    with pytest.raises(Problem) as raised:
        ranges.top_span(span, header, method)
    assert raised.value.code == code


def test_a_page_has_a_longest():
    assert ranges.restricted(Span(5, None), 10) == Span(5, 14)
    assert ranges.restricted(Span(5, 6), 10) == Span(5, 6)
    assert ranges.restricted(Span(0, -1), 10) == Span(0, -1)


def test_an_offset_behind_the_last_row_is_out_of_range():
    with pytest.raises(Problem) as raised:
        ranges.status(11, 0, 10)
    assert raised.value.status == 416
    assert ranges.status(10, 0, 10) == 206


@pytest.mark.parametrize(
    ("raw", "kind", "json", "columns", "is_object"),
    [
        (b' {"b":1,"a":[{}]}', BodyKind.JSON, b' {"b":1,"a":[{}]}', ("a", "b"), True),
        (b"[{},{}]", BodyKind.JSON, b"[{},{}]", (), False),
        (b"5", BodyKind.JSON, b"[]", (), False),
        (b"[]", BodyKind.JSON, b"[]", (), False),
        (b"a,b\r\n1,NULL\r\n\r\n", BodyKind.CSV, b'[{"a":"1","b":null}]', ("a", "b"), False),
        (b'a\n"x""y\nz"', BodyKind.CSV, b'[{"a":"x\\"y\\nz"}]', ("a",), False),
        (b"a,b\n", BodyKind.CSV, b"[]", (), False),
        (b"a=1&b=%20+&a=2", BodyKind.FORM, b'{"a":"2","b":"  "}', ("a", "b"), True),
    ],
)
def test_a_body_becomes_json(raw, kind, json, columns, is_object):
    payload = body.payload(raw, kind, None)
    assert (payload.json, payload.columns, payload.is_object) == (json, columns, is_object)


@pytest.mark.parametrize(
    ("raw", "kind", "code"),
    [
        (b"", BodyKind.JSON, "PGRST102"),
        (b"{", BodyKind.JSON, "PGRST102"),
        (b"[1]", BodyKind.JSON, "PGRST102"),
        (b'[{"a":1},{"b":1}]', BodyKind.JSON, "PGRST102"),
        (b'{"a":"\xff"}', BodyKind.JSON, "PGRST102"),
        (b"[" * 100_000, BodyKind.JSON, "PGRST102"),
        (b'{"a":' * 100_000, BodyKind.JSON, "PGRST102"),
        (b"", BodyKind.CSV, "PGRST102"),
        (b"a,b\n1\n2,3\n", BodyKind.CSV, "PGRST102"),
        (b'a\n"x', BodyKind.CSV, "PGRST102"),
        (b'a\n"x"y', BodyKind.CSV, "PGRST102"),
        (b'a\nx"y', BodyKind.CSV, "PGRST102"),
        (b"a\n\xff", BodyKind.CSV, "22021"),
        (b"a=%FF", BodyKind.FORM, "22021"),
        (b"x", BodyKind.TEXT, "PGRST102"),
        (b"x", "image/png", "PGRST102"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(raw, kind, code):
    with pytest.raises(Problem) as raised:
        body.payload(raw, kind, None)
    assert (raised.value.status, raised.value.code) == (400, code)


@pytest.mark.parametrize("raw", [b'{"a":"\0"}', b'{"a":"\xff"}'])
def test_a_body_that_is_left_to_postgresql_is_text_at_least(raw):
    with pytest.raises(Problem) as raised:
        body.payload(raw, BodyKind.JSON, ("a",))
    assert raised.value.code == "22021"


def test_geojson_needs_what_is_not_there():
    with pytest.raises(Problem) as raised:
        media.form("text/html, application/geo+json")
    assert (raised.value.status, raised.value.code) == (404, "42883")
