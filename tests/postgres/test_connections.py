"""Single statements over pipelined connections, against a real server."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from tieline import settings
from tieline.postgres.connections import Connections, DatabaseError
from tieline.postgres.lane import POINT, SINGLE, Lane, lanes_of
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.sql.statement import Sql

LANES = (POINT, SINGLE)
NOBODY = Session("", "", "")


def opened(database, act: Callable[[Connections], Awaitable[None]], **given: int) -> None:
    """Run `act` with connections of its own; `given` are settings that are not the default."""

    async def run() -> None:
        small = {"lookup_connections": 1, "statement_connections": 2, **given}
        loaded = settings.load({"data_dir": "/nonexistent", **small}, {})
        connections = Connections(lanes_of(loaded, database.dsn), loaded)
        await connections.open()
        try:
            await asyncio.wait_for(act(connections), 60)
        finally:
            await connections.close()

    asyncio.run(run())


def select(text: str, *values: str | bytes | None) -> Sql:
    return Sql(text, values)


async def point(connections: Connections, text: str, *values: str | bytes | None) -> object:
    return (await connections.run(select(text, *values), NOBODY, lane=POINT))[0][0]


async def single(connections: Connections, text: str, *values: str | bytes | None, **options: bool) -> object:
    return (await connections.run(select(text, *values), NOBODY, lane=SINGLE, **options))[0][0]


@pytest.mark.parametrize("lane", LANES)
def test_a_statement_runs_as_the_servers_role_with_the_settings_of_its_session(database, lane):
    text = """select current_user, current_setting('tieline.company'), current_setting('tieline.actor'),
        current_setting('tieline.requestId'), current_setting('TimeZone')"""

    async def act(connections):
        for zone, shown in (("Europe/Berlin", b"Europe/Berlin"), (None, b"UTC")):
            session = Session("acme", "key_1", "request_1", zone)
            rows = await connections.run(select(text), session, lane=lane)
            assert rows == [(b"tieline_server", b"acme", b"key_1", b"request_1", shown)]
        nobodys = await connections.run(select(text), NOBODY, lane=lane)
        assert nobodys == [(b"tieline_server", b"", b"", b"", b"UTC")]

    opened(database, act, statement_connections=1)


def test_a_lane_is_a_value_with_a_database_and_limits_of_its_own(database):
    """A replica's lane would be one: look-ups that name it go there."""
    loaded = settings.load({"data_dir": "/nonexistent", "lookup_connections": 1, "statement_connections": 1}, {})
    replica = Lane("replica", database.dsn, size=2, timeout_ms=300, shares_sync=True)

    async def act():
        connections = Connections([*lanes_of(loaded, database.dsn), replica], loaded)
        await connections.open()
        try:
            assert connections.usage("replica") == (2, 0)
            assert await connections.run(select("select 1"), NOBODY, lane="replica") == [(b"1",)]
            with pytest.raises(DatabaseError) as refusal:
                await connections.run(select("select pg_sleep(5)"), NOBODY, lane="replica")
            assert refusal.value.sqlstate == "57014"
        finally:
            await connections.close()

    asyncio.run(act())


def test_a_statement_that_fails_fails_alone(database):
    """A division by zero among look-ups that share its sync: its neighbours are run again."""

    async def act(connections):
        texts = ["select 1 / $1::int", "select 100 + $1::int"]
        sent = [point(connections, texts[number % 2], str(number % 10)) for number in range(200)]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        for number, answer in enumerate(answers):
            value = number % 10
            if number % 2:
                assert answer == str(100 + value).encode()
            elif value == 0:
                assert isinstance(answer, DatabaseError)
                assert answer.sqlstate == "22012"
            else:
                assert answer == str(1 // value).encode()

    opened(database, act)


def test_look_ups_of_one_turn_wake_a_connection_for_eight_of_them(database):
    async def act(connections):
        backends = await asyncio.gather(*[point(connections, "select pg_backend_pid()") for _ in range(16)])
        assert sorted(Counter(backends).values()) == [8, 8]
        few = await asyncio.gather(*[point(connections, "select pg_backend_pid()") for _ in range(5)])
        assert len(set(few)) == 1

    opened(database, act, lookup_connections=2)


def test_a_statement_that_cannot_be_prepared_fails_alone(database):
    async def act(connections):
        for _ in range(3):
            sent = [
                point(connections, f"select nonsense_{number}" if number % 5 == 0 else f"select {number}")
                for number in range(50)
            ]
            answers = await asyncio.gather(*sent, return_exceptions=True)
            for number, answer in enumerate(answers):
                if number % 5 == 0:
                    assert isinstance(answer, DatabaseError)
                    assert answer.sqlstate == "42703"
                else:
                    assert answer == str(number).encode()

    opened(database, act)


def test_a_value_that_text_cannot_hold_is_refused_before_it_is_sent(database):
    async def act(connections):
        for value in ("a\0b", b"\0", "\ud800"):
            with pytest.raises(Problem) as refusal:
                await single(connections, "select $1::text", value)
            assert refusal.value.status == 400
        assert await single(connections, "select $1::text", "fine") == b"fine"

    opened(database, act, statement_connections=1)


def test_bytes_that_are_no_utf8_are_the_databases_to_refuse(database):
    async def act(connections):
        with pytest.raises(DatabaseError) as refusal:
            await single(connections, "select $1::text", b"\xff")
        assert refusal.value.sqlstate == "22021"
        assert await single(connections, "select 1") == b"1"

    opened(database, act, statement_connections=1)


@pytest.mark.parametrize("lane", LANES)
def test_a_value_of_20_mb_passes_both_ways(database, lane):
    async def act(connections):
        value = b"x" * 20_000_000
        for _ in range(2):
            rows = await connections.run(select("select $1::text, length($1)", value), NOBODY, lane=lane)
            assert rows == [(value, b"20000000")]

    opened(database, act)


def prepared_on_the_server() -> str:
    return "select count(*) from pg_prepared_statements"


def test_prepared_statements_stay_within_their_bound(database):
    async def act(connections):
        for number in range(200):
            assert await single(connections, f"select {number}") == str(number).encode()
        # The two statements for the settings of a session are always prepared.
        assert int(await single(connections, prepared_on_the_server())) <= 20 + 3

    opened(database, act, statement_connections=1, prepared_statements_max=20)


def test_prepared_statements_stay_within_their_bound_when_neighbours_abort_them(database):
    async def act(connections):
        for turn in range(20):
            sent = [
                point(
                    connections,
                    f"select 1 / {0 if number % 7 == 3 else number + 1} + {turn * 30 + number} * $1::int",
                    "1",
                )
                for number in range(30)
            ]
            answers = await asyncio.gather(*sent, return_exceptions=True)
            failed = [number for number, answer in enumerate(answers) if isinstance(answer, BaseException)]
            assert failed == [number for number in range(30) if number % 7 == 3]
        assert int(await point(connections, prepared_on_the_server())) <= 20 + 3

    opened(database, act, prepared_statements_max=20)


def test_a_statement_that_is_not_kept_prepared_is_not(database):
    async def act(connections):
        before = int(await single(connections, prepared_on_the_server()))
        for number in range(10):
            await single(connections, f"select {number} + $1::int", "1", prepared=False)
        assert int(await single(connections, prepared_on_the_server())) == before

    opened(database, act, statement_connections=1)


def test_a_statement_that_somebody_forgot_is_prepared_again(database):
    async def act(connections):
        assert await single(connections, "select 'kept'") == b"kept"
        await single(connections, "select count(*) from pg_prepared_statements")
        await connections.run(select("deallocate s1"), NOBODY, lane=SINGLE, prepared=False)
        assert await single(connections, "select 'kept'") == b"kept"

    opened(database, act, statement_connections=1)


def test_a_statement_past_its_time_is_cancelled_and_the_connection_goes_on(database):
    async def act(connections):
        for lane in LANES:
            with pytest.raises(DatabaseError) as refusal:
                await connections.run(select("select pg_sleep(5)"), NOBODY, lane=lane)
            assert refusal.value.sqlstate == "57014"
            assert (await connections.run(select("select 1"), NOBODY, lane=lane)) == [(b"1",)]

    opened(database, act, statement_connections=1, lookup_timeout_ms=300, statement_timeout_ms=300)


def test_a_slow_statement_holds_up_neither_look_ups_nor_others(database):
    async def act(connections):
        slow = asyncio.create_task(single(connections, "select pg_sleep(3)"))
        await asyncio.sleep(0.1)
        for _ in range(20):
            await point(connections, "select 1")
            await single(connections, "select 1")
        assert not slow.done()
        await slow

    opened(database, act)


def test_those_who_wait_for_a_connection_get_theirs_in_order(database):
    async def act(connections):
        done: list[int] = []

        async def one(number: int) -> None:
            await single(connections, "select pg_sleep(0.01)")
            done.append(number)

        await asyncio.gather(*(one(number) for number in range(20)))
        assert done == list(range(20))

    opened(database, act, statement_connections=1)


def test_a_request_that_waits_too_long_or_behind_too_many_is_told_to_come_back(database):
    async def act(connections):
        slow = asyncio.create_task(single(connections, "select pg_sleep(1)"))
        await asyncio.sleep(0.1)
        waiting = [asyncio.create_task(single(connections, "select 1")) for _ in range(5)]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(answer, Problem) and answer.status == 503 for answer in answers)
        assert all(("retry-after", "1") in answer.headers for answer in answers)
        await slow
        assert await single(connections, "select 1") == b"1"

    opened(database, act, statement_connections=1, connection_wait_ms=200, connection_waiters_max=3)


def test_a_caller_that_goes_away_cancels_nothing_of_others(database):
    async def act(connections):
        for lane in LANES:
            texts = ["select 1 from pg_sleep(0.02)"] * 10
            tasks = [asyncio.create_task(connections.run(select(text), NOBODY, lane=lane)) for text in texts]
            await asyncio.sleep(0.01)
            for task in tasks[::2]:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
            assert answers[1::2] == [[(b"1",)]] * 5
        # Callers that went away while they waited took no connection with them.
        assert await asyncio.gather(*(single(connections, "select 2") for _ in range(10))) == [b"2"] * 10

    opened(database, act)


def test_a_rolled_back_statement_answers_and_leaves_nothing(database, acme):
    session = Session(acme.id, "key_1", "request_1")
    insert = select("insert into tieline.element (\"companyId\", id, title) values ($1, 1, 'x') returning id", acme.id)

    async def act(connections):
        for _ in range(2):
            assert await connections.run(insert, session, lane=SINGLE, rollback=True) == [(b"1",)]
        with pytest.raises(DatabaseError):
            await single(connections, "select 1 / 0", rollback=True)
        assert await connections.run(insert, session, lane=SINGLE) == [(b"1",)]
        with pytest.raises(DatabaseError) as refusal:
            await connections.run(insert, session, lane=SINGLE, rollback=True)
        assert refusal.value.constraint == "element_pkey"
        assert await single(connections, "select txid_current_if_assigned() is null") == b"t"

    opened(database, act, statement_connections=1)
    assert acme.database.execute('select count(*) from tieline.element where "companyId" = %s', acme.id) == [(1,)]


def test_a_write_that_fails_leaves_the_write_before_it(database, acme):
    session = Session(acme.id, "key_1", "request_1")
    text = 'insert into tieline.element ("companyId", id, title) values ($1, $2, $3)'

    async def act(connections):
        sent = [
            connections.run(select(text, acme.id, str(number // 2 + 1), "x"), session, lane=SINGLE)
            for number in range(20)
        ]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert sum(isinstance(answer, DatabaseError) for answer in answers) == 10

    opened(database, act)
    assert acme.database.execute('select count(*) from tieline.element where "companyId" = %s', acme.id) == [(10,)]


def test_connections_that_are_ended_by_the_server_come_back_by_themselves(database):
    async def act(connections):
        answers: list[object] = []
        stop = asyncio.Event()

        async def ask(lane: str) -> None:
            while not stop.is_set():
                try:
                    answers.append((await connections.run(select("select 1"), NOBODY, lane=lane))[0][0])
                except Problem as problem:
                    answers.append(problem.status)
                await asyncio.sleep(0)

        askers = [asyncio.create_task(ask(lane)) for lane in LANES for _ in range(8)]
        for _ in range(3):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(end_all, database)
        await asyncio.sleep(1)
        answers.clear()
        await asyncio.sleep(0.2)
        stop.set()
        await asyncio.gather(*askers)
        assert set(answers) == {b"1"}

    opened(database, act)


def end_all(database) -> None:
    """End the connections of these tests, but not those of the server that other tests of this worker use."""
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute(
            """select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and application_name = 'tieline' and query like '%select 1%'"""
        )
