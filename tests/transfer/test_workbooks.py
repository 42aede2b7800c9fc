# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""Sheets of .xlsx and .ods files as tables."""

import gzip
import io
import json
import zipfile
from datetime import date, datetime, time, timedelta

import msgspec
import openpyxl
import pytest
from files_of_companies import ours, read  # noqa: F401 -- ours is a fixture
from workbooks import changed, ods, ods_row, ods_text, saved, xlsx

from tieline.settings import load
from tieline.transfer import records
from tieline.transfer.columns import Refused
from tieline.transfer.formats import FileRefusedError

HEADING = ("entityType", "entityId", "integration", "externalId")
SHEET = "xl/worksheets/sheet1.xml"


def rows(content, **more):
    found = list(read(content, **more).records)
    return [
        (one.line, one.reason) if isinstance(one, Refused) else (one.line, json.loads(msgspec.json.encode(one.row)))
        for one in found
    ]


def external_ids(content, **more):
    return [row["externalId"] for _, row in rows(content, **more)]


def refused(content, **more):
    with pytest.raises(FileRefusedError) as found:
        list(read(content, **more).records)
    return str(found.value)


def bounded(content, **bounds):
    """The reason why a workbook is refused under these bounds."""
    reading = records.reading(load({}, {f"TIELINE_{name.upper()}": str(value) for name, value in bounds.items()}))
    with pytest.raises(FileRefusedError) as found:
        list(records.read(io.BytesIO(content), "xlsx", "mappings", reading).records)
    return str(found.value)


@pytest.mark.parametrize("form", ["xlsx", "ods", "csv", "ndjson"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_workbook_is_one_by_its_content_whatever_its_name_says(form, pack):
    assert external_ids(pack(xlsx(HEADING, ("item", "1", "xero", "A"))), form=form) == ["A"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0012", "0012"),
        (" a/b,c;d ", " a/b,c;d "),
        ("two\nlines", "two\nlines"),
        ("Größe 😀", "Größe 😀"),
        ("=1+1", None),
        (17, "17"),
        (17.0, "17"),
        (-3, "-3"),
        (0, "0"),
        (1.5, "1.5"),
        (999_999_999_999_999, "999999999999999"),
        ("12345678901234567890", "12345678901234567890"),
        (None, None),
        ("", None),
    ],
)
def test_ids_stay_as_they_are_written(value, text):
    workbook = openpyxl.Workbook()
    workbook.active.append(HEADING)
    workbook.active.append(("item", "1", "xero", value))
    if value == "=1+1":
        workbook.active["D2"].value = None
    assert external_ids(saved(workbook)) == [text]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            2**53 + 1,
            "externalId is a number of more than 15 digits, of which a spreadsheet keeps 15; format its column",
        ),
        (10**15, "externalId is a number of more than 15 digits"),
        (1e300, "externalId is a number of more than 15 digits"),
        (date(2026, 3, 4), "externalId is a date in the sheet (2026-03-04); format its column as text"),
        (time(9, 30), "externalId is a date in the sheet (09:30:00)"),
        (timedelta(hours=30), "externalId is a date in the sheet"),
        (True, "externalId is a truth value in the sheet (true)"),
        ("#N/A", "externalId is #N/A, not a value"),
        ("#REF!", "externalId is #REF!, not a value"),
        ("=1/0", "externalId is a formula without a value, not a value"),
    ],
)
def test_an_id_that_the_spreadsheet_has_changed_or_lost_refuses_its_row_alone(value, reason):
    found = rows(xlsx(HEADING, ("item", "1", "xero", value), ("item", "2", "xero", "B")))
    assert found[0][0] == 2
    assert found[0][1].startswith(reason)
    assert found[1][1]["externalId"] == "B"


def test_the_value_of_a_formula_is_the_one_that_was_saved():
    formula = '<c r="D2" t="str"><f>A2&amp;B2</f><v>item1</v></c>'
    number = '<c r="D3"><f>1+1</f><v>2</v></c>'
    blank = '<c r="D4" t="str"><f>""</f><v></v></c>'
    content = xlsx(HEADING, ("item", "1", "xero", "@"), ("item", "2", "xero", "@"), ("item", "3", "xero", "@"))

    def write(text):
        for cell, wanted in (("D2", formula), ("D3", number), ("D4", blank)):
            start = text.index(f'<c r="{cell}"')
            text = text[:start] + wanted + text[text.index("</c>", start) + len("</c>") :]
        return text

    assert external_ids(changed(content, SHEET, write)) == ["item1", "2", None]


def test_dates_become_iso_times_where_a_column_holds_times():
    heading = (*HEADING[:3], "lastSyncedAt", "remoteUpdatedAt", "allowDuplicateExternalId", "metadata", "link")
    values = (datetime(2026, 3, 1, 10, 0, 30), date(2026, 3, 2), True, '{"a": 1}', date(2026, 3, 3))  # noqa: DTZ001
    [(_, row)] = rows(xlsx(heading, ("item", 1, "xero", *values)))
    assert row == {
        "entityType": "item",
        "entityId": "1",
        "integration": "xero",
        "lastSyncedAt": "2026-03-01T10:00:30",
        "remoteUpdatedAt": "2026-03-02",
        "allowDuplicateExternalId": True,
        "metadata": {"a": 1},
        "link": "2026-03-03",
    }


def test_lines_are_the_numbers_of_rows_and_blank_rows_and_columns_are_passed_over():
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for column, name in enumerate((*HEADING, None, None), 3):
        sheet.cell(4, column, name)
    for row, entity in ((7, "1"), (9, None), (11, "3")):
        for column, value in enumerate(("item", entity, "xero", "A", None, " "), 3):
            sheet.cell(row, column, value)
    sheet.cell(8, 3, "  ")
    found = rows(saved(workbook))
    assert [line for line, _ in found] == [7, 9, 11]
    assert found[1][1] == "entityId is missing"


def test_the_first_sheet_that_is_not_hidden_is_read_or_the_one_that_is_named():
    row = ("item", "1", "xero")
    second = ("Second", "visible", [HEADING, (*row, "B")])
    hidden = ("Hidden", "hidden", [HEADING, (*row, "C")])
    content = xlsx(HEADING, (*row, "A"), sheets=[second, hidden])
    assert external_ids(content) == ["A"]
    assert external_ids(content, sheet="Second") == ["B"]
    assert external_ids(content, sheet="Hidden") == ["C"]
    assert refused(content, sheet="Third") == "The workbook has no sheet 'Third'; it has 'First', 'Second'."
    workbook = openpyxl.load_workbook(io.BytesIO(content))
    workbook["First"].sheet_state = "hidden"
    workbook.active = 1
    assert external_ids(saved(workbook)) == ["B"]


def test_only_workbooks_have_sheets():
    assert refused(b"id,title\n", what="elements", sheet="A") == "Only workbooks have sheets, and the file is text."


def test_an_unknown_heading_and_an_empty_sheet_are_refused():
    assert refused(xlsx(("Entity Type", "entityId", "integration"))).endswith("Did you mean entityType?")
    assert refused(xlsx()) == "The sheet is empty; its first row must name the columns."


def test_an_ods_is_read_like_an_xlsx():
    typed = (
        '<table:table-cell office:value-type="float" office:value="17"><text:p>17</text:p></table:table-cell>'
        '<table:table-cell office:value-type="date" office:date-value="2026-03-01T10:00:00"><text:p>x</text:p>'
        "</table:table-cell>"
    )
    error = ods_text("#N/A").replace("<table:table-cell", '<table:table-cell calcext:value-type="error"')
    empty = '<table:table-cell table:formula="of:=A1"/>'
    content = ods(
        ods_row(*map(ods_text, ("entityType", "integration", "entityId", "lastSyncedAt")))
        + ods_row('<table:table-cell table:number-columns-repeated="1024"/>', repeated=2)
        + ods_row(ods_text("item"), ods_text("xero"), typed)
        + ods_row(ods_text("a<text:s text:c='2'/>b"), ods_text("xero"), ods_text("0012"))
        + ods_row(ods_text("item"), ods_text("xero"), error, repeated=2)
        + ods_row(ods_text("item"), ods_text("xero"), empty)
        + ods_row('<table:table-cell table:number-columns-repeated="1024"/>', repeated=1_048_000)
    )
    found = rows(content)
    assert found[0] == (
        4,
        {"entityType": "item", "integration": "xero", "entityId": "17", "lastSyncedAt": "2026-03-01T10:00:00"},
    )
    assert (found[1][1]["entityType"], found[1][1]["entityId"]) == ("a  b", "0012")
    assert found[2:4] == [(6, "entityId is a formula that failed, not a value"), (7, found[2][1])]
    assert found[4] == (8, "entityId is a formula without a value, not a value")


def test_a_cell_far_away_is_refused_before_it_takes_the_memory():
    workbook = openpyxl.Workbook()
    workbook.active.append(HEADING)
    workbook.active["XFD1048576"] = "x"
    assert "needs more than 600,000,000 bytes of memory (sheet_memory_bytes_max)" in refused(saved(workbook))


def test_cells_that_are_repeated_without_end_are_refused():
    content = ods(ods_row(ods_text("x", repeated=16_384), repeated=1_048_576))
    assert "repeats a cell more often than a sheet has cells" in refused(content)


def test_a_protected_ods_says_so():
    protected = changed(
        ods(ods_row()),
        "META-INF/manifest.xml",
        lambda text: text.replace("/>", "><manifest:encryption-data/></manifest:file-entry>"),
    )
    assert refused(protected) == "The workbook is protected by a password; save it without one."


def test_a_workbook_has_bounds_with_names():
    content = xlsx(HEADING, ("item", "1", "xero", "A"))
    assert bounded(content, sheet_bytes_max=1_000).endswith("is longer than 1,000 bytes (sheet_bytes_max).")
    assert bounded(content, sheet_unpacked_bytes_max=1_000).endswith("1,000 bytes (sheet_unpacked_bytes_max).")


def test_a_workbook_that_takes_too_long_is_refused():
    empty = "<row></row>" * 20_000_000
    content = changed(xlsx(HEADING), SHEET, lambda text: text.replace("<sheetData>", f"<sheetData>{empty}"))
    assert (
        bounded(content, sheet_seconds_max=1) == "The workbook takes more than 1 seconds to read (sheet_seconds_max)."
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04 and nothing more", "The workbook is damaged"),
        (xlsx(HEADING)[:-30], "The workbook is damaged"),
        (changed(xlsx(HEADING), SHEET, lambda text: text[:200]), "The workbook cannot be read"),
    ],
)
def test_a_damaged_workbook_is_refused(content, said):
    assert said in refused(content)


def test_a_workbook_whose_strings_take_the_memory_is_refused():
    content = xlsx(HEADING, ("item", "1", "xero", "A" * 1_000))
    assert "bytes of memory (sheet_memory_bytes_max)" in bounded(content, sheet_memory_bytes_max=60_000_000)


def test_a_zip_file_that_is_no_workbook_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as package:
        package.writestr("mappings.csv", "entityType")
    assert refused(stream.getvalue()) == "The file is a ZIP file, but neither an .xlsx nor an .ods workbook."


def test_a_row_that_is_too_long_is_refused_alone():
    long = tuple("A" * 32_000 for _ in range(40))
    found = rows(xlsx(HEADING, ("item", "1", "xero", "A", *long), ("item", "2", "xero", "B")))
    assert found[0] == (2, "longer than 1,000,000 bytes")
    assert found[1][1]["externalId"] == "B"


def test_a_workbook_lands(ours):
    assert ours.load("mappings", xlsx(HEADING, ("item", 17, "xero", "007")), "xlsx").counts == {"created": 1}
    assert ours.mappings() == [("17", "007")]
