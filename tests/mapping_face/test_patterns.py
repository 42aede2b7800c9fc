"""Patterns of `like`: every answer is PostgreSQL's own, and literal text at an end leads to an index."""

import json
import secrets
from contextlib import contextmanager

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from tieline.dialect.request.asked import Asked
from tieline.dialect.request.prefer import NONE
from tieline.dialect.request.query import Limits
from tieline.dialect.statement import prepare
from tieline.postgres.migrate import migrate
from tieline.wire.urls import decoded

MAPPING = "externalIntegrationMapping"
LIMITS = Limits(depth_max=50, page_rows_max=1000)
# Characters with a meaning in patterns, next to the gap of the surrogates, at the ends of all code points, composed.
ALPHABET = "ab%_\\*:AÉé \ud7ff\ue000\U0010ffff\x01"
IDS = [
    "", "a", "ab", "abc", "b", "a%", "a_b", "a\\b", "a*", "A", "É", "é", "e\u0301", "\ud7ff", "\ud7ffa", "\ue000",
    "\U0010ffff", "\U0010ffffa", "a\U0010ffff", "b\U0010ffff\U0010ffff", "doc:1", "doc:1:x", "doc;", "x:1",
    " a ", "a\x01",
]  # fmt: skip


@pytest.fixture(scope="module")
def stored(database):
    """A connection as the role that serves, for a company that has a mapping for each of the ids, and one without."""
    with filled(database.dsn) as conn:
        yield conn


@contextmanager
def filled(dsn):
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as conn:
        conn.execute("insert into tieline.company (id, name) values ('patterns', 'Patterns') on conflict do nothing")
        conn.execute("set session_replication_role = replica")
        conn.execute(
            f'insert into tieline."{MAPPING}" ("companyId", "entityType", "entityId", integration, "externalId")'
            " select 'patterns', 'item', n::text, 'xero', id from unnest($1::text[]) with ordinality i (id, n)"
            " on conflict do nothing",
            ([*IDS, None],),
        )
        conn.execute("reset session_replication_role; ")
        conn.execute("set role tieline_server")
        conn.execute("select set_config('tieline.company', 'patterns', false)")
        yield conn
        conn.execute("reset role")
        conn.execute("delete from tieline.company where id = 'patterns'")


def quoted(pattern: str) -> str:
    return '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'


def found(conn, query: str) -> tuple[set[str], str]:
    """The entities that a query string finds, and the text of its statement."""
    made = prepare(Asked("GET", MAPPING, f"select=entityId&{query}", NONE), "patterns", LIMITS).sql
    body = conn.execute(made.text, list(made.parameters)).fetchone()[2]
    rows = json.loads(body) if isinstance(body, str) else body
    return {row["entityId"] for row in rows}, made.text


def expected(conn, condition: str, *values: object) -> set[str]:
    rows = conn.execute(
        f'select "entityId" from tieline."{MAPPING}" where "companyId" = \'patterns\' and ({condition})',
        values,
    )
    return {row[0] for row in rows}


def encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


patterns = st.text(ALPHABET, max_size=5).filter(lambda text: not ends_in_an_escape(text))


def ends_in_an_escape(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


@given(pattern=patterns)
@example("a\\%")
@example("a\\_b")
@example("a\\*")
@example("\U0010ffff*")
@example("*\U0010ffff")
@example("\ud7ff*")
@example("doc:*")
@example("*:1")
@example("d*1")
@example("")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_pattern_finds_what_like_finds(stored, pattern):
    like = pattern.replace("*", "%")
    rows, _ = found(stored, f"externalId=like.{encoded(pattern)}")
    assert rows == expected(stored, '"externalId" like $1', like)
    rows, _ = found(stored, f"externalId=not.like.{encoded(pattern)}&integration=eq.xero")
    assert rows == expected(stored, 'not "externalId" like $1', like)


@pytest.fixture(scope="module")
def linguistic(postgres):
    """A database that sorts as an American dictionary does: `a`, `A`, `ab`, with punctuation before all letters."""
    name = f"icu_{secrets.token_hex(6)}"
    with psycopg.connect(postgres, autocommit=True) as conn:
        try:
            conn.execute(f"create database {name} template template0 locale_provider icu icu_locale 'en-US' locale 'C'")
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("This PostgreSQL was built without ICU")
    dsn = make_conninfo(postgres, dbname=name)
    with psycopg.connect(dsn, autocommit=True) as conn:
        migrate(conn)
    with filled(dsn) as conn:
        yield conn
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(f"drop database {name} with (force)")


@pytest.mark.parametrize(
    "pattern", ["a*", "A*", "doc:*", "*:1", "*b", "É*", "e*", "*\u0301", "\ud7ff*", "\U0010ffff*", "a%", "d*1", "ab"]
)
def test_a_pattern_finds_what_like_finds_under_a_linguistic_collation(linguistic, pattern):
    for query in ("", "&integration=eq.xero"):
        linguistic.execute("set enable_seqscan = off")
        rows, _ = found(linguistic, f"externalId=like.{encoded(pattern)}{query}")
        assert rows == expected(linguistic, '"externalId" like $1', pattern.replace("*", "%"))


@given(some=st.lists(patterns, min_size=1, max_size=4), quantifier=st.sampled_from(["any", "all"]))
@example(["a*", "*b"], "any")
@example(["null"], "any")
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_several_patterns_find_what_like_finds(stored, some, quantifier):
    array = "{" + ",".join(map(quoted, some)) + "}"
    rows, _ = found(stored, f"externalId=like({quantifier}).{encoded(array)}")
    assert rows == expected(stored, f'"externalId" like {quantifier}($1)', [each.replace("*", "%") for each in some])


@pytest.mark.parametrize(
    "array", ["{a*, b }", "{ a* ,b*}", '{"a*",NULL}', "{a\u00a0,b*}", '{"a\\\\_b",x*}', "{null}", "{}"]
)
def test_an_array_of_patterns_is_read_as_postgresql_reads_it(stored, array):
    rows, _ = found(stored, f"externalId=like(any).{encoded(array)}")
    assert rows == expected(stored, '"externalId" like any($1::text::text[])', array.replace("*", "%"))


@given(one=patterns, other=patterns, word=st.sampled_from(["or", "and", "not.or", "not.and"]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_patterns_in_a_tree_find_what_like_finds(stored, one, other, word):
    tree = f"(externalId.like.{quoted(one)},and(externalId.like.{quoted(other)},entityId.gt.2),entityId.eq.4)"
    rows, _ = found(stored, f"{word}={encoded(tree)}")
    joined = f" {word.removeprefix('not.')} ".join(
        ['"externalId" like $1', '("externalId" like $2 and "entityId" > \'2\')', "\"entityId\" = '4'"]
    )
    negation = "not" if word.startswith("not") else ""
    likes = [each.replace("*", "%") for each in (one, other)]
    assert rows == expected(stored, f"{negation} ({joined})", *likes)


@pytest.mark.parametrize(("query", "bounds"), [
    ("externalId=like.doc:*", ['"externalId" ~>=~', '"externalId" ~<~']),
    ("externalId=like.*:1", ['"externalIdReversed" ~>=~', '"externalIdReversed" ~<~']),
    ("externalId=like.d*1", ['"externalId" ~>=~', '"externalIdReversed" ~>=~']),
    ("externalId=like(any).{doc:*,*:1}", ['"externalId" ~>=~', " or ", '"externalIdReversed" ~>=~']),
    ("or=(externalId.like.doc:*,entityId.eq.1)", ['"externalId" ~>=~', '"entityId" =']),
    ("externalId=like.*oc*", []),
    ("externalId=ilike.doc:*", []),
    ("externalId=not.like.doc:*", []),
    ("not.and=(externalId.like.doc:*)", []),
    ("or=(externalId.like.doc:*,metadata->>a.eq.1)", []),
    ("externalId=like.doc:\\", []),
    ("externalId=like(any).{doc:*,*}", []),
], ids=lambda value: decoded(value) if isinstance(value, str) else "")  # fmt: skip
def test_literal_text_at_an_end_gives_bounds(stored, query, bounds):
    made = prepare(Asked("GET", MAPPING, query.replace("\\", "%5C"), NONE), "patterns", LIMITS).sql.text
    assert all(bound in made for bound in bounds)
    assert ("~>=~" in made) is bool(bounds)


def test_a_pattern_that_ends_in_its_escape_is_refused_as_postgresql_refuses_it(acme, client):
    client.post(f"/{MAPPING}", json={"entityType": "i", "entityId": "1", "integration": "x", "externalId": "ab"})
    answer = client.get(f"/{MAPPING}", params={"externalId": "like.a\\"})
    assert (answer.status_code, answer.json()["code"]) == (400, "22025")


def test_what_matches_a_pattern_is_changed_and_deleted(client):
    made = [{"entityType": "i", "entityId": str(n), "integration": "x", "externalId": f"doc:{n}"} for n in range(3)]
    client.post(f"/{MAPPING}", json=made)
    shown = {"Prefer": "return=representation"}
    changed = client.patch(f"/{MAPPING}", params={"externalId": "like.doc:*"}, json={"metadata": 1}, headers=shown)
    assert len(changed.json()) == 3
    deleted = client.delete(f"/{MAPPING}", params={"externalId": "like.*:1"}, headers=shown)
    assert [row["entityId"] for row in deleted.json()] == ["1"]


def test_the_reversed_id_is_never_shown(acme, client):
    row = {"entityType": "i", "entityId": "1", "integration": "x", "externalId": "abc"}
    told = [
        client.post(f"/{MAPPING}", json=row, headers={"Prefer": "return=representation"}),
        client.patch(f"/{MAPPING}?entityId=eq.1", json={"metadata": 1}, headers={"Prefer": "return=representation"}),
        client.get(f"/{MAPPING}?select=*"),
        client.get(f"/{MAPPING}", headers={"Accept": "text/csv"}),
        client.get("/mappingChange"),
        client.get("/company?select=*,externalIntegrationMapping(*)"),
        client.get("/export/mappings"),
        client.get("/"),
        client.post("/rpc/claim", json=row),
        client.delete(f"/{MAPPING}?entityId=eq.1", headers={"Prefer": "return=representation"}),
        client.get("/mappingChange?operation=eq.delete"),
    ]
    for answer in told:
        assert answer.is_success
        assert "Reversed" not in answer.text
        assert "cba" not in answer.text
    assert client.get(f"/{MAPPING}?select=externalIdReversed").json()["code"] == "42703"
