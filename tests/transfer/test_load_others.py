# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
import secrets

import pytest
from files_of_companies import ours  # noqa: F401 -- fixtures


def elements(ours):
    return ours.database.execute('select id, title from tieline.element where "companyId" = %s order by id', ours.id)


def last_element_id(ours):
    return ours.database.execute('select "lastElementId" from tieline.company where id = %s', ours.id)[0][0]


def systems(ours, columns="integration"):
    return ours.database.execute(
        f'select {columns} from tieline."externalSystem" where "companyId" = %s order by integration', ours.id
    )


def test_elements_are_created_updated_and_left_alone(ours):
    assert ours.load("elements", "id,title\n7,A\n8,B\n").counts == {"created": 2}
    assert ours.load("elements", "title,id\nA,7\nB2,8\n").counts == {"updated": 1, "unchanged": 1}
    assert elements(ours) == [(7, "A"), (8, "B2")]


def test_elements_without_an_id_get_one_above_all_others(ours):
    ours.load("elements", "id,title\n,A\n40,B\n,C\n")
    assert elements(ours) == [(40, "B"), (41, "A"), (42, "C")]
    assert last_element_id(ours) == 42


def test_ids_above_2_to_the_53_do_not_move_the_counter(ours):
    ours.load("elements", "id,title\n9223372036854775807,A\n9007199254740991,B\n")
    assert last_element_id(ours) == 9007199254740991


def test_an_id_that_the_same_file_has_given_already_is_refused(ours):
    loaded = ours.load("elements", "id,title\n7,A\n07,B\n")
    assert loaded.refused == {3: "Line 2 is already about element 7"}


def test_an_import_that_only_adds_keeps_elements_and_systems_as_they_are(ours):
    ours.load("elements", "id,title\n7,A\n8,B\n")
    loaded = ours.load("elements", "id,title\n7,A\n8,B2\n9,C\n", on_existing="keep")
    assert loaded.counts == {"created": 1, "unchanged": 1, "kept": 1}
    assert elements(ours) == [(7, "A"), (8, "B"), (9, "C")]
    ours.load("systems", "integration,name\ncrm,CRM\nxero,Xero\n")
    loaded = ours.load("systems", "integration,name\ncrm,Other\nxero,Xero\npim,PIM\n", on_existing="keep")
    assert loaded.counts == {"created": 1, "unchanged": 1, "kept": 1}
    assert systems(ours, "integration, name") == [("crm", "CRM"), ("pim", "PIM"), ("xero", "Xero")]


def test_addresses_may_be_swapped(ours):
    ours.load("systems", "integration,systemUrl\na,https://a.example\nb,https://b.example\n")
    loaded = ours.load("systems", "integration,systemUrl\na,https://b.example\nb,https://a.example\n")
    assert loaded.counts == {"updated": 2}
    assert systems(ours, 'integration, "systemUrl"') == [("a", "https://b.example"), ("b", "https://a.example")]


def test_systems_are_created_changed_and_left_alone(ours):
    text = "integration,name,systemUrl,linkTemplate,isDefault\nxero,Xero,https://xero.example,,true\ncrm,,,,\n"
    assert ours.load("systems", text).counts == {"created": 2}
    assert ours.load("systems", text).counts == {"unchanged": 2}
    assert ours.load("systems", "integration,active\ncrm,false\n").counts == {"updated": 1}
    assert systems(ours, 'integration, name, "isDefault", active') == [
        ("crm", "crm", False, False),
        ("xero", "Xero", True, True),
    ]


def test_the_time_after_which_mappings_are_old_comes_with_the_file(ours):
    text = "integration,staleAfterSeconds\na,3600\nb,\nc,0\nd,1.5\ne,2147483648\n"
    loaded = ours.load("systems", text)
    assert loaded.counts == {"created": 2}
    assert set(loaded.refused) == {4, 5, 6}
    assert set(loaded.refused.values()) == {"staleAfterSeconds must be a whole number from 1 to 2147483647"}
    assert ours.load("systems", text).counts == {"unchanged": 2}
    assert ours.load("systems", "integration,staleAfterSeconds\na,\n").counts == {"updated": 1}
    assert systems(ours, 'integration, "staleAfterSeconds"') == [("a", None), ("b", None)]


def test_an_address_of_another_system_is_refused_with_its_name(ours):
    ours.load("systems", "integration,systemUrl\nxero,https://xero.example\n")
    loaded = ours.load("systems", "integration,systemUrl\ncrm,HTTPS://XERO.example:443/\nshop,https://shop.example\n")
    assert loaded.counts == {"created": 1}
    assert loaded.refused == {2: "The systemUrl is held by the system xero"}


def test_the_default_moves_and_a_file_makes_only_one(ours):
    ours.load("systems", "integration,isDefault\na,true\n")
    loaded = ours.load("systems", "integration,isDefault\nb,true\nc,true\n")
    assert loaded.refused == {3: "Line 2 makes another system the default one"}
    assert systems(ours, 'integration, "isDefault"') == [("a", False), ("b", True)]


def test_addresses_and_templates_of_a_wrong_form_are_refused(ours):
    loaded = ours.load("systems", "integration,systemUrl,linkTemplate\na,ftp://x,\nb,https://x y,\nc,,https://x\n")
    assert loaded.refused == {
        2: "systemUrl must be an absolute http or https address without spaces, not 'ftp://x'",
        3: "systemUrl must be an absolute http or https address without spaces, not 'https://x y'",
        4: "linkTemplate must contain {externalId}, where the id goes, and 'https://x' does not",
    }


LONG = secrets.token_hex(3000)


@pytest.mark.parametrize(
    ("what", "heading", "bad", "said"),
    [
        (
            "elements",
            "id,title,creationTime",
            "9,A,300000-01-01 00:00:00+00",
            "creationTime is not a time that PostgreSQL",
        ),
        (
            "elements",
            "id,title,modificationDate",
            "9,A,2026-03-01T10:00:00+23:59",
            "modificationDate has an offset that",
        ),
        (
            "systems",
            "integration,metadata",
            "bad,1e400000",
            "metadata contains a number with more digits than",
        ),
        ("systems", "integration,metadata", r'bad,"""\u0000"""', "metadata contains a NUL character"),
        ("systems", "integration,metadata", r'bad,"""\ud83d"""', "metadata contains half of a surrogate pair"),
        ("systems", "integration,name", f"{LONG},A", "integration is too long: its key is longer than 2650 bytes"),
        (
            "systems",
            "integration,systemUrl",
            f"bad,https://x.example/{LONG}",
            "systemUrl is too long: its key is longer",
        ),
    ],
)
def test_a_value_that_cannot_be_stored_refuses_its_row_alone_in_plain_words(ours, what, heading, bad, said):
    loaded = ours.load(what, f"{heading}\n7,A,\n{bad}\n" if what == "elements" else f"{heading}\na,\n{bad}\nb,\n")
    assert loaded.refused[3].startswith(said)
    assert list(loaded.refused) == [3]
