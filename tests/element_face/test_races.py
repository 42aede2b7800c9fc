"""Many requests at once: one wins, the others are told so, and the history has exactly the changes that happened."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest

ELEMENTS = "/api/v2/elements"
AT_ONCE = 32
ROUNDS = 3

Send = Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]


@pytest.fixture(autouse=True)
def crm(acme):
    acme.has_system("crm", "https://crm.example")


def at_once(company, send: Send, count: int = AT_ONCE) -> list[httpx.Response]:
    """Send `count` requests, each over a connection of its own that is open before the first of them goes out."""

    async def run() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=count, max_keepalive_connections=count)
        headers = {"authorization": f"Bearer {company.keys['api.write']}"}
        async with httpx.AsyncClient(
            base_url=company.server.url, headers=headers, limits=limits, timeout=60, trust_env=False
        ) as caller:
            await asyncio.gather(*(caller.get("/healthz") for _ in range(count)))
            return await asyncio.gather(*(send(caller, number) for number in range(count)))

    return asyncio.run(run())


def statuses(responses: list[httpx.Response]) -> Counter:
    return Counter(response.status_code for response in responses)


def link(element_id: int, external_id: str, **more) -> Send:
    path = f"{ELEMENTS}/{element_id}/external-element/link"
    return lambda caller, _: caller.post(path, json={"externalId": external_id, **more})


def mappings(company) -> list[tuple[str, str]]:
    return company.database.execute(
        'select "entityId", "externalId" from tieline."externalIntegrationMapping" where "companyId" = %s', company.id
    )


def operations(company) -> Counter:
    return Counter(operation for operation, *_ in company.changes())


def test_the_first_link_of_an_element_made_by_many_is_one_row(acme):
    for element_id in range(1, ROUNDS + 1):
        acme.has_element(element_id)
        assert statuses(at_once(acme, link(element_id, f"A-{element_id}"))) == {200: AT_ONCE}
    assert len(mappings(acme)) == ROUNDS
    assert operations(acme) == {"insert": ROUNDS}


def test_the_first_link_made_by_many_with_ids_of_their_own_ends_with_one_of_them(acme):
    acme.has_element(1)
    responses = at_once(acme, lambda caller, number: link(1, f"A-{number}")(caller, number))
    assert statuses(responses) == {200: AT_ONCE}
    ((_, last),) = mappings(acme)
    assert operations(acme) == {"insert": 1, "update": AT_ONCE - 1}
    assert acme.changes()[-1][2]["externalId"] == last


def test_an_external_id_that_many_elements_want_goes_to_one_and_the_others_hear_to_which(acme):
    for element_id in range(1, AT_ONCE + 1):
        acme.has_element(element_id)
    for turn in range(ROUNDS):
        responses = at_once(acme, lambda caller, number, turn=turn: link(number + 1, f"A-{turn}")(caller, number))
        assert statuses(responses) == {200: 1, 409: AT_ONCE - 1}
        ((winner, _),) = [row for row in mappings(acme) if row[1] == f"A-{turn}"]
        named = {response.json()["conflictingElementId"] for response in responses if response.status_code == 409}
        assert named == {int(winner)}


def test_two_elements_that_swap_their_external_ids_end_in_order(acme, client):
    for element_id in (1, 2):
        acme.has_element(element_id)
        client.post(f"{ELEMENTS}/{element_id}/external-element/link", json={"externalId": f"A-{element_id}"})
    responses = at_once(acme, lambda caller, number: link(1 + number % 2, f"A-{2 - number % 2}")(caller, number))
    assert set(statuses(responses)) <= {409}
    assert sorted(mappings(acme)) == [("1", "A-1"), ("2", "A-2")]


def test_elements_that_wait_for_each_other_are_sorted_out(acme):
    """Each element asks in turn for its own external id and another's, so that statements wait for each other."""
    for element_id in range(1, 5):
        acme.has_element(element_id)
    responses = at_once(acme, lambda caller, n: link(1 + n % 4, f"A-{(n * 7 // 4) % 4}")(caller, n), 64)
    assert set(statuses(responses)) <= {200, 409}
    external_ids = [external_id for _, external_id in mappings(acme)]
    assert len(set(external_ids)) == len(external_ids)


def test_link_against_unlink_leaves_the_rows_that_the_history_tells(acme):
    acme.has_element(1)

    def send(caller, number):
        if number % 2:
            return caller.post(f"{ELEMENTS}/1/external-element/unlink")
        return link(1, "A")(caller, number)

    for _ in range(ROUNDS):
        responses = at_once(acme, send, 2 * AT_ONCE)
        assert statuses(responses[::2]) == {200: AT_ONCE}
        unlinked = statuses(responses[1::2])
        assert set(unlinked) <= {200, 404}
    counted = operations(acme)
    assert counted["insert"] - counted["delete"] == len(mappings(acme))
    assert counted["update"] == 0
    # Each mapping was inserted before it was deleted, and no two were there at once.
    assert [operation for operation, *_ in acme.changes()] == ["insert", "delete"] * counted["delete"] + [
        "insert"
    ] * len(mappings(acme))


def test_link_against_deletion_of_the_element_leaves_no_orphan(acme):
    for element_id in range(1, ROUNDS + 1):
        acme.has_element(element_id)

        def send(caller, number, element_id=element_id):
            if number == AT_ONCE // 2:
                return caller.delete(f"{ELEMENTS}/{element_id}")
            return link(element_id, f"A-{element_id}")(caller, number)

        responses = at_once(acme, send)
        assert responses.pop(AT_ONCE // 2).status_code == 204
        assert set(statuses(responses)) <= {200, 404}
    assert mappings(acme) == []
    counted = operations(acme)
    assert counted["insert"] == counted["delete"]


def test_elements_made_at_once_have_ids_of_their_own(acme):
    responses = at_once(acme, lambda caller, _: caller.post(ELEMENTS, json={"title": "x"}), 64)
    assert statuses(responses) == {201: 64}
    assert sorted(response.json()["id"] for response in responses) == list(range(1, 65))


def test_one_id_given_by_many_is_one_element(acme):
    responses = at_once(acme, lambda caller, number: caller.post(ELEMENTS, json={"title": f"{number}", "id": 5}))
    assert statuses(responses) == {201: 1, 409: AT_ONCE - 1}


def test_an_element_deleted_by_many_is_deleted_once(acme):
    acme.has_element(1)
    responses = at_once(acme, lambda caller, _: caller.delete(f"{ELEMENTS}/1"))
    assert statuses(responses) == {204: 1, 404: AT_ONCE - 1}


def test_an_unlink_by_many_is_one_unlink(acme, client):
    acme.has_element(1)
    client.post(f"{ELEMENTS}/1/external-element/link", json={"externalId": "A"})
    responses = at_once(acme, lambda caller, _: caller.post(f"{ELEMENTS}/1/external-element/unlink"))
    assert statuses(responses) == {200: 1, 404: AT_ONCE - 1}
    assert operations(acme) == {"insert": 1, "delete": 1}
