# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
import csv
import os
import pty
import subprocess
from pathlib import Path

import pytest
from installed import command, company, new_folder, tieline  # noqa: F401 -- fixtures

EXAMPLE = Path(__file__).parents[2] / "examples" / "bioregistry"
HEADER = "entityType,entityId,integration,externalId\n"


def summary(**counts: int) -> str:
    """The last line of an import: what is not given is 0."""
    words = ("created", "updated", "unchanged", "kept", "moved", "skipped", "refused")
    said = [f"{counts.get(word, 0):,} {word}" for word in words]
    said[4] += f" ({counts.get('moved', 0):,} ids taken from others)"
    return ", ".join(said)


@pytest.fixture
def take(command, company):
    def run(file, what="mappings", *options, **more):
        return command("import", file, "--company", company, "--what", what, *options, **more)

    return run


def test_the_example_lands_but_for_four_rows(take):
    assert take(EXAMPLE / "systems.csv", "systems").out == (summary(created=33) + "\n")
    assert take(EXAMPLE / "elements.csv", "elements").out.startswith("2,937 created")
    first = take(EXAMPLE / "mappings.csv")
    assert (first.code, first.out) == (
        1,
        summary(created=7_678, refused=4) + "\n",
    )
    assert first.err == (
        "line 3303: The external id is held by element 1153 in wikidata.entity (see line 3284)\n"
        "line 5083: The external id is held by element 766 in wikidata.entity (see line 2136)\n"
        "line 6461: The external id is held by element 2210 in wikidata.entity (see line 6460)\n"
        "line 6462: The external id is held by element 2210 in wikidata.entity (see line 6460)\n"
    )
    again = take(EXAMPLE / "mappings.csv", "mappings", "--on-conflict", "skip")
    assert (again.code, again.out) == (
        0,
        summary(unchanged=7_678, skipped=4) + "\n",
    )


def test_a_file_whose_form_is_unclear_is_refused(take, tmp_path):
    file = tmp_path / "mappings.txt"
    file.write_text(HEADER)
    refused = take(file)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.endswith("give --format csv, tsv, ndjson, spreadsheet, xlsx or ods.\n")
    assert take(file, "mappings", "--format", "csv").code == 0


@pytest.mark.parametrize(("name", "reason"), [("absent.csv", "No such file or directory"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_refused(take, tmp_path, name, reason):
    refused = take(tmp_path / name, "mappings", "--format", "csv")
    assert (refused.code, refused.err) == (1, f"The file {tmp_path / name} cannot be read: {reason}.\n")


def test_a_file_that_breaks_off_lands_up_to_there(take):
    text = HEADER + 'item,1,xero,A\nitem,2,xero,"B'
    ended = take("-", "mappings", "--format", "csv", stdin=text)
    assert (ended.code, ended.out) == (
        1,
        summary(created=1, refused=1) + "\n",
    )
    assert ended.err == "line 3: a quote opens here and is not closed before the end of the file\n"


def test_a_dry_run_says_so(take, command, company):
    dry = take("-", "mappings", "--format", "csv", "--dry-run", stdin=HEADER + "item,1,xero,A\n")
    assert dry.out == summary(created=1) + " (dry run: nothing was changed)" + "\n"
    assert command("export", "--company", company, "--what", "mappings").out.count("\n") == 1


def test_many_refused_rows_are_counted_and_the_report_has_them_all(take, tmp_path):
    text = HEADER + "item,,xero,A\n" * 1_500
    report = tmp_path / "refused.csv"
    ended = take("-", "mappings", "--format", "csv", "--report", report, stdin=text)
    assert ended.err.splitlines()[-1] == "… and 500 more refused rows; --report FILE writes them all."
    with report.open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert (last["line"], last["code"], last["reason"]) == ("1501", "22023", "entityId is missing")
    assert (last["entityType"], last["integration"], last["externalId"]) == ("item", "xero", "A")


def test_the_report_says_who_holds_an_id_and_who_lost_one(take, tmp_path):
    take("-", "mappings", "--format", "csv", stdin=HEADER + "item,1,xero,A\nitem,2,xero,B\n")
    report = tmp_path / "report.csv"
    rows = HEADER + "item,3,xero,A\nitem,2,xero,B\nitem,4,xero,B\n"
    ended = take("-", "mappings", "--format", "csv", "--on-conflict", "move", "--report", report, stdin=rows)
    assert ended.out == summary(created=1, unchanged=1, moved=1, refused=1) + "\n"
    with report.open(newline="") as file:
        refused, moved = csv.DictReader(file)
    assert (refused["line"], refused["code"], refused["holderEntityId"]) == ("4", "23505", "2")
    assert (moved["line"], moved["code"], moved["holderEntityId"]) == ("2", "moved", "1")
    assert moved["externalId"] == "A"


def test_the_report_has_no_nul_for_text_that_cannot_be_stored(take, tmp_path):
    key = '"entityType": "item", "integration": "xero"'
    lines = rf'{{{key}, "entityId": "a\u0000"}}' + "\n" + rf'{{{key}, "entityId": "1", "externalId": "\ud83d"}}' + "\n"
    take("-", "mappings", "--format", "ndjson", "--report", tmp_path / "report.csv", stdin=lines)
    with (tmp_path / "report.csv").open(newline="") as file:
        nul, half = csv.DictReader(file)
    assert (nul["entityId"], half["externalId"]) == ("a\ufffd", "\ufffd")


def test_an_import_that_only_adds_keeps_what_is_linked(take, command, company):
    take("-", "mappings", "--format", "csv", stdin=HEADER + "item,1,xero,GOOD\n")
    rows = HEADER + "item,1,xero,GUESS\nitem,2,xero,NEW\n"
    ended = take("-", "mappings", "--format", "csv", "--on-existing", "keep", stdin=rows)
    assert ended.out == summary(created=1, kept=1) + "\n"
    exported = command("export", "--company", company, "--what", "mappings").out
    assert ("GOOD" in exported, "GUESS" in exported, "NEW" in exported) == (True, False, True)


def test_an_export_is_taken_back_by_another_company(take, command, company, tmp_path):
    take("-", "mappings", "--format", "csv", stdin=HEADER + 'item,007,xero,"a,b"\n')
    file = tmp_path / "mappings.ndjson"
    written = command("export", "--company", company, "--what", "mappings", "--output", file)
    assert (written.code, written.out, written.err) == (0, "", "")
    command("company", "add", f"{company}-2")
    assert command("import", file, "--company", f"{company}-2", "--what", "mappings").code == 0
    again = command("export", "--company", f"{company}-2", "--what", "mappings", "--format", "ndjson")
    assert again.out == file.read_text()
    assert list(tmp_path.iterdir()) == [file]


def test_an_export_that_cannot_be_written_is_refused(command, company, tmp_path):
    file = tmp_path / "absent" / "mappings.csv"
    refused = command("export", "--company", company, "--what", "mappings", "--output", file)
    assert (refused.code, refused.err) == (1, f"The file {file} cannot be written: No such file or directory.\n")


def test_an_export_ends_quietly_when_its_reader_has_enough(take, tieline, database, company):
    rows = "".join(f"item,{number},xero,{'X' * 200}{number}\n" for number in range(9_000))
    take("-", "mappings", "--format", "csv", stdin=HEADER + rows)
    exporting = subprocess.Popen(
        [tieline, "export", "--company", company, "--what", "mappings"],
        env={**os.environ, "TIELINE_DATABASE_URL": database.dsn},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    exporting.stdout.readline()
    exporting.stdout.close()
    with exporting.stderr:
        assert exporting.stderr.read() == b""
    assert exporting.wait(60) == 1


def test_progress_is_shown_on_a_terminal_alone(tieline, database, company):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TIELINE_DATABASE_URL": database.dsn, "TERM": "xterm"}
    arguments = ["import", EXAMPLE / "elements.csv", "--company", company, "--what", "elements"]
    done = subprocess.run([tieline, *arguments], env=environment, stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 65_536)
    os.close(ours)
    assert b"elements.csv" in shown
    assert done.stdout.startswith(b"2,937 created")
