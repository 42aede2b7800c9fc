# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
import threading

import psycopg
import pytest
from files_of_companies import ours, theirs  # noqa: F401 -- fixtures

from tieline.store.batches.rows import MappingRow
from tieline.store.companies import UnknownCompanyError
from tieline.transfer.columns import Record
from tieline.transfer.load import BATCH_ROWS_MAX, StoppedError

HEADER = "entityType,entityId,integration,externalId\n"
LINK = "https://l.example"


def mappings(*pairs, integration="xero"):
    return HEADER + "".join(f"item,{entity},{integration},{external}\n" for entity, external in pairs)


def test_a_file_lands_and_the_same_file_again_changes_nothing(ours):
    text = mappings((1, "A"), (2, "B"), (3, ""))
    assert ours.load("mappings", text).counts == {"created": 3}
    before = ours.mappings("*")
    assert ours.load("mappings", text).counts == {"unchanged": 3}
    assert ours.mappings("*") == before
    assert ours.changes() == [("insert",)] * 3


def test_changed_rows_are_updated_and_the_history_says_who_and_in_which_run(ours):
    ours.load("mappings", mappings((1, "A"), (2, "B")))
    assert ours.load("mappings", mappings((1, "A2"), (2, "B"))).counts == {"updated": 1, "unchanged": 1}
    assert ours.mappings() == [("1", "A2"), ("2", "B")]
    assert ours.changes('operation, actor, "requestId"')[-1] == ("update", "cli:ann", "import_1")


def test_columns_that_a_file_leaves_out_stay(ours):
    ours.load("mappings", "entityType,entityId,integration,externalId,link\nitem,1,xero,A,https://x.example/A\n")
    ours.load("mappings", mappings((1, "B")))
    assert ours.mappings('"externalId", link') == [("B", "https://x.example/A")]


def test_an_external_id_of_another_entity_is_refused_and_named_and_all_else_lands(ours):
    ours.load("mappings", mappings((298, "CHEBI")))
    [(mapping_id,)] = ours.mappings("id")
    loaded = ours.load("mappings", mappings((1, "A"), (2, "CHEBI"), (3, "C")))
    assert loaded.counts == {"created": 2}
    assert loaded.refused == {3: "The external id is held by item 298 in xero"}
    assert loaded.holders == {3: ("item", "298", mapping_id)}


def test_skip_counts_a_row_with_a_taken_id_and_changes_nothing(ours):
    ours.load("mappings", mappings((1, "A")))
    assert ours.load("mappings", mappings((2, "A")), on_conflict="skip").counts == {"skipped": 1}
    assert ours.mappings() == [("1", "A")]


def test_move_takes_a_taken_id_and_its_holder_stays_without_one(ours):
    ours.load("mappings", mappings((1, "A")))
    loaded = ours.load("mappings", mappings((2, "A")), on_conflict="move")
    assert (loaded.counts, loaded.moved) == ({"created": 1}, {2: ("item", "1")})
    assert ours.mappings() == [("1", None), ("2", "A")]
    assert ours.changes() == [("insert",), ("update",), ("insert",)]


def test_move_leaves_a_holder_that_has_a_link(ours):
    ours.load("mappings", "entityType,entityId,integration,externalId,link\nitem,1,xero,A,https://x.example\n")
    ours.load("mappings", mappings((2, "A")), on_conflict="move")
    assert ours.mappings('"entityId", "externalId", link') == [("1", None, "https://x.example"), ("2", "A", None)]


def test_an_entity_may_give_its_id_to_another_one_in_the_same_file(ours):
    ours.load("mappings", mappings((1, "A")))
    loaded = ours.load("mappings", mappings((2, "A"), (1, "C")))
    assert (loaded.counts, loaded.refused, loaded.moved) == ({"created": 1, "updated": 1}, {}, {})
    assert ours.mappings() == [("1", "C"), ("2", "A")]


def test_external_ids_that_shift_by_one_land_in_one_batch(ours):
    ours.load("mappings", mappings(*((number, f"X{number}") for number in range(100, 200))))
    shifted = [(number, f"X{number + 1}") for number in range(100, 200)]
    assert ours.load("mappings", mappings(*shifted)).counts == {"updated": 100}
    assert ours.load("mappings", mappings(*shifted)).counts == {"unchanged": 100}


def test_shared_external_ids_are_no_conflict_when_both_allow_it(ours):
    text = "entityType,entityId,integration,externalId,allowDuplicateExternalId\n"
    rows = "item,1,xero,A,true\nitem,2,xero,A,true\nitem,3,xero,A,false\nitem,4,xero,A,\n"
    loaded = ours.load("mappings", text + rows)
    assert loaded.counts == {"created": 2}
    assert loaded.refused == dict.fromkeys((4, 5), "The external id is held by item 1 in xero (see line 2)")


def test_a_row_of_an_earlier_batch_is_remembered(ours):
    filler = [(f"f{number}", f"F{number}") for number in range(BATCH_ROWS_MAX)]
    loaded = ours.load("mappings", mappings((1, "A"), *filler, (1, "B"), (2, "A")), on_conflict="move")
    assert loaded.counts == {"created": BATCH_ROWS_MAX + 1}
    last = BATCH_ROWS_MAX + 3
    assert loaded.refused == {
        last: "Line 2 is already about item 1 in xero",
        last + 1: "The external id is held by item 1 in xero (see line 2)",
    }


@pytest.mark.parametrize(
    "metadata", [r'"{""a"": ""\u0000""}"', '"{""n"": 1e999999}"', r'"""\ud800"""'], ids=["nul", "number", "surrogate"]
)
def test_a_value_that_only_the_database_can_judge_refuses_its_row_alone(ours, metadata):
    rows = "".join(f"item,{number},xero,{{}}\n" for number in range(20))
    text = f"entityType,entityId,integration,metadata\n{rows}item,bad,xero,{metadata}\n{rows.replace('item', 'sort')}"
    loaded = ours.load("mappings", text)
    assert loaded.counts == {"created": 40}
    assert list(loaded.refused) == [22]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (r'"externalId": "\ud83d"', "externalId contains half of a surrogate pair, which PostgreSQL cannot store"),
        (r'"metadata": "\udc00"', "metadata contains half of a surrogate pair, which PostgreSQL cannot store"),
        (r'"id": ""', "id must not be blank"),
        (r'"id": "\u3000"', "id must not be blank"),
    ],
)
def test_a_line_with_a_value_that_cannot_be_stored_is_refused_alone(ours, given, said):
    key = '"entityType": "item", "integration": "xero"'
    text = f'{{{key}, "entityId": "1"}}\n{{{key}, "entityId": "2", {given}}}\n{{{key}, "entityId": "3"}}\n'
    loaded = ours.load("mappings", text, form="ndjson")
    assert (loaded.counts, loaded.refused) == ({"created": 2}, {2: said})


def test_an_id_longer_than_an_index_holds_refuses_its_row_alone(ours):
    long = "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(4_000))
    loaded = ours.load("mappings", mappings((1, "A"), (2, long), (3, "C")))
    assert loaded.counts == {"created": 2}
    assert loaded.refused == {3: "externalId is too long: its key is longer than 2650 bytes"}


def test_a_dry_run_reports_the_same_and_changes_nothing(ours):
    filler = [(f"f{number}", f"F{number}") for number in range(BATCH_ROWS_MAX)]
    text = mappings((1, "A"), *filler, (2, "A"))
    dry = ours.load("mappings", text, is_dry_run=True)
    assert ours.mappings() == []
    real = ours.load("mappings", text)
    assert dry.counts == real.counts == {"created": BATCH_ROWS_MAX + 1}
    assert list(dry.refused) == list(real.refused) == [BATCH_ROWS_MAX + 3]


def test_stamps_that_the_file_gives_are_kept_and_others_are_made(ours):
    text = (
        "entityType,entityId,integration,id,createdAt,updatedAt,createdBy,updatedBy\n"
        "item,1,xero,m1,2020-01-01T00:00:00Z,2021-01-01 00:00:00+00,ben,\n"
    )
    ours.load("mappings", text)
    ours.load("mappings", mappings((2, "B")))
    columns = (
        """id = 'm1', "createdAt"::date::text, "updatedAt" > now() - interval '1 hour', "createdBy", "updatedBy" """
    )
    assert ours.mappings(columns) == [
        (True, "2020-01-01", False, "ben", None),
        (False, ours.database.execute("select current_date::text")[0][0], True, "cli:ann", "cli:ann"),
    ]


def test_an_id_of_another_mapping_is_refused(ours):
    ours.load("mappings", "entityType,entityId,integration,id\nitem,1,xero,m1\n")
    loaded = ours.load("mappings", "entityType,entityId,integration,id\nitem,2,xero,m1\n")
    assert loaded.refused == {2: "The id m1 belongs to item 1 in xero"}
    loaded = ours.load("mappings", "entityType,entityId,integration,id\nitem,3,xero,m3\nitem,4,xero,m3\n")
    assert (loaded.counts, loaded.refused) == ({"created": 1}, {3: "Line 2 asks for the id m3 already"})


def test_ndjson_changes_what_each_line_gives(ours):
    ours.load(
        "mappings", f"entityType,entityId,integration,externalId,link\nitem,1,xero,A,{LINK}\nitem,2,xero,B,{LINK}\n"
    )
    lines = (
        '{"entityType":"item","entityId":"1","integration":"xero","link":null}\n'
        '{"entityType":"item","entityId":"2","integration":"xero","externalId":"C"}\n'
    )
    assert ours.load("mappings", lines, "ndjson").counts == {"updated": 2}
    assert ours.mappings('"externalId", link') == [("A", None), ("C", LINK)]


def test_row_level_security_binds_an_import_to_its_company(ours, theirs):
    theirs.load("mappings", mappings((1, "A")))
    assert ours.load("mappings", mappings((1, "A"))).counts == {"created": 1}
    assert len(theirs.mappings()) == 1


def test_an_unknown_company_is_refused(ours):
    ours.id = "nobody"
    with pytest.raises(UnknownCompanyError):
        ours.load("mappings", HEADER)


def test_two_imports_at_once_end_with_every_row_once(ours):
    text = mappings(*((number, f"X{number}") for number in range(3_000)))
    backwards = mappings(*((number, f"X{number}") for number in reversed(range(3_000))))
    ends = []
    threads = [threading.Thread(target=lambda t=t: ends.append(ours.load("mappings", t))) for t in (text, backwards)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = sum(end.counts.get("created", 0) for end in ends)
    assert (total, [end.refused for end in ends]) == (3_000, [{}, {}])
    assert len(ours.mappings()) == 3_000


def test_a_lost_connection_leaves_whole_batches_and_says_which_did_not_land(ours):
    def records():
        for number in range(BATCH_ROWS_MAX + 5):
            if number == BATCH_ROWS_MAX + 4:
                cut_off(ours.database.dsn)
            row = MappingRow(entity_type="item", entity_id=str(number), integration="xero", external_id=f"X{number}")
            yield Record(number + 2, row)

    said = f"lines {BATCH_ROWS_MAX + 2} to {BATCH_ROWS_MAX + 6} did not land: The database cannot be reached now"
    with pytest.raises(StoppedError, match=said):
        ours.load_records("mappings", records())
    assert len(ours.mappings()) == BATCH_ROWS_MAX


def cut_off(dsn):
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and query like '%analyze tieline%' and pid <> pg_backend_pid()"
        )
