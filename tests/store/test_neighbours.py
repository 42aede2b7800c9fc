"""Look-ups that are sent together share a transaction, and nothing that the other ones can see."""

import asyncio

from tieline import settings
from tieline.postgres.connections import Connections
from tieline.postgres.lane import POINT, lanes_of
from tieline.postgres.session import Session
from tieline.sql.statement import Sql


def asked_together(database, text, sessions):
    """The same look-up for each session, all on their way before the first answer, on one connection."""

    async def act():
        loaded = settings.load({}, {"TIELINE_LOOKUP_CONNECTIONS": "1"})
        connections = Connections(lanes_of(loaded, database.dsn), loaded)
        await connections.open()
        try:
            runs = [connections.run(Sql(text, ()), session, lane=POINT) for session in sessions]
            return [rows[0][0].decode() for rows in await asyncio.gather(*runs)]
        finally:
            await connections.close()

    return asyncio.run(act())


def test_each_look_up_sees_its_own_company_and_actor(database):
    whom = [(f"company-{n // 3 % 4}", f"key-{n % 2}") for n in range(60)]
    text = "select current_setting('tieline.company') || ' ' || current_setting('tieline.actor')"
    answers = asked_together(database, text, [Session(*names, "request") for names in whom])
    assert answers == [" ".join(names) for names in whom]


def test_the_time_zone_of_a_look_up_is_no_neighbours(database):
    zones = ["Europe/Berlin", None, "Asia/Tokyo", None, None] * 8
    answers = asked_together(database, "show timezone", [Session("acme", "key", "request", zone) for zone in zones])
    assert answers == [zone or "UTC" for zone in zones]
