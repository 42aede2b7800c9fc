# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from files_of_companies import ours, theirs  # noqa: F401 -- fixtures

EXAMPLE = Path(__file__).parents[2] / "examples" / "bioregistry"
AWKWARD = [
    '"',
    "a,b",
    "line\nbreak\r\n",
    "\\.",
    "\\N",
    "null",
    "=1+1",
    "007",
    "\x01\x02\t",
    "\ufeffx",
    "\u2028x",
    "😀",
    "'; drop table",
]


def fill(ours):
    rows = [
        {
            "entityType": "item",
            "entityId": text,
            "integration": "xero",
            "externalId": f"{place}{text}",
            "link": f"https://x.example/?q={quote(text)}",
            "metadata": {"text": text, "number": 1.10} if place % 2 else None,
            "lastSyncedAt": "2026-03-29T01:59:59.123456+01:00",
            "createdAt": "1999-12-31T23:59:59Z",
            "createdBy": text,
            "updatedBy": None,
        }
        for place, text in enumerate(AWKWARD)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert ours.load("mappings", lines, "ndjson").counts == {"created": len(AWKWARD)}
    ours.load("mappings", "entityType,entityId,integration,remoteUpdatedAt\nitem,far,xero,infinity\n")
    ours.load("elements", 'id,title\n9223372036854775807,"x,y"\n,"a\nb"\n')
    ours.load("systems", 'integration,name,systemUrl,metadata\nxero,"",https://xero.example,"[1.0]"\nb,B,,\n')


@pytest.mark.parametrize("form", ["csv", "ndjson", "spreadsheet"])
@pytest.mark.parametrize("what", ["mappings", "elements", "systems"])
def test_an_export_is_imported_and_exported_again_byte_for_byte(ours, theirs, what, form):
    fill(ours)
    written = ours.export(what, form)
    loaded = theirs.load(what, written, form)
    assert loaded.refused == {}
    assert theirs.export(what, form) == written
    assert set(ours.load(what, written, form).counts) == {"unchanged"}


def test_an_export_leaves_the_company_out_and_other_companies_too(ours, theirs):
    fill(ours)
    assert ours.id.encode() not in ours.export("mappings", "ndjson")
    assert theirs.export("mappings", "ndjson") == b""
    assert theirs.export("elements").decode() == "id,title,creationTime,modificationDate\n"


def test_the_example_lands_but_for_four_ids_that_real_registries_share(ours):
    counts = {what: ours.load(what, (EXAMPLE / f"{what}.csv").read_bytes()) for what in ("systems", "elements")}
    assert counts["systems"].counts == {"created": 33}
    assert counts["elements"].counts == {"created": 2_937}
    loaded = ours.load("mappings", (EXAMPLE / "mappings.csv").read_bytes())
    assert loaded.counts == {"created": 7_678}
    assert loaded.refused == {
        3303: "The external id is held by element 1153 in wikidata.entity (see line 3284)",
        5083: "The external id is held by element 766 in wikidata.entity (see line 2136)",
        6461: "The external id is held by element 2210 in wikidata.entity (see line 6460)",
        6462: "The external id is held by element 2210 in wikidata.entity (see line 6460)",
    }


def test_an_export_for_spreadsheets_keeps_ids_text_there(ours):
    ours.load("mappings", "entityType,entityId,integration,externalId\nitem,0012,xero,=1+1\n")
    written = ours.export("mappings", "spreadsheet")
    assert b'"=""0012"""' in written
    assert b'"=""=1+1"""' in written
