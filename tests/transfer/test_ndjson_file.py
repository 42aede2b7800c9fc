import json

import msgspec
import pytest
from files_of_companies import read as read_file
from hypothesis import given
from hypothesis import strategies as st

from tieline.transfer.columns import Record, Refused
from tieline.transfer.formats import RECORD_BYTES_MAX

MAPPING = {"entityType": "item", "entityId": "1", "integration": "xero"}


def read(data, what="mappings"):
    return list(read_file(data, what, "ndjson").records)


def line(**members):
    return json.dumps({**MAPPING, **members}).encode() + b"\n"


def given_by(record):
    return json.loads(msgspec.json.encode(record.row))


def test_a_field_that_a_line_leaves_out_is_unset_and_null_is_not():
    absent, null = read(line() + line(externalId=None, metadata=None))
    assert given_by(absent) == MAPPING
    assert given_by(null) == {**MAPPING, "externalId": None, "metadata": None}


def test_metadata_keeps_its_digits():
    [row] = read(b'{"entityType":"item","entityId":"1","integration":"xero","metadata":{"n":12345678901234567890.10}}')
    assert bytes(row.row.metadata) == b'{"n":12345678901234567890.10}'


def test_an_element_id_is_a_number_or_a_string_of_digits():
    rows = read(b'{"id":7,"title":"A"}\n{"id":"8","title":"B"}\n{"title":"C"}\n', what="elements")
    assert [row.row.id for row in rows] == [7, "8", msgspec.UNSET]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"entityType":"item","ent\n', "the line breaks off before its JSON ends"),
        (line(externalId=7), "externalId is a number; write it as a string, so that no digit is lost"),
        (b'{"entityType":"item","entityId":1.5,"integration":"x"}\n', "entityId is a number; write it as a string"),
        (b'{"entityType":"item","integration":"x"}\n', "entityId is missing"),
        (line(colour="red"), "colour is not one of the columns"),
        (line(externalID="7"), "externalID is not one of the columns. Did you mean externalId?"),
        (b"[1]\n", "expected an object, got an array"),
        (b"nonsense\n", "JSON is malformed"),
        (line()[:-2] + b', "metadata": ' + b"[" * 5000 + b"]" * 5000 + b"}\n", "its JSON is nested too deep"),
        (b'{"entityType":"\xff"}\n', "byte 16 of the line, 0xff, is not UTF-8"),
        (line(link="a" * RECORD_BYTES_MAX), "longer than 1,000,000 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_unreadable_line_is_refused_and_the_others_land(data, reason):
    before, refused, after = read(line() + data + b"\n" + line())
    assert isinstance(before, Record)
    assert isinstance(after, Record)
    assert isinstance(refused, Refused)
    assert refused.line == 2
    assert refused.reason.startswith(reason)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data):
    assert all(isinstance(record, Record | Refused) for record in read(line() + data))
