"""The functions under /rpc/: the arguments, result columns and statement of each."""

from dataclasses import replace
from typing import LiteralString

from tieline.dialect.catalogue import Argument, Column, Function, Signature, columns_of

_INTEGRATION = Argument("integration", "text")
_ENTITY_TYPE = Argument("entityType", "text")
_ANY_ENTITY_TYPE = Argument("entityType", "text", is_required=False)
_ENTITY_ID = Argument("entityId", "text")
_EXTERNAL_ID = Argument("externalId", "text")
_EXTERNAL_IDS = Argument("externalIds", "text[]")
_ENTITY_IDS = Argument("entityIds", "text[]")
# Arguments of functions that take one of several sets of them.
_SET_OF = {
    argument.name: Argument(argument.name, argument.type, is_required=False)
    for argument in (_INTEGRATION, _ENTITY_TYPE, _ENTITY_IDS, _EXTERNAL_IDS, Argument("mappingIds", "text[]"))
}

_RESOLVE = Function(
    "resolve",
    (_INTEGRATION, _ANY_ENTITY_TYPE, _EXTERNAL_IDS),
    columns_of(
        Column("externalId", "text", is_nullable=False),
        Column("status", "text", is_nullable=False),
        Column("entityType", "text"),
        Column("entityId", "text"),
        Column("mappingId", "text"),
        Column("candidates", "jsonb", is_nullable=False),
    ),
    'select r.* from json_to_record($2::json) a (integration text, "entityType" text, "externalIds" json)'
    ' cross join lateral tieline.resolve($1, a.integration, a."entityType", a."externalIds") r',
    is_bounded=True,
    description="Which entity is each of these external ids? In the order asked.",
)
_LOCATE = Function(
    "locate",
    (_INTEGRATION, _ENTITY_TYPE, _ENTITY_IDS),
    columns_of(
        Column("entityId", "text", is_nullable=False),
        Column("status", "text", is_nullable=False),
        Column("externalId", "text"),
        Column("link", "text"),
        Column("mappingId", "text"),
    ),
    'select r.* from json_to_record($2::json) a (integration text, "entityType" text, "entityIds" json)'
    ' cross join lateral tieline.locate($1, a.integration, a."entityType", a."entityIds") r',
    is_bounded=True,
    description="Where is each of these entities in that system? In the order asked.",
)
_TRANSLATE = Function(
    "translate",
    (Argument("from", "text"), Argument("to", "text"), _ANY_ENTITY_TYPE, _EXTERNAL_IDS),
    columns_of(
        Column("externalId", "text", is_nullable=False),
        Column("status", "text", is_nullable=False),
        Column("translations", "jsonb", is_nullable=False),
    ),
    'select r.* from json_to_record($2::json) a ("from" text, "to" text, "entityType" text, "externalIds" json)'
    ' cross join lateral tieline.translate($1, a."from", a."to", a."entityType", a."externalIds") r',
    is_bounded=True,
    description="The ids of one system in the words of another. In the order asked.",
)
_CLAIM = Function(
    "claim",
    (_ENTITY_TYPE, _ENTITY_ID, _INTEGRATION, _EXTERNAL_ID),
    columns_of(Column("outcome", "text", is_nullable=False), Column("mapping", "jsonb", is_nullable=False)),
    "select r.* from json_to_record($2::json)"
    ' a ("entityType" text, "entityId" text, integration text, "externalId" text)'
    ' cross join lateral tieline.claim($1, a."entityType", a."entityId", a.integration, a."externalId") r',
    is_read_only=False,
    is_single=True,
    description="Link for the first time. Of several at once one wins, and all learn who.",
)
_LINK_MANY = Function(
    "link_many",
    (
        Argument("mappings", "mapping[]"),
        Argument("onConflict", "text", is_required=False, words=("report", "move", "skip")),
        Argument("onExisting", "text", is_required=False, words=("update", "keep")),
        Argument("atomic", "boolean", is_required=False),
    ),
    columns_of(
        Column("index", "integer", is_nullable=False),
        Column("outcome", "text", is_nullable=False),
        Column("mappingId", "text"),
        Column("problem", "jsonb"),
        Column("movedFrom", "jsonb"),
    ),
    "select r.* from json_to_recordset($2::json)"
    ' r (index integer, outcome text, "mappingId" text, problem jsonb, "movedFrom" jsonb)'
    # The rows are the company's already; PostgreSQL asks that each parameter be used.
    " where $1::text <> ''",
    is_read_only=False,
    is_computed=True,
    description="Create and change many mappings, with an outcome for each.",
)

_UNLINK_MANY = Function(
    "unlink_many",
    tuple(_SET_OF[name] for name in ("mappingIds", "integration", "entityType", "entityIds", "externalIds")),
    columns_of(
        Column("index", "integer", is_nullable=False),
        Column("outcome", "text", is_nullable=False),
        Column("mapping", "jsonb"),
    ),
    "select r.* from json_to_recordset($2::json) r (index integer, outcome text, mapping jsonb)"
    # The rows are the company's already; PostgreSQL asks that each parameter be used.
    " where $1::text <> ''",
    is_read_only=False,
    is_computed=True,
    signatures=(
        Signature(frozenset({"mappingIds"})),
        Signature(frozenset({"integration", "entityType", "entityIds"})),
        Signature(frozenset({"integration", "entityType", "externalIds"})),
    ),
    description="Delete many mappings, by their ids, entities or external ids, with an outcome for each.",
)
_CROSSWALK = Function(
    "crosswalk",
    tuple(_SET_OF[name] for name in ("entityType", "entityIds", "integration", "externalIds")),
    columns_of(
        Column("externalId", "text"),
        Column("entityType", "text"),
        Column("entityId", "text"),
        Column("status", "text", is_nullable=False),
        Column("links", "jsonb", is_nullable=False),
        Column("candidates", "jsonb", is_nullable=False),
    ),
    'select r.* from json_to_record($2::json) a ("entityType" text, "entityIds" json, integration text,'
    ' "externalIds" json)'
    ' cross join lateral tieline.crosswalk($1, a."entityType", a."entityIds", a.integration, a."externalIds") r',
    signatures=(
        Signature(frozenset({"entityType", "entityIds"})),
        Signature(frozenset({"integration", "externalIds"}), frozenset({"entityType"})),
    ),
    description="All systems at once: the external ids and links of each of these entities. In the order asked.",
)
_UNLINKED = Function(
    "unlinked",
    (
        _ENTITY_TYPE,
        _INTEGRATION,
        Argument("linkedIn", "text", is_required=False),
        Argument("after", "text", is_required=False),
    ),
    columns_of(Column("entityType", "text", is_nullable=False), Column("entityId", "text", is_nullable=False)),
    'select r.* from json_to_record($2::json) a ("entityType" text, integration text, "linkedIn" text, after text,'
    ' "rowsMax" integer) cross join lateral'
    ' tieline.unlinked($1, a."entityType", a.integration, a."linkedIn", a.after, a."rowsMax") r',
    is_paged=True,
    description="The known entities that are not linked in a system, by their ids; the next page is `after` the last.",
)
_COVERAGE = Function(
    "coverage",
    (_ANY_ENTITY_TYPE,),
    columns_of(
        Column("entityType", "text", is_nullable=False),
        Column("integration", "text", is_nullable=False),
        Column("mappings", "bigint", is_nullable=False),
        Column("entities", "bigint", is_nullable=False),
        Column("known", "bigint", is_nullable=False),
        Column("share", "double precision", is_nullable=False),
        Column("lastSyncedAt", "jsonb", is_nullable=False),
        Column("shared", "bigint", is_nullable=False),
        Column("freshness", "jsonb", is_nullable=False),
        Column("position", "bigint"),
    ),
    'select r.* from json_to_record($2::json) a ("entityType" text)'
    ' cross join lateral tieline.coverage($1, a."entityType") r',
    description="How many of the known entities are linked in each system, and how fresh their mappings are.",
)
_WHOAMI = Function(
    "whoami",
    (),
    columns_of(
        Column("companyId", "text", is_nullable=False),
        Column("companyName", "text", is_nullable=False),
        Column("keyId", "text", is_nullable=False),
        Column("keyName", "text", is_nullable=False),
        Column("scopes", "text[]", is_nullable=False),
        Column("rateLimitPerMinute", "integer", is_nullable=False),
        Column("expiresAt", "timestamptz"),
        Column("isStrict", "boolean", is_nullable=False),
    ),
    'select c.id as "companyId", c.name as "companyName", a."keyId", a."keyName", a.scopes, a."rateLimitPerMinute",'
    ' a."expiresAt", c."isStrict" from tieline.company c cross join json_to_record($2::json)'
    ' a ("keyId" text, "keyName" text, scopes text[], "rateLimitPerMinute" integer, "expiresAt" timestamptz)'
    " where c.id = $1",
    is_single=True,
    of_caller=True,
    description="The caller: its company, its key and what the key or token may do.",
)

# A function registers here. /rpc/ needs no more than its name, arguments, result columns and statement.
FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        _RESOLVE,
        _LOCATE,
        _TRANSLATE,
        _CROSSWALK,
        _UNLINKED,
        _COVERAGE,
        _CLAIM,
        _LINK_MANY,
        _UNLINK_MANY,
        _WHOAMI,
    )
}

# The column that says why an id of the call cannot be stored. A call has it if there is such an id, or if it names it.
PROBLEM: LiteralString = "problem"


def _telling(function: Function) -> Function:
    """The function with this column. $2 has the problems of its ids by their places; these ids are null in it."""
    shown = ", ".join(
        f"case when q.problem is null then q.{c.sql} else 'invalid' end as {c.sql}"
        if c.name == "status"
        else f"q.{c.sql}"
        for c in function.columns.values()
    )
    rows: LiteralString = (
        "with said as materialized (select ($2::json -> 'problems')::jsonb as problems)"  # noqa: S608 literals alone
        f" select {shown}, q.problem from ("
        " select r.*, (select s.problems from said s) -> (row_number() over () - 1)::text as problem"
        f" from ({function.rows}) r) q"
    )
    return replace(function, columns={**function.columns, PROBLEM: Column(PROBLEM, "jsonb")}, rows=rows)


# Functions that answer for each id: one that cannot be stored spoils no other.
TELLING: dict[str, Function] = {f.name: _telling(f) for f in (_RESOLVE, _LOCATE, _TRANSLATE, _CROSSWALK)}
