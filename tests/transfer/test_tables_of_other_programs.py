"""Text that spreadsheets, phones and databases write: separators, encodings, line ends, packed files, blank cells."""

import gzip
import json
import re

import msgspec
import pytest
from files_of_companies import read

from tieline.transfer.columns import Refused
from tieline.transfer.formats import FORMATS, RECORD_BYTES_MAX, FileRefusedError, format_of

HEADING = "entityType,entityId,integration,externalId\n"
ROW = "item,1,xero,Größe 7\n"
GIVEN = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "Größe 7"}


def cells(record):
    assert not isinstance(record, Refused), record.reason
    return json.loads(msgspec.json.encode(record.row))


def rows(content, form="csv", what="mappings"):
    return [cells(record) for record in read(content, what, form).records]


def refused(content, form="csv", what="mappings"):
    with pytest.raises(FileRefusedError) as found:
        list(read(content, what, form).records)
    return str(found.value)


def semicolons(text):
    return text.replace(",", ";")


def tabs(text):
    return text.replace(",", "\t")


def quoted(text):
    return re.sub(r"[^,\n]+", r'"\g<0>"', text)


@pytest.mark.parametrize("form", ["csv", "spreadsheet"])
@pytest.mark.parametrize(
    "text",
    [
        semicolons(HEADING + ROW),
        tabs(HEADING + ROW),
        quoted(HEADING + ROW),
        semicolons(quoted(HEADING + ROW)),
        tabs(quoted(HEADING + ROW)),
        "sep=;\n" + semicolons(HEADING + ROW),
        "sep=;\r\n" + semicolons(HEADING + ROW).replace("\n", "\r\n"),
        '"sep=;"\n' + semicolons(HEADING + ROW),
        "\ufeffsep=\t\n" + tabs(HEADING + ROW),
        "SEP=,\n" + HEADING + ROW,
        "sep=|\n" + (HEADING + ROW).replace(",", "|"),
        "sep=;\n\n" + semicolons(HEADING + ROW),
    ],
    ids=lambda text: repr(text)[:24],
)
def test_the_heading_or_a_first_line_tells_the_separator(text, form):
    assert rows(text, form) == [GIVEN]


def test_a_cell_may_hold_the_signs_that_separate_elsewhere():
    text = 'entityType;entityId;integration;externalId\nitem;1,5;xero;"a;b\tc,d"\n'
    assert rows(text) == [{"entityType": "item", "entityId": "1,5", "integration": "xero", "externalId": "a;b\tc,d"}]


def test_a_file_of_one_column_has_no_separator():
    assert [row["title"] for row in rows("title\nA chair\nRed; blue\n", what="elements")] == ["A chair", "Red; blue"]


def test_a_quoted_name_may_hold_a_separator_and_is_then_unknown_as_a_whole():
    assert "'entity;Id'" in refused('entityType,"entity;Id",integration\nitem,1,xero\n')


def test_tsv_is_divided_by_tabs_alone():
    assert rows(tabs(HEADING) + "item\t1\txero\ta,b;c\n", "tsv")[0]["externalId"] == "a,b;c"
    assert "'entityType,entityId,integration,externalId'" in refused(HEADING + ROW, "tsv")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
        (b"\xff\xfe\0\0", "utf-32-le"),
        (b"\0\0\xfe\xff", "utf-32-be"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_utf_8_and_utf_16_are_read_packed_or_not(mark, encoding, pack, form):
    text = HEADING + ROW if form == "csv" else json.dumps(GIVEN, ensure_ascii=False) + "\n"
    assert rows(pack(mark + text.encode(encoding)), form) == [GIVEN]


def test_a_file_of_several_packed_parts_is_read_to_its_end():
    packed = gzip.compress(HEADING.encode()) + gzip.compress(ROW.encode()) + b"\0" * 100
    assert rows(packed) == [GIVEN]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_unix_windows_and_old_macs(end):
    text = (HEADING + ROW + 'item,2,xero,"a\nb"\n' + "item,3,xero,").replace("\n", end)
    assert [row["externalId"] for row in rows(text)] == ["Größe 7", f"a{end}b", None]


def test_line_ends_may_be_mixed_and_are_counted_each():
    text = HEADING + "item,1,xero,A\r\nitem,2,xero,B\ritem,3,xero,C\n\r\n\ritem,,xero,D\n"
    *landed, last = read(text).records
    assert [cells(record)["externalId"] for record in landed] == ["A", "B", "C"]
    assert (last.line, last.reason) == (7, "entityId is missing")


@pytest.mark.parametrize("sign", ["\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c"])
def test_other_signs_that_break_lines_are_part_of_a_cell(sign):
    assert rows(HEADING + f"item,1,xero,a{sign}b\n")[0]["externalId"] == f"a{sign}b"


@pytest.mark.parametrize(
    "text",
    [
        HEADING + ",,,\n" + ROW + ",,,\r\n\n  \n , ,,\n",
        "\n\n,,,\n" + HEADING + ROW,
        HEADING.replace("\n", ",,,\n") + ROW.replace("\n", ",,,\n") + ",,,,,,\n",
        HEADING.replace("\n", ",,\n") + ROW,
        HEADING + ROW.replace("\n", ",,\n"),
        HEADING + ROW + "\x1a",
        semicolons(HEADING.replace("\n", ",\n") + ROW.replace("\n", ",\n")) + ";;;;\n",
        HEADING + '"","","",""\n' + ROW.replace("\n", ',""\n'),
        tabs(HEADING + ",,,\n" + ROW),
        " entityType , entityId,integration ,externalId\n" + ROW,
        '"\ufeffentityType",entityId,integration,externalId\n' + ROW,
        "\ufeff\ufeff" + HEADING + ROW,
    ],
    ids=lambda text: repr(text)[:30],
)
def test_blank_rows_blank_columns_at_the_end_and_blanks_around_names_are_passed_over(text):
    assert rows(text) == [GIVEN]


def test_a_cell_behind_the_last_column_that_is_not_blank_refuses_its_row():
    _, found = read(HEADING + ROW + "item,2,xero,A,,B\n").records
    assert found.reason == "6 fields where the first line names 4 columns"


def test_the_columns_of_a_report_are_passed_over():
    text = "line,entityType,entityId,integration,externalId,code,reason,holderMappingId\n7,item,1,xero,Größe 7,x,y,z\n"
    assert rows(text) == [GIVEN]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("externalID", "externalId"),
        ("external_id", "externalId"),
        ("External Id", "externalId"),
        ("EXTERNALID", "externalId"),
        ("extenalId", "externalId"),
        ("last-synced-at", "lastSyncedAt"),
        ("Metadaten", "metadata"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_known_one(name, meant):
    said = refused(f"entityType,entityId,integration,{name}\nitem,1,xero,A\n")
    assert repr(name) in said
    assert said.endswith(f"Did you mean {meant}?")


def test_several_unknown_names_are_told_with_their_nearest_ones():
    said = refused("entity_type;entity_id;integration\nitem;1;xero\n")
    assert said.endswith("Did you mean entityType for 'entity_type', entityId for 'entity_id'?")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("item,1,xero,A\n", "The first line must name the columns, divided by commas, semicolons or tabs."),
        (HEADING.replace(",", "|"), "The first line must name the columns, divided by commas, semicolons or tabs."),
        ("entityType,entityId,,integration\n", "Column 3 of the file has no name in the first line."),
        ("entityType;entityId;integration;entityId\n", "The file names the column entityId twice."),
        ("entityType,entityId,integration, entityId \n", "The file names the column entityId twice."),
        (",,,\n\n", "The file is empty; its first line must name the columns."),
        ("", "The file is empty; its first line must name the columns."),
        ("sep=;\n", "The file is empty; its first line must name the columns."),
        ("<html><table><tr><td>entityType</td></tr></table></html>", "The file is a web page (HTML) or XML"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "The file is an .xls workbook or one that is protected by a password"),
        ("\r\n  <!DOCTYPE html><html>", "The file is a web page (HTML) or XML"),
        ("<html>".encode("utf-16"), "The file is a web page (HTML) or XML"),
        (json.dumps(GIVEN), "The file is JSON; give --format ndjson (one object a line)."),
        (json.dumps([GIVEN], indent=1), "The file is JSON"),
        (b"%PDF-1.7", "The file is a PDF"),
        ('entityType,"entity\nId"\n', "a quote opens here and is not closed on this line"),
        ('"entityType", "entityId"\n', "a quote inside the field"),
        (b"entityTyp\xe9\n", "0xe9, is not UTF-8; save the file as UTF-8"),
        (gzip.compress(HEADING.encode(), mtime=0)[:9], "the packed file breaks off here"),
        (b"\x1f\x8bnothing of gzip", "the packed file is damaged from here on"),
        ("a" * (RECORD_BYTES_MAX + 1), "it is longer than 1,000,000 bytes"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_file_without_a_heading_is_refused_with_the_reason(text, said):
    assert said in refused(text)


@pytest.mark.parametrize("form", ["xlsx", "ods"])
def test_text_is_no_workbook(form):
    assert refused(HEADING, form) == "The file is no workbook but text; give --format csv, tsv, ndjson or spreadsheet."
    assert refused("", form) == "The file is empty."


def test_only_a_heading_is_a_file_without_rows():
    assert rows(HEADING.rstrip("\n")) == []


def test_windows_1252_refuses_the_rows_that_are_not_ascii_alone():
    first, second = read((HEADING + "item,1,xero,A\n" + ROW).encode("cp1252")).records
    assert cells(first)["externalId"] == "A"
    assert second.reason == "byte 15 of the line, 0xf6, is not UTF-8; save the file as UTF-8"


def test_half_of_a_surrogate_pair_in_utf_16_refuses_its_row_alone():
    text = (HEADING + "item,1,xero,\ud83d\nitem,2,xero,B\n").encode("utf-16", "surrogatepass")
    first, second = read(text).records
    assert first.reason == "it holds half of a surrogate pair, which PostgreSQL cannot store"
    assert cells(second)["externalId"] == "B"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress((HEADING + ROW * 5_000).encode(), 0, mtime=0)[:-50_000], "the packed file breaks off here"),
        ((HEADING + ROW).encode("utf-16")[:-1], "the text is not UTF-16 from here on"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "spreadsheet"])
def test_a_file_that_breaks_off_lands_up_to_there(content, said, form):
    *landed, last = read(content, form=form).records
    assert all(cells(record) for record in landed)
    assert last.reason == said


def test_a_packed_file_may_unpack_to_so_many_bytes():
    bomb = gzip.compress((HEADING + ROW).encode() + b"\n" * 3_000_000)
    *_, last = read(bomb, bytes_max=1_000_000).records
    assert last.reason == "the file unpacks to more than 1,000,000 bytes; what follows was not read"


def test_the_mended_lines_of_a_report_in_ndjson_are_a_file():
    line = {**GIVEN, "line": 7, "code": "23505", "reason": "…", "holderEntityId": "2"}
    assert rows(json.dumps(line) + "\n", "ndjson") == [GIVEN]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", "csv"),
        ("A.CSV", "csv"),
        ("a.csv.gz", "csv"),
        ("a.tsv", "tsv"),
        ("a.tab.gz", "tsv"),
        ("a.ndjson", "ndjson"),
        ("a.jsonl", "ndjson"),
        ("a.xlsx", "xlsx"),
        ("a.xlsm", "xlsx"),
        ("a.ods", "ods"),
        ("a.xls", "xlsx"),
    ],
)
def test_the_ending_tells_the_format(name, form):
    assert format_of(name, None) == form


@pytest.mark.parametrize("name", ["a.txt", "a.gz", "a", "-", "a.json", ".csv"])
def test_without_a_known_ending_all_formats_are_named(name):
    with pytest.raises(FileRefusedError) as found:
        format_of(name, None)
    assert all(form in str(found.value) for form in FORMATS)
