"""Transactions of several steps, against a real server."""

import asyncio
import shutil
import threading
import time
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from cluster import Cluster
from tieline import settings
from tieline.postgres import embedded
from tieline.postgres.migrate import migrate
from tieline.postgres.pipeline import DatabaseError
from tieline.postgres.session import Session
from tieline.postgres.transactions import Transactions
from tieline.problems import Problem

NOBODY = Session("", "", "")
BACK_SECONDS_MAX = 30


def opened(dsn: str, act: Callable[[Transactions], Awaitable[None]], **given: int) -> None:
    """Run `act` with transactions of its own; `given` are settings that are not the default."""

    async def run() -> None:
        transactions = Transactions(dsn, settings.load({"data_dir": "/nonexistent", **given}, {}))
        transactions.open()
        try:
            await asyncio.wait_for(act(transactions), 60)
        finally:
            transactions.close()

    asyncio.run(run())


def asking(text: str, *values: object) -> Callable[[psycopg.Connection], object]:
    """The work of one statement, for the first value of its first row."""

    def work(conn: psycopg.Connection) -> object:
        row = conn.execute(text, values).fetchone()
        return None if row is None else row[0]

    return work


def adding(company_id: str, *ids: int) -> Callable[[psycopg.Connection], None]:
    """The work of adding elements, one statement each."""

    def work(conn: psycopg.Connection) -> None:
        for element_id in ids:
            text = "insert into tieline.element (\"companyId\", id, title) values ($1, $2, 'x')"
            conn.execute(text, (company_id, element_id))

    return work


def elements_of(company) -> list[int]:
    found = company.database.execute('select id from tieline.element where "companyId" = %s order by id', company.id)
    return [row[0] for row in found]


def test_all_steps_run_as_the_servers_role_with_the_settings_of_their_session(database):
    text = """select array[current_user, current_setting('tieline.company'), current_setting('tieline.actor'),
        current_setting('tieline.requestId'), current_setting('TimeZone'), current_setting('search_path'),
        current_setting('jit'), current_setting('statement_timeout')]"""

    async def act(transactions):
        for zone, shown in (("Europe/Berlin", "Europe/Berlin"), (None, "UTC")):
            found = await transactions.run(Session("acme", "key_1", "request_1", zone), asking(text))
            assert found == ["tieline_server", "acme", "key_1", "request_1", shown, "tieline", "off", "30s"]
        nobodys = await transactions.run(NOBODY, asking(text))
        assert nobodys[:5] == ["tieline_server", "", "", "", "UTC"]

    opened(database.dsn, act, batch_connections=1)


def test_the_steps_are_one_transaction(database, acme):
    session = Session(acme.id, "key_1", "request_1")

    async def act(transactions):
        with pytest.raises(DatabaseError) as refusal:
            await transactions.run(session, adding(acme.id, 1, 2, 1))
        assert (refusal.value.sqlstate, refusal.value.constraint) == ("23505", "element_pkey")
        assert elements_of(acme) == []
        await transactions.run(session, adding(acme.id, 1, 2))
        assert elements_of(acme) == [1, 2]

    opened(database.dsn, act)


def test_a_rolled_back_transaction_answers_and_leaves_nothing(database, acme):
    def work(conn: psycopg.Connection) -> int:
        adding(acme.id, 7, 8)(conn)
        return conn.execute("select count(*) from tieline.element").fetchone()[0]

    async def act(transactions):
        assert await transactions.run(Session(acme.id, "key_1"), work, rollback=True) == 2

    opened(database.dsn, act)
    assert elements_of(acme) == []


def test_work_that_raises_leaves_nothing(database, acme):
    def work(conn: psycopg.Connection) -> None:
        adding(acme.id, 9)(conn)
        raise Problem("conflict", 409, "23505", "no")

    async def act(transactions):
        with pytest.raises(Problem, match="no"):
            await transactions.run(Session(acme.id, "key_1"), work)
        assert await transactions.run(NOBODY, asking("select 1")) == 1

    opened(database.dsn, act, batch_connections=1)
    assert elements_of(acme) == []


def test_a_statement_past_its_time_is_504_and_the_connection_goes_on(database):
    async def act(transactions):
        backend = await transactions.run(NOBODY, asking("select pg_backend_pid()"))
        with pytest.raises(Problem) as refusal:
            await transactions.run(NOBODY, asking("select pg_sleep(5)"))
        assert refusal.value.status == 504
        assert await transactions.run(NOBODY, asking("select pg_backend_pid()")) == backend

    opened(database.dsn, act, batch_connections=1, statement_timeout_ms=300)


def test_a_deadlock_is_the_callers_to_start_again_from(database):
    """Each of two transactions takes a lock that the other one waits for."""
    both_hold_one = threading.Barrier(2)

    def locking(first: int, second: int) -> Callable[[psycopg.Connection], None]:
        def work(conn: psycopg.Connection) -> None:
            conn.execute("select pg_advisory_xact_lock($1)", (first,))
            both_hold_one.wait(10)
            conn.execute("select pg_advisory_xact_lock($1)", (second,))

        return work

    async def act(transactions):
        works = [locking(61, 62), locking(62, 61)]
        ends = await asyncio.gather(*(transactions.run(NOBODY, work) for work in works), return_exceptions=True)
        assert sorted(getattr(end, "sqlstate", "") for end in ends) == ["", "40P01"]

    opened(database.dsn, act)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_a_value_that_text_cannot_hold_is_400(database, value):
    async def act(transactions):
        with pytest.raises(Problem) as refusal:
            await transactions.run(NOBODY, asking("select $1::text", value))
        assert refusal.value.status == 400
        with pytest.raises(Problem) as refusal:
            await transactions.run(Session("acme", "key_1", "request_1", value), asking("select 1"))
        assert refusal.value.status == 400

    opened(database.dsn, act)


def test_a_request_that_waits_too_long_or_behind_too_many_is_told_to_come_back(database):
    async def act(transactions):
        slow = asyncio.create_task(transactions.run(NOBODY, asking("select 2 from pg_sleep(1)")))
        await asyncio.sleep(0.1)
        waiting = [asyncio.create_task(transactions.run(NOBODY, asking("select 1"))) for _ in range(5)]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [getattr(answer, "status", answer) for answer in answers] == [503] * 5
        assert all(("retry-after", "1") in answer.headers for answer in answers)
        assert await slow == 2
        assert await transactions.run(NOBODY, asking("select 1")) == 1

    opened(database.dsn, act, batch_connections=1, connection_wait_ms=200, connection_waiters_max=3)


def test_as_many_run_at_a_time_as_there_are_connections(database):
    async def act(transactions):
        # Each waits for the other one: one after the other they would never end.
        together = threading.Barrier(2)
        await asyncio.gather(*(transactions.run(NOBODY, lambda _: together.wait(10)) for _ in range(2)))
        backends = await asyncio.gather(
            *(transactions.run(NOBODY, asking("select pg_backend_pid()")) for _ in range(20))
        )
        assert len(set(backends)) <= 2

    opened(database.dsn, act, batch_connections=2)


def test_a_caller_that_goes_away_leaves_neither_rows_nor_an_open_transaction(database, acme):
    is_under_way = threading.Event()

    def work(conn: psycopg.Connection) -> None:
        adding(acme.id, 1)(conn)
        is_under_way.set()
        conn.execute("select pg_sleep(0.3)")

    async def act(transactions):
        running = asyncio.create_task(transactions.run(Session(acme.id, "key_1"), work))
        await asyncio.to_thread(is_under_way.wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        # The next one waits until the connection is free.
        assert await transactions.run(NOBODY, asking("select 1")) == 1
        transaction = "select count(*) from pg_stat_activity where state like 'idle in transaction%' and datname = $1"
        assert await transactions.run(NOBODY, asking(transaction, database.dsn.split("dbname=")[1].split()[0])) == 0

    opened(database.dsn, act, batch_connections=1)
    assert elements_of(acme) == []


def test_connections_that_the_server_ended_are_not_given_out_again(database):
    def end_itself(conn: psycopg.Connection) -> None:
        database.execute("select pg_terminate_backend(%s)", conn.info.backend_pid)
        conn.execute("select 1")

    async def act(transactions):
        together = threading.Barrier(3)

        def backend(conn: psycopg.Connection) -> object:
            together.wait(10)
            return asking("select pg_backend_pid()")(conn)

        backends = await asyncio.gather(*(transactions.run(NOBODY, backend) for _ in range(3)))
        for pid in backends:
            database.execute("select pg_terminate_backend(%s)", pid)
        for _ in range(3):
            assert await transactions.run(NOBODY, asking("select 1")) == 1
        with pytest.raises(Problem) as refusal:
            await transactions.run(NOBODY, end_itself)
        assert refusal.value.status == 503
        assert await transactions.run(NOBODY, asking("select 1")) == 1

    opened(database.dsn, act, batch_connections=3)


@pytest.fixture
def cluster(open_folder):
    folder = open_folder / "transactions-away"
    with embedded.running(folder) as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            migrate(conn)
        yield Cluster(folder), dsn
    shutil.rmtree(folder, ignore_errors=True)


def test_a_database_that_is_away_is_503_and_the_next_call_after_its_return_works(cluster):
    server, dsn = cluster

    async def act(transactions):
        for _ in range(2):
            assert await transactions.run(NOBODY, asking("select 1")) == 1
            server.control("stop", "-m", "immediate")
            for _ in range(2):
                with pytest.raises(Problem) as refusal:
                    await transactions.run(NOBODY, asking("select 1"))
                assert refusal.value.status == 503
            began = time.monotonic()
            await asyncio.to_thread(server.revive)
            assert await transactions.run(NOBODY, asking("select 1")) == 1
            assert time.monotonic() - began < BACK_SECONDS_MAX

    opened(dsn, act, connection_wait_ms=2_000)


def test_a_transaction_under_way_when_the_database_goes_is_503(cluster):
    server, dsn = cluster
    is_under_way = threading.Event()

    def work(conn: psycopg.Connection) -> None:
        is_under_way.set()
        conn.execute("select pg_sleep(10)")

    async def act(transactions):
        running = asyncio.create_task(transactions.run(NOBODY, work))
        await asyncio.to_thread(is_under_way.wait)
        server.control("stop", "-m", "immediate")
        with pytest.raises(Problem) as refusal:
            await running
        assert refusal.value.status == 503
        await asyncio.to_thread(server.revive)
        assert await transactions.run(NOBODY, asking("select 1")) == 1

    opened(dsn, act)
