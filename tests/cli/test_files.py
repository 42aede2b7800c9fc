# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""The formats of files on the command line: what is read, what is written, and reports that are mended."""

import csv
import gzip
import json
from datetime import date

import pytest
from installed import command, company, new_folder, tieline  # noqa: F401 -- fixtures
from workbooks import xlsx

NAMES = ("entityType", "entityId", "integration", "externalId")
HEADING = ",".join(NAMES) + "\n"
MAPPINGS = ("--what", "mappings")


@pytest.fixture
def take(command, company):
    def run(file, *options, **more):
        return command("import", file, "--company", company, *MAPPINGS, *options, **more)

    return run


@pytest.fixture
def external_ids(command, company):
    """The external ids of the company's mappings by their entities."""

    def run():
        lines = command("export", "--company", company, *MAPPINGS, "--format", "ndjson").out.splitlines()
        return {row["entityId"]: row["externalId"] for row in map(json.loads, lines)}

    return run


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.tsv", (HEADING + "item,1,xero,007\n").replace(",", "\t").encode("utf-16")),
        ("m.csv.gz", gzip.compress((HEADING + "item,1,xero,007\n").replace(",", ";").encode())),
        ("m.csv", xlsx(NAMES, ("item", 1, "xero", "007"))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_is_read_by_its_ending_and_its_content(take, external_ids, tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content)
    assert take(file).out.startswith("1 created")
    assert external_ids() == {"1": "007"}


def test_a_sheet_is_read_by_its_name(take, external_ids, tmp_path):
    file = tmp_path / "m.xlsx"
    file.write_bytes(xlsx(("Notes",), sheets=[("Ids", "visible", [NAMES, ("item", "1", "xero", "007")])]))
    unknown = take(file)
    assert (unknown.code, "The file names a column 'Notes'" in unknown.err) == (1, True)
    assert take(file, "--sheet", "Ids").code == 0
    assert external_ids() == {"1": "007"}


@pytest.mark.parametrize("name", ["out.tsv", "out.csv.gz"])
def test_an_export_has_the_format_of_its_ending_and_is_taken_back(take, command, company, tmp_path, name):
    take("-", "--format", "csv", stdin=HEADING + 'item,1,xero,"a\tb,c;d"\n')
    file = tmp_path / name
    assert command("export", "--company", company, *MAPPINGS, "--output", file).code == 0
    assert file.read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")
    assert take(file).out.startswith("0 created, 0 updated, 1 unchanged")


def test_filters_choose_what_is_exported(take, command, company):
    take("-", "--format", "csv", stdin=HEADING + "item,1,xero,a&b\nitem,2,xero,C\nitem,3,sap,a&b\n")
    options = ("--filter", "externalId=eq.a&b", "--filter", "integration=eq.xero")
    exported = command("export", "--company", company, *MAPPINGS, *options).out
    assert [row["entityId"] for row in csv.DictReader(exported.splitlines())] == ["1"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("limit=1", "An export takes filters alone, such as integration=eq.xero or lastSyncedAt=is.null. It writes"),
        ("integration", "'integration' is no filter; one is column=operator.value."),
        ("", "--filter is empty; one is column=operator.value, such as integration=eq.xero."),
        ("integration=xero", '"failed to parse filter (xero)" (line 1, column 1). unexpected "x" expecting "not" or'),
        ("integratio=eq.x", "column externalIntegrationMapping.integratio does not exist. Perhaps you meant to"),
    ],
)
def test_what_is_no_filter_is_refused_and_nothing_is_exported(command, company, given, said):
    refused = command("export", "--company", company, *MAPPINGS, "--filter", given)
    assert (refused.code, refused.out, refused.err[: len(said)]) == (1, "", said)


def test_no_workbooks_are_written(command, company):
    refused = command("export", "--company", company, *MAPPINGS, "--format", "xlsx")
    assert (refused.code, refused.out) == (1, "")
    assert "written as csv, tsv, ndjson or spreadsheet, not as xlsx" in refused.err


REFUSED = [("item", "2", "xero", "A"), ("item", "", "xero", "B")]


@pytest.mark.parametrize(("form", "separator"), [("csv", ";"), ("spreadsheet", "\t")])
def test_a_mended_report_is_imported_again(take, external_ids, tmp_path, separator, form):
    take("-", "--format", "csv", stdin=HEADING + "item,1,xero,A\n")
    text = "\n".join(separator.join(row) for row in [NAMES, *REFUSED]) + "\n"
    report = tmp_path / "report.csv"
    assert take("-", "--format", form, "--report", report, stdin=text).code == 1
    with report.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    assert list(rows[0]) == [*NAMES, "line", "code", "reason", "holderEntityType", "holderEntityId", "holderMappingId"]
    told = {(row["line"], row["code"], row["holderEntityId"]) for row in rows}
    assert told == {("2", "23505", "1"), ("3", "22023", "")}
    for row in rows:
        row.update({"externalId": "C"} if row["line"] == "2" else {"entityId": "3"})
    with report.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    again = take(report, "--format", form)
    assert (again.code, again.out.split(",")[0]) == (0, "2 created"), again.err
    assert external_ids() == {"1": "A", "2": "C", "3": "B"}


def test_the_report_of_a_sheet_has_its_cells_and_the_numbers_of_its_rows(take, tmp_path):
    file, report = tmp_path / "m.xlsx", tmp_path / "report.tsv"
    file.write_bytes(xlsx(NAMES, ("item", 17, "xero", "#N/A"), ("item", 18, "xero", "B")))
    assert take(file, "--report", report).code == 1
    with report.open(newline="") as text:
        [row] = csv.DictReader(text, delimiter="\t")
    assert (row["line"], row["entityId"], row["reason"]) == ("2", "17", "externalId is #N/A, not a value")


def lines(*rows):
    return "".join(json.dumps({"entityType": "item", "integration": "xero", **row}) + "\n" for row in rows)


def test_a_report_in_ndjson_leaves_out_what_the_line_left_out(take, command, company, tmp_path):
    held = {"entityId": "1", "externalId": "A", "link": "https://x.example/1", "metadata": "text"}
    take("-", "--format", "ndjson", stdin=lines(held, {"entityId": "2", "link": "https://x.example/2"}))
    report = tmp_path / "report.ndjson"
    wanted = {"entityId": "2", "externalId": "A", "metadata": "1.10", "allowDuplicateExternalId": False}
    take("-", "--format", "ndjson", "--report", report, stdin=lines(wanted))
    told = json.loads(report.read_text())
    assert {name: told[name] for name in wanted} == wanted
    assert (told["line"], told["holderEntityId"], "link" in told) == (1, "1", False)
    report.write_text(report.read_text().replace('"A"', '"B"'))
    assert take(report).out.startswith("0 created, 1 updated")
    exported = command("export", "--company", company, *MAPPINGS, "--format", "ndjson").out.splitlines()
    second = json.loads(exported[1])
    assert (second["externalId"], second["link"]) == ("B", "https://x.example/2")


def test_a_report_in_csv_of_ndjson_has_the_columns_that_its_rows_give(take, tmp_path):
    report = tmp_path / "report.csv"
    take("-", "--format", "ndjson", "--report", report, stdin=lines({"entityId": "1"}, {"entityId": " ", "link": "x"}))
    with report.open(newline="") as file:
        [row] = csv.DictReader(file)
    assert list(row)[:5] == ["entityType", "entityId", "integration", "link", "line"]


def test_a_report_does_not_overwrite_its_file(take, tmp_path):
    file = tmp_path / "m.csv"
    file.write_text(HEADING)
    refused = take(file, "--report", file)
    assert refused.err == f"The report would overwrite the file {file} that is imported.\n"
    assert file.read_text() == HEADING


def test_an_import_keeps_to_the_limits_of_the_settings(take, tmp_path):
    file = tmp_path / "m.csv"
    file.write_text(HEADING.replace("externalId", "externalId,metadata") + f'item,1,xero,007,"""{"x" * 99}"""\n')
    refused = take(file, TIELINE_METADATA_BYTES_MAX="100")
    assert (refused.code, "metadata" in refused.err) == (1, True)
    assert take(file, TIELINE_METADATA_BYTES_MAX="101").code == 0


def test_a_report_of_ndjson_has_the_members_of_rows_that_could_not_be_read(take, external_ids, tmp_path):
    number = {"entityType": "item", "entityId": 7, "integration": "xero", "externalId": "A", "metadata": {"n": 1.10}}
    misspelt = {"entityType": "item", "entityId": "8", "integration": "xero", "externalID": "B"}
    report = tmp_path / "report.ndjson"
    take("-", "--format", "ndjson", "--report", report, stdin="\n".join(map(json.dumps, [number, misspelt])))
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert [row.pop("reason") for row in told] == [
        "entityId is a number; write it as a string, so that no digit is lost",
        "externalID is not one of the columns. Did you mean externalId?",
    ]
    assert [{name: row[name] for name in row if name not in ("line", "code")} for row in told] == [
        {**number, "entityId": "7"},
        misspelt,
    ]
    report.write_text(report.read_text().replace("externalID", "externalId"))
    assert take(report).code == 0
    assert external_ids() == {"7": "A", "8": "B"}


def test_a_report_in_csv_keeps_names_that_are_no_columns(take, tmp_path):
    report = tmp_path / "report.csv"
    line = '{"entityType": "item", "entityId": "8", "integration": "xero", "externalID": "B"}'
    take("-", "--format", "ndjson", "--report", report, stdin=line)
    refused = take(report)
    assert (refused.code, refused.err.strip().endswith("Did you mean externalId?")) == (1, True)


@pytest.mark.parametrize("name", ["no/folder/report.csv", "."])
def test_a_report_that_cannot_be_written_is_named(take, external_ids, tmp_path, name):
    file = tmp_path / "m.csv"
    file.write_text(HEADING + "item,1,xero,A\n")
    refused = take(file, "--report", tmp_path / name)
    assert (refused.code, refused.err.startswith(f"The report {tmp_path / name} cannot be written: ")) == (1, True)
    assert external_ids() == {}


def test_a_row_in_an_unknown_system_is_told_the_names_that_look_like_it(command, take, company, tmp_path):
    strict = f"{company}-strict"
    command("company", "add", strict, "--strict")
    command("system", "set", "hubspot", "--company", strict)
    report = tmp_path / "report.csv"
    given = ("--company", strict, *MAPPINGS, "--format", "csv", "--report", report)
    refused = command("import", "-", *given, stdin=HEADING + "item,1,hubpsot,A\n")
    said = "The company has no external system 'hubpsot', and it is strict. Did you mean 'hubspot'?"
    assert (refused.code, refused.err.strip()) == (1, f"line 2: {said}")
    with report.open(newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file)] == [said]


def test_a_cell_that_a_spreadsheet_has_spoilt_does_not_land_by_way_of_the_report(take, external_ids, tmp_path):
    file, report = tmp_path / "m.xlsx", tmp_path / "report.csv"
    ids = [date(2026, 3, 4), 1234567890123456, True]
    file.write_bytes(xlsx(NAMES, *(("item", str(number), "xero", one) for number, one in enumerate(ids))))
    told = take(file, "--report", report).err
    again = take(report)
    assert (again.code, again.out[:10]) == (1, "0 created,")
    assert again.err.count("externalId must not be blank") == told.count("externalId is") == len(ids)
    report.write_text(report.read_text().replace(", ,", ",3-4,", 1))
    assert take(report).out.startswith("1 created")
    assert external_ids() == {"0": "3-4"}
