"""The catalogue: resources with their columns, keys and relationships, aggregates and casts.

All words of SQL that follow from a request come from here. A client's text only chooses among them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column, which has the same name on the wire and in the table. `default` is its value under missing=default.

    `reversed`: the column with the reversed text; both have an index for patterns. `is_hidden`: `*` leaves it out.
    """

    name: LiteralString
    type: LiteralString
    default: LiteralString | None = None
    is_nullable: bool = True
    reversed: LiteralString | None = None
    is_hidden: bool = False

    @property
    def sql(self) -> LiteralString:
        """The name, quoted.

        >>> Column("entityId", "text").sql
        '"entityId"'
        """
        return f'"{self.name}"'


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition on a boolean column without nulls, in the form that a partial index has it."""

    column: Column
    is_true: bool


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A unique key; its `columns` leave out the company, which is part of every key.

    `condition`: the rows that a partial index holds. `is_target`: on_conflict= may name the key.
    """

    constraint: LiteralString
    columns: tuple[Column, ...]
    condition: Truth | None = None
    is_target: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """A table on the wire. `company` is the column with the row's company; the first key is the identity.

    The result of a function is a resource without a company: the function's own statement reads one company's rows.
    """

    name: LiteralString
    columns: Mapping[str, Column]
    company: Column | None
    keys: tuple[Key, ...]
    is_writable: bool
    # The columns of a resource that is not writable which PATCH may change, with the scope api.admin.
    changeable: frozenset[str] = frozenset()

    @property
    def table(self) -> LiteralString:
        """The table, qualified and quoted."""
        return f'tieline."{self.name}"'

    @property
    def identity(self) -> tuple[Column, ...]:
        """The columns that name a row within its company."""
        return self.keys[0].columns


@dataclass(frozen=True, slots=True, eq=False)
class Relationship:
    """A foreign key, seen from one of its two resources: `column` is on this side, `foreign_column` on the other."""

    name: str
    resource: Resource
    column: Column
    foreign_column: Column
    constraint: str
    is_to_one: bool


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """An argument of a function: `type` is text, boolean, text[] or mapping[]; `words` are its only values, if any."""

    name: LiteralString
    type: LiteralString
    is_required: bool = True
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """The names of arguments that a call gives together, and of those that it may add."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function under /rpc/.

    `rows` is a select with the `columns`. Its $1 is the company, its $2 the checked arguments as a JSON object. A
    function that `is_single` answers its one row as an object, the others answer an array. One that `is_computed` is a
    verb of the store, and $2 are the rows that the verb gave, as JSON. For one that is `of_caller`, $2 is what is known
    of the caller. One that `is_paged` makes no more rows than a page needs: `rowsMax` in $2, null if filters or an
    order need them all. One that `is_bounded` refuses by itself to give rows that are more than an answer may have.

    `signatures`: the ways to call a function that takes one of several sets of arguments.
    """

    name: LiteralString
    arguments: tuple[Argument, ...]
    columns: Mapping[str, Column]
    rows: LiteralString
    is_read_only: bool = True
    is_single: bool = False
    is_computed: bool = False
    is_bounded: bool = False
    of_caller: bool = False
    is_paged: bool = False
    signatures: tuple[Signature, ...] = ()
    description: str = ""

    def takes(self, given: Collection[str]) -> bool:
        """True if arguments of these names, and no others, are a call of this function."""
        return any(way.required <= set(given) <= way.required | way.optional for way in self._ways)

    @property
    def ways(self) -> str:
        """The ways to call it, as a sentence; optional arguments are in parentheses."""
        ways = [
            " ".join(
                [", ".join([a.name for a in self.arguments if a.name in way.required])]
                + [f"({a.name})" for a in self.arguments if a.name in way.optional]
            ).strip()
            for way in self._ways
        ]
        return f"{self.name} takes {'; or '.join(ways) or 'no arguments'}."

    @property
    def _ways(self) -> tuple[Signature, ...]:
        required = frozenset(a.name for a in self.arguments if a.is_required)
        known = frozenset(a.name for a in self.arguments)
        return self.signatures or (Signature(required, known - required),)

    @property
    def result(self) -> Resource:
        """The function's rows as a resource, so that a request can select, filter and order them."""
        return RESULTS.setdefault(
            (self.name, *self.columns), Resource(self.name, self.columns, None, (), is_writable=False)
        )


def columns_of(*columns: Column) -> dict[str, Column]:
    """The columns by their names."""
    return {column.name: column for column in columns}


_COMPANY = columns_of(
    Column("id", "text", is_nullable=False),
    Column("name", "text", is_nullable=False),
    Column("createdAt", "timestamptz", "now()", is_nullable=False),
    # Hidden from `*`: the recorded answers of a PostgREST have all columns of company, and this one is not there.
    Column("isStrict", "boolean", "false", is_nullable=False, is_hidden=True),
)
_SYSTEM = columns_of(
    Column("companyId", "text", "$1::text", is_nullable=False),
    Column("integration", "text", is_nullable=False),
    # Its trigger writes the integration where there is no name.
    Column("name", "text", "null", is_nullable=False),
    Column("systemUrl", "text"),
    Column("isDefault", "boolean", "false", is_nullable=False),
    Column("active", "boolean", "true", is_nullable=False),
    Column("linkTemplate", "text"),
    Column("linkTemplates", "jsonb"),
    Column("staleAfterSeconds", "integer"),
    Column("metadata", "jsonb"),
    Column("createdAt", "timestamptz", "now()", is_nullable=False),
    Column("updatedAt", "timestamptz", "now()", is_nullable=False),
)
_MAPPING = columns_of(
    Column("id", "text", "tieline.make_id()", is_nullable=False),
    Column("entityType", "text", is_nullable=False),
    Column("entityId", "text", is_nullable=False),
    Column("integration", "text", is_nullable=False),
    Column("externalId", "text", reversed="externalIdReversed"),
    Column("allowDuplicateExternalId", "boolean", "false", is_nullable=False),
    Column("metadata", "jsonb"),
    Column("lastSyncedAt", "timestamptz"),
    Column("remoteUpdatedAt", "timestamptz"),
    Column("createdAt", "timestamptz", "now()", is_nullable=False),
    Column("updatedAt", "timestamptz", "now()", is_nullable=False),
    Column("createdBy", "text"),
    Column("companyId", "text", "$1::text", is_nullable=False),
    Column("updatedBy", "text"),
    Column("link", "text"),
)
_CHANGE = columns_of(
    Column("companyId", "text", is_nullable=False),
    Column("position", "bigint", is_nullable=False),
    Column("mappingId", "text", is_nullable=False),
    Column("operation", "text", is_nullable=False),
    Column("before", "jsonb"),
    Column("after", "jsonb"),
    Column("actor", "text"),
    Column("requestId", "text"),
    Column("at", "timestamptz", is_nullable=False),
)

COMPANY = Resource(
    "company",
    _COMPANY,
    _COMPANY["id"],
    (Key("company_pkey", (_COMPANY["id"],)),),
    is_writable=False,
    changeable=frozenset({"name", "isStrict"}),
)
EXTERNAL_SYSTEM = Resource(
    "externalSystem",
    _SYSTEM,
    _SYSTEM["companyId"],
    (
        Key("externalSystem_pkey", (_SYSTEM["integration"],)),
        Key("externalSystem_companyId_systemUrl_key", (_SYSTEM["systemUrl"],)),
        Key(
            "externalSystem_companyId_isDefault_key",
            (_SYSTEM["isDefault"],),
            Truth(_SYSTEM["isDefault"], is_true=True),
            is_target=False,
        ),
    ),
    is_writable=True,
)
MAPPING = Resource(
    "externalIntegrationMapping",
    _MAPPING,
    _MAPPING["companyId"],
    (
        Key("externalIntegrationMapping_pkey", (_MAPPING["id"],)),
        Key(
            "externalIntegrationMapping_entity_key",
            (_MAPPING["entityType"], _MAPPING["entityId"], _MAPPING["integration"]),
        ),
        Key(
            "externalIntegrationMapping_externalId_key",
            (_MAPPING["integration"], _MAPPING["entityType"], _MAPPING["externalId"]),
            Truth(_MAPPING["allowDuplicateExternalId"], is_true=False),
        ),
    ),
    is_writable=True,
)
CHANGE = Resource(
    "mappingChange",
    _CHANGE,
    _CHANGE["companyId"],
    (Key("mappingChange_pkey", (_CHANGE["position"],)),),
    is_writable=False,
)

RESOURCES: Mapping[str, Resource] = {r.name: r for r in (COMPANY, EXTERNAL_SYSTEM, MAPPING, CHANGE)}


def _to_company(resource: Resource, constraint: str) -> tuple[Relationship, Relationship]:
    """The foreign key to company, from both of its ends."""
    here, there = resource.columns["companyId"], _COMPANY["id"]
    return (
        Relationship(COMPANY.name, COMPANY, here, there, constraint, is_to_one=True),
        Relationship(resource.name, resource, there, here, constraint, is_to_one=False),
    )


_mapping_up, _mapping_down = _to_company(MAPPING, "externalIntegrationMapping_companyId_fkey")
_system_up, _system_down = _to_company(EXTERNAL_SYSTEM, "externalSystem_companyId_fkey")
# A function's result has none.
RELATIONSHIPS: Mapping[str, tuple[Relationship, ...]] = {
    MAPPING.name: (_mapping_up,),
    EXTERNAL_SYSTEM.name: (_system_up,),
    COMPANY.name: (_mapping_down, _system_down),
    CHANGE.name: (),
}

RESULTS: dict[tuple[str, ...], Resource] = {}

# Names that a statement may give to its results. All other keys of an answer are bound as values.
WORDS: dict[str, LiteralString] = {}
for _resource in RESOURCES.values():
    WORDS[_resource.name] = _resource.name
    WORDS.update({_column.name: _column.name for _column in _resource.columns.values()})

_AGGREGATE_WORDS: tuple[LiteralString, ...] = ("sum", "avg", "count", "max", "min")
AGGREGATES: Mapping[str, LiteralString] = {word: word for word in _AGGREGATE_WORDS}

_CAST_WORDS: tuple[LiteralString, ...] = (
    "text", "varchar", "character varying", "char", "character", "bpchar", "name", "bool", "boolean", "int", "integer",
    "int2", "int4", "int8", "smallint", "bigint", "numeric", "decimal", "real", "float", "float4", "float8",
    "double precision", "date", "time", "timetz", "timestamp", "timestamptz", "time without time zone",
    "time with time zone", "timestamp without time zone", "timestamp with time zone", "interval", "json", "jsonb",
    "uuid", "bytea", "money", "inet", "cidr", "macaddr", "bit", "bit varying", "varbit", "tsvector", "tsquery",
    "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "point", "box", "xml", "jsonpath",
)  # fmt: skip
CASTS: Mapping[str, LiteralString] = {word: word for word in _CAST_WORDS}
