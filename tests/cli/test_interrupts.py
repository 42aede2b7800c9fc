# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""Ctrl-C, SIGTERM and a database that goes away while a file goes in or out."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager

import psycopg
import pytest
from installed import command, company, new_folder, tieline  # noqa: F401 -- fixtures

from conftest import new_database
from tieline.transfer.load import BATCH_ROWS_MAX

HEADING = "entityType,entityId,integration,externalId\n"
BATCH = "".join(f"item,{number},xero,{number}\n" for number in range(BATCH_ROWS_MAX))
SECONDS_MAX = 60
OURS = "pg_stat_activity where datname = current_database() and application_name = 'tieline'"
IS_IDLE = f"select state = 'idle' from {OURS}"
IS_HELD = f"select wait_event_type = 'Lock' from {OURS}"
END = f"select pg_terminate_backend(pid) from {OURS}"
AGAIN = "did not land. Import them again, under the first line of the file.\n"


@pytest.fixture(scope="module")
def database(postgres):
    """A database without other sessions of Tieline."""
    with new_database(postgres) as made:
        yield made


@pytest.fixture
def start(tieline, database, company):
    """Start a command on the company."""
    started = []

    def run(name, *arguments):
        started.append(
            subprocess.Popen(
                # Processes that are started in the background ignore the signal, and pass that on to the tests.
                ["env", "--default-signal=INT", tieline, name, *arguments, "--company", company, "--what", "mappings"],
                env={**os.environ, "TIELINE_DATABASE_URL": database.dsn},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def until(condition):
    end = time.monotonic() + SECONDS_MAX
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come to this"
        time.sleep(0.05)
    return found


def ended(process, text=None):
    out, err = process.communicate(text, timeout=SECONDS_MAX)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def is_so(database, statement):
    return lambda: (True,) in database.execute(statement)


def landed(database, company):
    count = 'select count(*) from tieline."externalIntegrationMapping" where "companyId" = %s'
    return database.execute(count, company)[0][0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_says_what_landed_and_what_did_not(start, database, company, number):
    process = start("import", "-", "--format", "csv")
    process.stdin.write(HEADING + BATCH + "item,last,xero,last\n")
    process.stdin.flush()
    until(lambda: landed(database, company) == BATCH_ROWS_MAX)
    until(is_so(database, IS_IDLE))
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out.split(",")[:2]) == (128 + number, ["10", "000 created"])
    # The next row may have been read already.
    assert err in {f"Interrupted. The rows {rest} {AGAIN}" for rest in ("from line 10,002 on", "after line 10,001")}


def test_an_import_that_is_interrupted_before_its_first_batch_says_that_no_row_landed(start, database):
    process = start("import", "-", "--format", "csv")
    process.stdin.write(HEADING)
    process.stdin.flush()
    until(is_so(database, IS_IDLE))
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out.startswith("0 created"), err) == (130, True, "Interrupted. No row landed.\n")


@pytest.mark.parametrize("count", [1, 2])
def test_an_interrupt_waits_for_the_batch_under_way_and_a_second_one_does_not(start, database, company, count):
    add = """insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)
        values (%s, 'item', '0', 'xero')"""
    database.execute(add, company)
    with psycopg.connect(database.dsn) as holder:
        hold = 'select from tieline."externalIntegrationMapping" where "companyId" = %s for update'
        holder.execute(hold, (company,))
        process = start("import", "-", "--format", "csv")
        process.stdin.write(HEADING + BATCH)
        process.stdin.flush()
        until(is_so(database, IS_HELD))
        process.send_signal(signal.SIGINT)
        if count == 1:
            time.sleep(0.3)
            assert process.poll() is None
        else:
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS_MAX) == 130
        holder.rollback()
    code, out, err = ended(process)
    assert code == 130
    if count == 1:
        assert out.startswith("9,999 created, 1 updated")
        assert err == f"Interrupted. The rows after line 10,001 {AGAIN}"
    else:
        assert out.startswith("0 created")
        assert err.startswith("Interrupted. Whether the batch that was under way landed is not known. ")


def test_a_database_that_goes_away_is_told_with_what_landed(start, database, company):
    process = start("import", "-", "--format", "csv")
    process.stdin.write(HEADING + BATCH)
    process.stdin.flush()
    until(lambda: landed(database, company) == BATCH_ROWS_MAX)
    until(is_so(database, IS_IDLE))
    assert database.execute(END) == [(True,)]
    code, out, err = ended(process, "item,last,xero,last\n")
    assert (code, out.split(",")[:2]) == (1, ["10", "000 created"])
    assert err.endswith((f". The rows from line 10,002 on {AGAIN}", f". The rows after line 10,001 {AGAIN}"))


@pytest.fixture
def held(database):
    """An export waits as long as the context lasts: the table is locked."""

    @contextmanager
    def run():
        with psycopg.connect(database.dsn) as holder:
            holder.execute('lock table tieline."externalIntegrationMapping" in access exclusive mode')
            yield lambda: until(is_so(database, IS_HELD))
            holder.rollback()

    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_leaves_no_file(start, held, tmp_path, number):
    with held() as until_it_waits:
        process = start("export", "--output", tmp_path / "all.csv")
        until_it_waits()
        assert list(tmp_path.glob(".all.csv.*.part"))
        process.send_signal(number)
        assert ended(process) == (128 + number, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "rest"),
    [(["--output", "all.csv"], "No file was written."), ([], "What was written is not the whole.")],
)
def test_an_export_whose_database_goes_away_says_so(start, held, database, tmp_path, options, rest):
    with held() as until_it_waits:
        process = start("export", *(tmp_path / option if option == "all.csv" else option for option in options))
        until_it_waits()
        assert database.execute(END) == [(True,)]
        code, out, err = ended(process)
    assert (code, out) == (1, "")
    assert err == f"The export stopped: The database cannot be reached now. {rest}\n"
    assert list(tmp_path.iterdir()) == []
