"""PostgreSQL's errors that speak of its tables and pages → our words. Errors about the request's own words pass."""

import re

from tieline.dialect.catalogue import RESOURCES
from tieline.dialect.sql.conflict import key_of
from tieline.wire.keys import KEY_BYTES_MAX

CHECK_VIOLATION, UNIQUE_VIOLATION = "23514", "23505"
TOO_LARGE, TOO_DEEP = "54000", "54001"
CHECKS = {
    "externalSystem_systemUrl_check": "systemUrl must be an absolute http or https address without spaces",
    "externalSystem_linkTemplates_check": "linkTemplates must be an object of http or https addresses by entity type, "
    "each with {externalId} in it, where the id goes",
    "externalSystem_linkTemplate_check": "linkTemplate must contain {externalId}, where the id goes",
    "externalSystem_linkTemplate_address": "linkTemplate must be an absolute http or https address with {externalId}",
    "externalSystem_integration_check": "integration must not be blank",
    "externalSystem_staleAfterSeconds_check": "staleAfterSeconds must be at least 1",
}
SAME_ADDRESS = "externalSystem_companyId_canonical_key"
_INDEX = re.compile(r'for index "([^"]+)"')


def of(sqlstate: str, message: str, constraint: str | None) -> str | None:
    """Our words for an error; None if PostgreSQL's may pass.

    >>> of("54000", 'index row size 9 exceeds … for index "externalIntegrationMapping_externalId_key"', None)
    'integration, entityType, externalId are too long: their key is longer than 2650 bytes'
    >>> of("23514", "entityId must not be blank", None) is None
    True
    """
    if sqlstate == TOO_LARGE:
        return _too_large(message)
    if sqlstate == TOO_DEEP:
        return "A value is JSON that is nested too deep"
    if sqlstate == CHECK_VIOLATION and constraint:
        return CHECKS.get(constraint, f"A value breaks the rule {constraint}")
    if sqlstate == UNIQUE_VIOLATION and constraint == SAME_ADDRESS:
        return "Another external system of the company has this systemUrl, maybe written in another way"
    return None


def _too_large(message: str) -> str:
    index = _INDEX.search(message)
    if index is None:
        return "A value is too large for PostgreSQL"
    keys = (key_of(resource, index[1]) for resource in RESOURCES.values())
    key = next(filter(None, keys), None)
    if key is None:
        return f"A value is too long for an index, which holds about {KEY_BYTES_MAX} bytes"
    names = ", ".join(column.name for column in key.columns)
    are, their = ("is", "its") if len(key.columns) == 1 else ("are", "their")
    return f"{names} {are} too long: {their} key is longer than {KEY_BYTES_MAX} bytes"
