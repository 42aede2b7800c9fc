# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""The formats of files on the command line: what is read, what is written, and reports that are mended."""

import csv
import gzip
import json

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
    refused = command("export", "--company", company, *MAPPINGS, "--filter", "limit=1")
    assert (refused.code, refused.err.startswith("An export takes filters alone")) == (1, True)


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
