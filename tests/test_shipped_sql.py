"""Rules that all shipped SQL keeps, so that the tables can be distributed by company; Citus's reason beside each."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SQL = Path(__file__).parent.parent / "src" / "tieline" / "sql"
# Questions of the operator or about a key, which are asked across companies: reads alone.
ACROSS_COMPANIES = {
    "keys/find",
    "keys/list_all",
    "functions/find_key",
    "companies/list",
    "companies/add_first",
    "backup/is_unused",
    "companies/uncounted",
}
TENANTS = {
    "company",
    "externalSystem",
    "externalIntegrationMapping",
    "element",
    "apiKey",
    "mappingChange",
    "refreshToken",
    "revokedToken",
    "mappingCount",
    "entityCount",
    "mappingDelta",
}

COMMENT = re.compile(r"--[^\n]*")
FUNCTION = re.compile(r"create (?:or replace )?function (\w+)(.*?)\$\$(.*?)\$\$;", re.DOTALL)
TABLE_READ = re.compile(r"\b(?:from|join|into|update|using) tieline\.\"?\w+\"?(?! *\()")
REFERENCE = re.compile(
    r'\b(?:from|join|update|using)\s+tieline\."?(\w+)"?(?! *\()(?: as)?'
    r"(?: (?!set|where|on|order|join|left|limit)(\w+))?"
)


@dataclass(frozen=True)
class Source:
    """A file of SQL without its comments; lines stay where they are."""

    name: str
    text: str

    def line(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1

    def found(self, pattern: str) -> Iterator[int]:
        return (match.start() for match in re.finditer(pattern, self.text, re.IGNORECASE))

    def functions(self) -> Iterator[tuple[int, str, str]]:
        """Where each function begins, its head and its body."""
        return ((match.start(), match[2], match[3]) for match in FUNCTION.finditer(self.text))

    def writes(self, kind: str) -> Iterator[tuple[int, str]]:
        """Each `insert`, `update` or `delete`, up to the end of its statement or of the parentheses around it."""
        for start in self.found(rf"\b{kind}\b(?! *\()"):
            depth = 0
            for end in range(start, len(self.text)):
                depth += {"(": 1, ")": -1}.get(self.text[end], 0)
                if depth < 0 or (self.text[end] == ";" and depth == 0):
                    break
            yield start, self.text[start : end + 1]


def sources() -> list[Source]:
    files = {str(file.relative_to(SQL).with_suffix("")): file for file in sorted(SQL.rglob("*.sql"))}
    return [Source(name, COMMENT.sub("", file.read_text())) for name, file in files.items()]


SOURCES = sources()


def empty_exists(source: Source) -> Iterator[int]:
    """A column definition list is required for functions returning record."""
    return source.found(r"select\s+from\b")


def tables_read_by_functions_in_sql(source: Source) -> Iterator[int]:
    """Could not create distributed plan: parameters in SQL functions."""
    return (start for start, head, body in source.functions() if "language sql" in head and TABLE_READ.search(body))


def row_types_of_tables(source: Source) -> Iterator[int]:
    """Functions and row types are not on the shards."""
    table = "|".join(TENANTS)
    typed = re.compile(rf'setof\s+"?(?:{table})"?\b|\w+ "?(?:{table})"?(?:\[\])?\s*[,)]')
    return (start for start, head, _ in source.functions() if typed.search(head))


def inserts_of_rows_without_returning(source: Source) -> Iterator[int]:
    """COPY FROM is not supported with row-level security."""
    rows = re.compile(r"insert into [^()]+\([^()]*\)\s*select\b", re.DOTALL)
    return (start for start, text in source.writes("insert into") if rows.match(text) and "returning" not in text)


def single_json_records(source: Source) -> Iterator[int]:
    """Could not determine row type, in `update … from`."""
    return source.found(r"jsonb?_to_record\b")


def policies_that_may_be_null(source: Source) -> Iterator[int]:
    """Outer joins and pseudoconstant quals are not supported in PG15 and PG16."""
    return source.found(r"create policy tenant [^;]*(?<!is true\));")


def sequences(source: Source) -> Iterator[int]:
    """Sequences are not on the workers."""
    return source.found(r"create sequence|\bnextval\b")


def writes_from_transition_tables(source: Source) -> Iterator[int]:
    """The executor could not find the named tuplestore."""
    return (
        start
        for kind in ("insert into", "update", "delete from")
        for start, text in source.writes(kind)
        if re.search(r"\b(old|new)_rows\b", text) and "execute function" not in text
    )


def temporary_tables(source: Source) -> Iterator[int]:
    """Under row-level security the coordinator crashes."""
    return source.found(r"\bpg_temp\b|\btemp(orary)? table\b")


def reads_without_a_company(source: Source) -> Iterator[int]:
    """A company compared with `=` makes a statement one of one shard."""
    if source.name in ACROSS_COMPANIES:
        return
    for match in REFERENCE.finditer(source.text):
        table, alias = match[1], match[2]
        column = "id" if table == "company" else '"companyId"'
        prefix = rf"{alias}\." if alias else r"(?<!\.)"
        if table in TENANTS and not re.search(
            rf"{prefix}{column} = (\$1\b|%s|company\b|[a-z]+\.\"?\w+\"?\b)", source.text
        ):
            yield match.start()


def times_made_up_in_a_write(source: Source) -> Iterator[int]:
    """Non-immutable functions across shards are refused."""
    return source.found(r"coalesce\([^()]*now\(\)\)")


def files_of_several_statements(source: Source) -> Iterator[int]:
    """Cannot insert multiple commands into a prepared statement."""
    if not source.name.startswith(("migrations/", "functions/", "ledger/prepare")):
        yield from source.found(";")


def images_with_the_reversed_id(source: Source) -> Iterator[int]:
    """The reversed external id serves an index; no history and no answer shows it."""
    return source.found(r"(?:to_jsonb|row_to_json)\((?:m|o|n|made|removed)\)(?! - 'externalIdReversed')")


RULES: list[Callable[[Source], Iterator[int]]] = [
    empty_exists,
    tables_read_by_functions_in_sql,
    row_types_of_tables,
    inserts_of_rows_without_returning,
    single_json_records,
    policies_that_may_be_null,
    sequences,
    writes_from_transition_tables,
    temporary_tables,
    reads_without_a_company,
    times_made_up_in_a_write,
    files_of_several_statements,
    images_with_the_reversed_id,
]


@pytest.mark.parametrize("rule", RULES, ids=[rule.__name__ for rule in RULES])
def test_no_shipped_sql_has(rule):
    broken = [f"{source.name}.sql:{source.line(start)}" for source in SOURCES for start in rule(source)]
    assert broken == [], rule.__doc__


OFFENCES = {
    empty_exists: "select exists (select from tieline.element)",
    tables_read_by_functions_in_sql: "create function f(company text) returns bigint language sql as $$"
    " select count(*) from tieline.element $$;",
    row_types_of_tables: "create function f(e element) returns json language plpgsql as $$ begin end $$;",
    inserts_of_rows_without_returning: "with a as (insert into tieline.element (id) select 1) select (1)",
    single_json_records: "update t set a = r.a from json_to_record($1) r (a int)",
    policies_that_may_be_null: 'create policy tenant on element using ("companyId" = request_company());',
    sequences: "create sequence numbers;",
    writes_from_transition_tables: "begin insert into t (id) select id from new_rows; end",
    temporary_tables: "create temporary table t (id int)",
    reads_without_a_company: "select * from tieline.element e where e.id = $2",
    times_made_up_in_a_write: "update t set at = coalesce(at, now())",
    files_of_several_statements: "select 1; select 2",
    images_with_the_reversed_id: "select to_jsonb(m) from t m",
}


@pytest.mark.parametrize("rule", RULES, ids=[rule.__name__ for rule in RULES])
def test_a_rule_finds_its_offence(rule):
    assert list(rule(Source("nouns/verb", OFFENCES[rule])))
