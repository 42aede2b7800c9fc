"""Long texts are read in pieces: the values are those that a reader of the whole text finds."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieline.wire import halves, pieces, urls
from tieline.wire.pieces import PIECE_BYTES, TooLongError, Walk

raws = msgspec.json.Decoder(list[msgspec.Raw])
texts = st.text() | st.sampled_from(['a"},{"b":[', "\\", '","', "]}", "[{"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)
# Longer than a piece, so that a border between pieces falls somewhere into the values behind it.
PADDING = "x" * (PIECE_BYTES - 20)


def read(walk: Walk) -> object:
    """The value at the walk's position."""
    if walk.is_object:
        return {name: read(walk) for name in walk.members()}
    if walk.is_array:
        return [json.loads(bytes(raw)) for some in walk.elements(raws.decode) for raw in some]
    return json.loads(bytes(walk.value()))


@given(
    rows=st.lists(values, max_size=8), places=st.lists(st.integers(0, 8), max_size=3), indent=st.sampled_from([None, 1])
)
@settings(max_examples=200, deadline=None)
def test_any_array_and_object_is_read_whole(rows, places, indent):
    for place in places:
        rows.insert(place, PADDING if place % 2 else {"a": PADDING})
    whole = {"rows": rows, "one": 1}
    walk = Walk(json.dumps(whole, indent=indent).encode())
    assert read(walk) == whole
    walk.end()


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[",
        "[1",
        "[1,]",
        "[1 2]",
        "[,1]",
        "[1]]",
        "{",
        '{"a"',
        '{"a"}',
        '{"a":1',
        '{"a":1,}',
        '{"a":1}x',
        "{1:2}",
        "x",
    ],
)
def test_broken_json_is_refused(broken):
    def whole() -> None:
        walk = Walk(broken.encode())
        read(walk)
        walk.end()

    with pytest.raises(msgspec.DecodeError):
        whole()


@pytest.mark.parametrize("text", [b'["%b"]', b"[%b]", b"%b", b'{"a": {"b": "%b"}}'])
def test_a_value_that_is_longer_than_the_limit_is_not_read(text):
    with pytest.raises(TooLongError):
        read(Walk(text % (b"1" * 2000), 1000))


@given(before=st.integers(0, 3), text=st.text(max_size=3))
@settings(deadline=None)
def test_percent_signs_are_undone_across_pieces(before, text):
    value = "a" * (PIECE_BYTES - before) + text
    sent = "".join(f"%{byte:02X}" for byte in value.encode())
    assert list(urls.pairs(b"x=" + sent.encode())) == [("x", value)]


@given(before=st.integers(0, 4), text=st.text(max_size=2))
@settings(deadline=None)
def test_utf8_is_checked_across_pieces(before, text):
    good = b"a" * (PIECE_BYTES - before) + text.encode()
    assert pieces.not_utf8(good) is None
    assert pieces.not_utf8(good + b"\xff") == b"\xff"


def test_halves_of_pairs_are_marked_wherever_they_stand():
    text = rb'"\ud83d"' + b" " * PIECE_BYTES + rb'"\\ud83d \ud83d\ude00 \udc00"'
    marked = halves.marked(text)
    assert marked.count(rb"\u0000\ufffd") == 2
    assert rb"\\ud83d \ud83d\ude00" in marked
