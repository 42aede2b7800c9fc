"""The ids of mappings: made by the database, in the order of time."""

import re

ROWS = 10_000


def test_ids_are_32_hexadecimal_digits_in_the_order_of_the_rows(acme):
    acme.database.execute(
        """insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)
        select %s, 'item', n::text, 'crm' from generate_series(1, %s) n""",
        acme.id,
        ROWS,
    )
    rows = acme.database.execute(
        """select id from tieline."externalIntegrationMapping" where "companyId" = %s order by "entityId"::int""",
        acme.id,
    )
    ids = [mapping_id for (mapping_id,) in rows]
    assert all(re.fullmatch("[0-9a-f]{32}", mapping_id) for mapping_id in ids)
    assert len(set(ids)) == ROWS
    # The first 14 digits are the microsecond.
    times = [mapping_id[:14] for mapping_id in ids]
    assert times == sorted(times)


def test_images_in_the_history_are_in_utc_whatever_zone_a_request_asks_for(acme, client):
    row = {"entityType": "item", "entityId": "1", "integration": "crm", "lastSyncedAt": "2026-03-01T12:00:00+02:00"}
    for method, body in (("POST", row), ("PATCH", {"externalId": "A"}), ("DELETE", None)):
        params = {} if method == "POST" else {"entityId": "eq.1"}
        headers = {"Prefer": "timezone=Asia/Tokyo"}
        client.request(
            method, "/externalIntegrationMapping", params=params, json=body, headers=headers
        ).raise_for_status()
    images = [image for _, before, after, _ in acme.changes() for image in (before, after) if image]
    assert [image["lastSyncedAt"] for image in images] == ["2026-03-01T10:00:00+00:00"] * 4
