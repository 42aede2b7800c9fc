# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
import csv
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest
from installed import command, company, new_folder, tieline  # noqa: F401 -- fixtures

EXAMPLE = Path(__file__).parents[2] / "examples" / "bioregistry"
HEADER = "entityType,entityId,integration,externalId\n"


@pytest.fixture
def take(command, company):
    def run(file, what="mappings", *options, **more):
        return command("import", file, "--company", company, "--what", what, *options, **more)

    return run


def test_the_example_lands_but_for_four_rows(take):
    assert take(EXAMPLE / "systems.csv", "systems").out == (
        "33 created, 0 updated, 0 unchanged, 0 skipped, 0 refused\n"
    )
    assert take(EXAMPLE / "elements.csv", "elements").out.startswith("2,937 created")
    first = take(EXAMPLE / "mappings.csv")
    assert (first.code, first.out) == (1, "7,678 created, 0 updated, 0 unchanged, 0 skipped, 4 refused\n")
    assert first.err == (
        "line 3303: 'Q50018' is held by element 1153, by line 3284 of this file\n"
        "line 5083: 'Q7187' is held by element 766, by line 2136 of this file\n"
        "line 6461: 'Q113989515' is held by element 2210, by line 6460 of this file\n"
        "line 6462: 'Q113989515' is held by element 2210, by line 6460 of this file\n"
    )
    again = take(EXAMPLE / "mappings.csv", "mappings", "--on-conflict", "skip")
    assert (again.code, again.out) == (0, "0 created, 0 updated, 7,678 unchanged, 4 skipped, 0 refused\n")


def test_a_file_whose_form_is_unclear_is_refused(take, tmp_path):
    file = tmp_path / "mappings.txt"
    file.write_text(HEADER)
    refused = take(file)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.endswith("give --format csv or --format ndjson.\n")
    assert take(file, "mappings", "--format", "csv").code == 0


@pytest.mark.parametrize(("name", "reason"), [("absent.csv", "No such file or directory"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_refused(take, tmp_path, name, reason):
    refused = take(tmp_path / name, "mappings", "--format", "csv")
    assert (refused.code, refused.err) == (1, f"The file {tmp_path / name} cannot be read: {reason}.\n")


def test_a_file_that_breaks_off_lands_up_to_there(take):
    text = HEADER + 'item,1,xero,A\nitem,2,xero,"B'
    ended = take("-", "mappings", "--format", "csv", stdin=text)
    assert (ended.code, ended.out) == (1, "1 created, 0 updated, 0 unchanged, 0 skipped, 1 refused\n")
    assert ended.err == "line 3: a quote opens here and is not closed before the end of the file\n"


def test_a_dry_run_says_so(take, command, company):
    dry = take("-", "mappings", "--format", "csv", "--dry-run", stdin=HEADER + "item,1,xero,A\n")
    assert dry.out == "1 created, 0 updated, 0 unchanged, 0 skipped, 0 refused (dry run: nothing was changed)\n"
    assert command("export", "--company", company, "--what", "mappings").out.count("\n") == 1


def test_many_refused_rows_are_counted_and_the_report_has_them_all(take, tmp_path):
    text = HEADER + "item,,xero,A\n" * 1_500
    report = tmp_path / "refused.csv"
    ended = take("-", "mappings", "--format", "csv", "--report", report, stdin=text)
    assert ended.err.splitlines()[-1] == "… and 500 more refused rows; --report FILE writes them all."
    with report.open(newline="") as file:
        assert list(csv.reader(file))[-1] == ["1501", "entityId is missing"]


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


def test_an_interrupt_ends_an_import_without_a_traceback(tieline, database, company):
    arguments = ["import", "-", "--company", company, "--what", "mappings", "--format", "csv"]
    importing = subprocess.Popen(
        # Processes that are started in the background ignore the signal, and pass that on to the tests.
        ["env", "--default-signal=INT", tieline, *arguments],
        env={**os.environ, "TIELINE_DATABASE_URL": database.dsn},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    importing.stdin.write(HEADER.encode())
    importing.stdin.flush()
    # The import has looked at the table and waits for its first batch, which does not come.
    is_waiting = """select pid from pg_stat_activity
        where datname = current_database() and state = 'idle' and position('analyze' in query) > 0"""
    end = time.monotonic() + 30
    while not database.execute(is_waiting):
        assert time.monotonic() < end
        time.sleep(0.05)
    importing.send_signal(signal.SIGINT)
    with importing.stderr:
        said = importing.stderr.read()
    importing.stdin.close()
    assert (importing.wait(60), b"Traceback" in said) == (130, False)
