import json
from contextlib import suppress

import msgspec
import pytest
from files_of_companies import read as read_file
from hypothesis import given
from hypothesis import strategies as st

from tieline.transfer.columns import Record, Refused
from tieline.transfer.formats import RECORD_BYTES_MAX, FileRefusedError

HEADER = "entityType,entityId,integration,externalId,link\n"


def read(text, what="mappings", form="csv"):
    return list(read_file(text, what, form).records)


def cells(record):
    """The values that the record gives, by column."""
    return json.loads(msgspec.json.encode(record.row))


def told(refused):
    """The line and the reason of a refused record."""
    return refused.line, refused.reason


def test_columns_come_in_any_order_and_cells_stay_text():
    [row] = read("externalId,integration,entityId,entityType\n 007/a ,xero,0012,item\n")
    assert cells(row) == {"entityType": "item", "entityId": "0012", "integration": "xero", "externalId": " 007/a "}


def test_an_empty_field_is_null_quoted_or_not():
    null, empty = read(HEADER + 'item,1,xero,,\nitem,1,xero,"",\n')
    assert (cells(null)["externalId"], cells(empty)["externalId"]) == (None, None)


def test_a_column_that_the_file_lacks_is_not_given():
    [row] = read("entityType,entityId,integration\nitem,1,xero\n")
    assert set(cells(row)) == {"entityType", "entityId", "integration"}


def test_quoted_fields_hold_commas_quotes_and_newlines_and_lines_are_counted_where_a_record_starts():
    first, second = read(HEADER + 'item,"a,""b""\nc\r\nd",xero,,\nitem,2,xero,,\n')
    assert cells(first)["entityId"] == 'a,"b"\nc\r\nd'
    assert (first.line, second.line) == (2, 5)


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_no_part_of_the_data():
    [row] = read(b"\xef\xbb\xbf" + HEADER.replace("\n", "\r\n").encode() + b"item,1,xero,A,\r\n\r\n")
    assert cells(row)["externalId"] == "A"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "The file is empty; its first line must name the columns."),
        ("entityType,entityId\n", "The file has no column integration."),
        ("entityType,entityId,integration,entityId\n", "The file names the column entityId twice."),
        ("entityType,entityId,integration,colour\n", "The file names a column 'colour' that is not one of"),
        ('"entityType\n', "The first line must name the columns: a quote opens here"),
        (b"entityTyp\xe9\n", "byte 10 of the line, 0xe9, is not UTF-8"),
    ],
)
def test_a_file_whose_columns_are_unclear_is_refused_whole(header, reason):
    with pytest.raises(FileRefusedError) as refused:
        read(header)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"item,1,xero\n", "3 fields where the first line names 5 columns"),
        (b"item,,xero,A,\n", "entityId is missing"),
        (b'item,1,xero,5" disk,\n', "a quote inside the field '5\" disk', which does not begin with one"),
        (b'item,1,xero,"A"b,\n', "text after the closing quote of the field '\"A\"'"),
        (b"item,1,xero,A\xff,\n", "byte 14 of the line, 0xff, is not UTF-8; save the file as UTF-8"),
        (b"item,1,xero,A\0,\n", "it holds a NUL character, which PostgreSQL cannot store"),
        (b"item,1,xero," + b"A" * RECORD_BYTES_MAX + b",\n", "longer than 1,000,000 bytes"),
        (b'item,1,xero,"' + b"A\n" * RECORD_BYTES_MAX + b'",\n', "longer than 1,000,000 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_record_that_cannot_be_read_is_refused_and_the_others_land(line, reason):
    before, refused, after = read(HEADER.encode() + b"item,0,xero,,\n" + line + b"item,9,xero,,\n")
    assert isinstance(refused, Refused)
    assert told(refused) == (3, reason)
    assert (cells(before)["entityId"], cells(after)["entityId"]) == ("0", "9")


@pytest.mark.parametrize("end", ['item,2,xero,"A', 'item,2,xero,"A\nB\n', 'item,2,xero,"A""\n'])
def test_a_file_that_breaks_off_inside_quotes_refuses_that_record_alone(end):
    landed, refused = read(HEADER + "item,1,xero,,\n" + end)
    assert isinstance(landed, Record)
    assert refused.line == 3
    assert refused.reason.startswith("a quote opens here and is not closed before the end of the file")


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("metadata", "{", "metadata is not JSON: Input data was truncated"),
        ("metadata", "[" * 5000 + "]" * 5000, "metadata is JSON that is nested too deep"),
        ("allowDuplicateExternalId", "maybe", "allowDuplicateExternalId must be true or false"),
    ],
)
def test_a_cell_that_does_not_fit_its_column_is_refused(column, text, reason):
    [refused] = read(f"entityType,entityId,integration,{column}\nitem,1,xero,{text}\n")
    assert told(refused) == (2, reason)


@pytest.mark.parametrize("element_id", ["0", "-1", "abc", "9223372036854775808", "1.5", "٣"])
def test_an_element_id_is_a_positive_64_bit_number(element_id):
    [refused] = read(f"id,title\n{element_id},A\n", what="elements")
    assert told(refused) == (2, "id must be a whole number from 1 to 9223372036854775807")


TEXT = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_csv_that_postgresql_writes_is_read_back(records):
    def field(cell):
        return "" if cell is None else '"' + cell.replace('"', '""') + '"'

    text = "".join(f"item,1,xero,{field(first)},{field(second)}\n" for first, second in records)
    found = [(record.row.external_id, record.row.link) for record in read(HEADER + text)]
    assert found == [(first or None, second or None) for first, second in records]


@given(st.binary(max_size=300), st.sampled_from(["csv", "tsv", "spreadsheet"]))
def test_no_bytes_break_the_reader(data, form):
    heading = HEADER.replace(",", "\t") if form == "tsv" else HEADER
    assert all(isinstance(record, Record | Refused) for record in read(heading.encode() + data, form=form))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading_of_a_heading(data):
    with suppress(FileRefusedError):
        assert all(isinstance(record, Record | Refused) for record in read(data))
