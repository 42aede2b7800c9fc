"""Recorded requests that we answer in another way than PostgREST, on purpose, each with our answer.

The members of a case that differ, by the case's name. docs/mapping-api.md says why we differ.
"""

import json
from collections.abc import Mapping
from typing import Any

Case = dict[str, Any]

JSON = "application/json; charset=utf-8"


def _refused(status: int, code: str, message: str | None = None) -> Case:
    body = json.dumps({"code": code, "message": message})
    nothing = {"added": [], "changed": {}, "removed": []}
    told = {"status": status, "response_headers": {"Content-Type": JSON}, "response_body": body, "after": nothing}
    return {**told, "compare": "error", "compare_message": message is not None}


_ENTITY_TAKEN = _refused(
    409, "23505", 'duplicate key value violates unique constraint "externalIntegrationMapping_entity_key"'
)
_BLANK = _refused(400, "23514", "externalId must not be blank")
# Read-only cases have no `after`.
_NOT_READ = {**_refused(400, "PGRST100"), "after": None}

# PostgREST's parser leaves the end of these filters unread. We read a filter whole or refuse it.
READ_WHOLE = {'in/externalId=in.("plain-001","100%")x', "is/externalId=is.nullx"}

DEVIATIONS: Mapping[str, Case] = {
    # PostgREST cannot name a partial unique index. Here the row of the external id is merged; s001 becomes n007.
    "upsert/merge-duplicates on_conflict partial index columns": {
        "status": 200,
        "response_headers": {
            "Content-Type": JSON,
            "Content-Range": "*/*",
            "Preference-Applied": "resolution=merge-duplicates, return=representation",
        },
        "response_body": '[{"id": "n007", "entityType": "item", "entityId": "N-7", "integration": "xero",'
        ' "externalId": "plain-001", "allowDuplicateExternalId": false,'
        ' "metadata": {"syncStatus": "ok", "retry": 3, "tags": ["a", "b"], "nested": {"deep": {"x": 1}},'
        ' "price": 12.5, "flag": true, "nil": null}, "lastSyncedAt": null, "remoteUpdatedAt": null,'
        ' "companyId": "c1", "link": "https://xero.example/items/1?a=b&c=d#frag"}]',
        "after": {
            "added": [
                {
                    "id": "n007",
                    "entityType": "item",
                    "entityId": "N-7",
                    "integration": "xero",
                    "externalId": "plain-001",
                    "allowDuplicateExternalId": False,
                    "metadata": {
                        "syncStatus": "ok",
                        "retry": 3,
                        "tags": ["a", "b"],
                        "nested": {"deep": {"x": 1}},
                        "price": 12.5,
                        "flag": True,
                        "nil": None,
                    },
                    "companyId": "c1",
                    "link": "https://xero.example/items/1?a=b&c=d#frag",
                }
            ],
            "changed": {},
            "removed": ["s001"],
        },
        "compare": "volatile",
        "ignore_keys": ["createdAt", "createdBy", "updatedAt", "updatedBy"],
    },
    # The key is taken here as well; the entity, which is another key, is linked already.
    "upsert_keys/merge-duplicates on_conflict=integration,externalId,entityType,companyId": _ENTITY_TAKEN,
    "upsert_keys/ignore-duplicates on_conflict=companyId,integration,entityType,externalId": _ENTITY_TAKEN,
    # An external id does not become blank.
    "urlencoded_in/empty value": _BLANK,
    "csv_more/in blank field": _BLANK,
    **dict.fromkeys(READ_WHOLE, _NOT_READ),
}


def ours(case: Case) -> Case:
    """The case with our answer."""
    changed = {**case, **DEVIATIONS.get(case["name"], {})}
    return {name: value for name, value in changed.items() if not (name == "after" and value is None)}
