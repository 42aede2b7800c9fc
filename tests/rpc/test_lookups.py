"""resolve, locate and translate answer each id, in the order of the question, and never guess."""

import json
import secrets

import pytest

MAPPINGS = "/externalIntegrationMapping"
BATCH_ROWS_MAX = 10_000
STRANGE = ["007", "a/b", "x,y", '{"quoted"}', "ünï cödé", "a b", "(1)", "eq.5", "null", "%2F", "+1", "[x]", "\\", " x "]


def row(entity_id: str, integration: str, external_id: str | None, **more: object) -> dict[str, object]:
    return {
        "entityType": "item",
        "entityId": entity_id,
        "integration": integration,
        "externalId": external_id,
        **more,
    }


@pytest.fixture
def linked(client):
    """Items 1 to 3 in xero, the first two in hubspot too; S is shared by two, one of them of another type."""
    shared = {"allowDuplicateExternalId": True}
    rows = [
        row("1", "xero", "A"),
        row("2", "xero", "B"),
        row("3", "xero", "C"),
        row("4", "xero", "S", **shared),
        row("4", "xero", "S", **shared, entityType="vendor"),
        row("1", "hubspot", "h/1", link="https://hubspot.example/1"),
        row("2", "hubspot", None, link="https://hubspot.example/2"),
        row("4", "hubspot", "h/4"),
    ]
    for one in rows:
        client.post(MAPPINGS, json=one).raise_for_status()
    return client


def call(client, function: str, params: dict[str, str] | None = None, **arguments: object):
    answer = client.post(f"/rpc/{function}", json=arguments, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_resolve_answers_each_id_in_the_order_asked(linked):
    answers = call(linked, "resolve", integration="xero", externalIds=["B", "no", "A", "B"])
    assert [(a["externalId"], a["status"], a["entityId"]) for a in answers] == [
        ("B", "linked", "2"),
        ("no", "unknown", None),
        ("A", "linked", "1"),
        ("B", "linked", "2"),
    ]
    mapping_id = linked.get(MAPPINGS, params={"externalId": "eq.A", "select": "id"}).json()[0]["id"]
    assert answers[2] == {
        "externalId": "A",
        "status": "linked",
        "entityType": "item",
        "entityId": "1",
        "mappingId": mapping_id,
        "candidates": [],
    }


def test_an_id_that_several_entities_share_is_ambiguous_until_the_type_tells(linked):
    (answer,) = call(linked, "resolve", integration="xero", externalIds=["S"])
    assert (answer["status"], answer["entityId"], answer["mappingId"]) == ("ambiguous", None, None)
    assert {c["entityType"] for c in answer["candidates"]} == {"item", "vendor"}
    assert set(answer["candidates"][0]) == {"entityType", "entityId", "mappingId"}
    (answer,) = call(linked, "resolve", integration="xero", entityType="vendor", externalIds=["S"])
    assert (answer["status"], answer["entityType"], answer["candidates"]) == ("linked", "vendor", [])
    (answer,) = call(linked, "resolve", integration="xero", entityType=None, externalIds=["S"])
    assert answer["status"] == "ambiguous"


def test_of_very_many_candidates_the_first_hundred_are_named(client):
    rows = [row(str(n), "xero", "S", allowDuplicateExternalId=True) for n in range(150)]
    client.post(MAPPINGS, json=rows).raise_for_status()
    (answer,) = call(client, "resolve", integration="xero", externalIds=["S"])
    assert (answer["status"], len(answer["candidates"])) == ("ambiguous", 100)
    (answer,) = call(client, "translate", **{"from": "xero", "to": "xero"}, externalIds=["S"])
    assert (answer["status"], len(answer["translations"])) == ("ambiguous", 100)


def test_locate_is_the_other_way_round(linked):
    answers = call(linked, "locate", integration="hubspot", entityType="item", entityIds=["2", "3", "1", "2"])
    assert [(a["entityId"], a["status"], a["externalId"], a["link"]) for a in answers] == [
        ("2", "linked", None, "https://hubspot.example/2"),
        ("3", "unlinked", None, None),
        ("1", "linked", "h/1", "https://hubspot.example/1"),
        ("2", "linked", None, "https://hubspot.example/2"),
    ]
    assert set(answers[0]) == {"entityId", "status", "externalId", "link", "mappingId"}


def test_a_link_is_made_of_the_systems_template_where_none_is_stored(linked, acme):
    acme.has_system("hubspot", template="https://hubspot.example/r/{externalId}")
    answers = call(linked, "locate", integration="hubspot", entityType="item", entityIds=["4", "1"])
    assert [a["link"] for a in answers] == ["https://hubspot.example/r/h%2F4", "https://hubspot.example/1"]
    (answer,) = call(linked, "translate", **{"from": "xero", "to": "hubspot"}, entityType="item", externalIds=["S"])
    assert answer["translations"][0]["link"] == "https://hubspot.example/r/h%2F4"


def test_translate_tells_what_is_unknown_from_what_is_unlinked(linked):
    ids = ["C", "A", "no", "A", "B", "S"]
    answers = call(linked, "translate", **{"from": "xero", "to": "hubspot"}, externalIds=ids)
    assert [(a["externalId"], a["status"]) for a in answers] == [
        ("C", "unlinked"),
        ("A", "linked"),
        ("no", "unknown"),
        ("A", "linked"),
        ("B", "linked"),
        # The item is in hubspot, the vendor is not, and the call does not say which of them it means.
        ("S", "ambiguous"),
    ]
    assert answers[1]["translations"] == [
        {"entityType": "item", "entityId": "1", "externalId": "h/1", "link": "https://hubspot.example/1"}
    ]
    assert (answers[0]["translations"], answers[2]["translations"]) == ([], [])
    assert [t["entityType"] for t in answers[5]["translations"]] == ["item"]
    narrowed = call(linked, "translate", **{"from": "xero", "to": "hubspot"}, entityType="item", externalIds=["S"])
    assert narrowed[0]["status"] == "linked"


def test_ids_come_back_exactly_as_given(client):
    rows = [row(str(n), "xero", external_id) for n, external_id in enumerate(STRANGE)]
    client.post(MAPPINGS, json=rows).raise_for_status()
    answers = call(client, "resolve", integration="xero", externalIds=STRANGE)
    assert [(a["externalId"], a["entityId"]) for a in answers] == [(x, str(n)) for n, x in enumerate(STRANGE)]
    repeated = client.get("/rpc/resolve", params={"integration": "xero", "externalIds": STRANGE}).json()
    assert repeated == answers
    as_json = client.get("/rpc/resolve", params={"integration": "xero", "externalIds": json.dumps(STRANGE)}).json()
    assert as_json == answers


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("{A,B}", ["A", "B"]),
        ('{"A", B}', ["A", "B"]),
        ('{"x,\\"y","B"}', ['x,"y', "B"]),
        ("{}", []),
        ('["A","x,y"]', ["A", "x,y"]),
        ("[]", []),
        ("A", ["A"]),
        ("", [""]),
        ("[x]", ["[x]"]),
        ("eq.5", ["eq.5"]),
        ("in.(A)", ["in.(A)"]),
    ],
)
def test_a_get_takes_arrays_in_each_way_that_clients_write_them(linked, given, asked):
    answer = linked.get("/rpc/resolve", params={"integration": "xero", "externalIds": given})
    assert answer.status_code == 200, answer.text
    assert [a["externalId"] for a in answer.json()] == asked


@pytest.mark.parametrize("given", ["{A", "{A,}", "{A,{B}}", '{"A}', '{"A"B}', '["A",1]', "{,}"])
def test_a_get_refuses_half_an_array(linked, given):
    answer = linked.get("/rpc/resolve", params={"integration": "xero", "externalIds": given})
    if given == "{A":
        assert answer.status_code == 400
    assert answer.status_code in {200, 400}
    assert answer.status_code == 400 or [a["externalId"] for a in answer.json()] == [given]


def test_a_form_is_taken_too(linked):
    answer = linked.post("/rpc/resolve", data={"integration": "xero", "externalIds": ["A", "B"]})
    assert [a["entityId"] for a in answer.json()] == ["1", "2"]


def test_answers_are_selected_filtered_ordered_and_counted_like_rows(linked):
    arguments = {"integration": "xero", "externalIds": ["C", "no", "A", "S"]}
    chosen = call(linked, "resolve", {"select": "externalId,id:entityId", "status": "eq.linked"}, **arguments)
    assert chosen == [{"externalId": "C", "id": "3"}, {"externalId": "A", "id": "1"}]
    ordered = call(linked, "resolve", {"select": "externalId", "order": "externalId.desc", "limit": "2"}, **arguments)
    assert [a["externalId"] for a in ordered] == ["no", "S"]
    first = call(linked, "resolve", {"select": "c:candidates->0->>entityType", "externalId": "eq.S"}, **arguments)
    assert first[0]["c"] in {"item", "vendor"}
    answer = linked.get(
        "/rpc/resolve",
        params={"integration": "xero", "externalIds": "{A,B,no}", "entityType": "eq.item", "limit": "1"},
        headers={"Prefer": "count=exact"},
    )
    assert (answer.status_code, answer.headers["content-range"], len(answer.json())) == (206, "0-0/2", 1)
    table = linked.get(
        "/rpc/translate",
        params={"from": "xero", "to": "hubspot", "externalIds": "{A,no}", "select": "externalId,status"},
        headers={"Accept": "text/csv"},
    )
    assert table.text == "externalId,status\nA,linked\nno,unknown"
    counted = call(linked, "resolve", {"select": "status,count()", "order": "status"}, **arguments)
    assert [(c["status"], c["count"]) for c in counted] == [("ambiguous", 1), ("linked", 2), ("unknown", 1)]


def test_ten_thousand_are_answered_and_one_more_is_too_many(linked):
    ids = ["A", *(f"no-{n}" for n in range(BATCH_ROWS_MAX - 1))]
    answers = call(linked, "resolve", integration="xero", externalIds=ids)
    assert [a["externalId"] for a in answers] == ids
    for function, arguments in {
        "resolve": {"integration": "xero", "externalIds": [*ids, "A"]},
        "locate": {"integration": "xero", "entityType": "item", "entityIds": [*ids, "A"]},
        "translate": {"from": "xero", "to": "hubspot", "externalIds": [*ids, "A"]},
    }.items():
        answer = linked.post(f"/rpc/{function}", json=arguments)
        assert answer.status_code == 413
        assert "batch_rows_max" in answer.json()["message"]
        assert "10000" in answer.json()["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"integration": "xero", "externalIds": ["A", 7]}, "externalIds[1]"),
        ({"integration": "xero", "externalIds": ["A", None]}, "externalIds[1]"),
        ({"integration": "xero", "externalIds": [["A"]]}, "externalIds[0]"),
        ({"integration": "xero", "externalIds": "A"}, "externalIds"),
        ({"integration": "xero", "externalIds": None}, "externalIds"),
        ({"integration": 5, "externalIds": ["A"]}, "integration"),
        ({"integration": "", "externalIds": ["A"]}, "integration"),
        ({"integration": None, "externalIds": ["A"]}, "integration"),
        ({"integration": "xero", "entityType": 1, "externalIds": ["A"]}, "entityType"),
    ],
)
def test_an_id_that_is_not_a_string_is_refused_with_its_place(linked, arguments, said):
    answer = linked.post("/rpc/resolve", json=arguments)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"].startswith(said)


def test_a_number_is_refused_for_the_digits_that_it_may_lose(linked):
    answer = linked.post("/rpc/resolve", json={"integration": "xero", "externalIds": ["A", 12345678901234567890]})
    assert answer.json()["message"] == (
        "externalIds[1]: expected a string, got a number: its digits may be lost on the way"
    )


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("POST", "/rpc/resolve", {"integration": "xero"}),
        ("POST", "/rpc/resolve", {"integration": "xero", "externalIds": [], "what": 1}),
        ("POST", "/rpc/translate", {"from": "xero", "externalIds": []}),
        ("POST", "/rpc/locate", {"integration": "xero", "entityIds": []}),
        ("POST", "/rpc/nothing", {}),
        ("GET", "/rpc/resolve", {"integration": "xero"}),
        ("GET", "/rpc/resolve", {"integration": "xero", "externalIds": "{A}", "what": "1"}),
    ],
)
def test_arguments_that_no_function_takes_are_answered_as_postgrest_does(client, method, path, given):
    answer = client.request(method, path, **({"params": given} if method == "GET" else {"json": given}))
    assert (answer.status_code, answer.json()["code"]) == (404, "PGRST202")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("resolve?integration=xero", "resolve takes integration, externalIds (entityType)."),
        ("coverage?entityTypes=item", "coverage takes (entityType)."),
        ("whoami?a=1", "whoami takes no arguments."),
        ("Resolve?integration=xero", "Perhaps you meant to call the function public.resolve"),
        ("whoam", "Perhaps you meant to call the function public.whoami"),
        ("nothing", None),
    ],
)
def test_a_call_that_fits_no_function_is_told_what_would(client, path, hint):
    assert client.get(f"/rpc/{path}").json()["hint"] == hint


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("function", "given", "ids", "fine"),
    [
        ("resolve", '"integration": "xero"', "externalIds", "linked"),
        ("locate", '"integration": "xero", "entityType": "item"', "entityIds", "unlinked"),
        ("translate", '"from": "xero", "to": "hubspot"', "externalIds", "linked"),
    ],
)
@pytest.mark.parametrize(("text", "said"), [("x\\u0000", "a NUL character"), ("\\ud83d", "half of a surrogate pair")])
def test_an_id_that_cannot_be_stored_spoils_no_other(linked, function, given, ids, fine, text, said):
    body = f'{{{given}, "{ids}": ["A", "{text}", "A"]}}'
    answer = linked.post(f"/rpc/{function}", content=body, headers=JSON)
    assert answer.status_code == 200, answer.text
    first, spoiled, last = answer.json()
    assert first == last
    assert (first["status"], first["problem"]) == (fine, None)
    assert (spoiled["status"], spoiled[ids[:-1]]) == ("invalid", None)
    message = f"{ids}[1] contains {said}, which PostgreSQL cannot store."
    assert spoiled["problem"] == {"code": "22023", "message": message}
    only = linked.post(f"/rpc/{function}?select=problem&status=eq.invalid", content=body, headers=JSON)
    assert only.json() == [{"problem": spoiled["problem"]}]


def test_a_form_may_hold_an_id_that_cannot_be_stored(linked):
    body = "integration=xero&externalIds=A&externalIds=%00"
    answer = linked.post("/rpc/resolve", content=body, headers=FORM)
    assert [row["status"] for row in answer.json()] == ["linked", "invalid"]


def test_problems_of_ids_may_be_asked_for_when_there_are_none(linked):
    found = linked.get("/rpc/resolve?integration=xero&externalIds={A}&select=status,problem")
    assert found.json() == [{"status": "linked", "problem": None}]
    assert "problem" not in call(linked, "resolve", integration="xero", externalIds=["A"])[0]


@pytest.mark.parametrize(
    ("name", "text", "said"), [("externalId", "x\\u0000", "a NUL"), ("entityId", "\\ud83d", "half of a surrogate")]
)
def test_a_claim_of_an_id_that_cannot_be_stored_is_refused_by_its_name(client, name, text, said):
    given = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}
    body = json.dumps({**given, name: "?"}).replace("?", text)
    answer = client.post("/rpc/claim", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{name} contains {said}")


def test_nothing_of_another_company_is_found(linked, other):
    with other.client() as theirs:
        for external_id in ("A", secrets.token_hex(4)):
            (answer,) = call(theirs, "resolve", integration="xero", externalIds=[external_id])
            assert (answer["status"], answer["candidates"]) == ("unknown", [])
        assert call(theirs, "locate", integration="xero", entityType="item", entityIds=["1"])[0]["externalId"] is None
        (answer,) = call(theirs, "translate", **{"from": "xero", "to": "hubspot"}, externalIds=["A"])
        assert answer["status"] == "unknown"
        theirs.post(MAPPINGS, json=row("9", "xero", "A")).raise_for_status()
        (answer,) = call(theirs, "resolve", integration="xero", externalIds=["A"])
        assert answer["entityId"] == "9"
    (answer,) = call(linked, "resolve", integration="xero", externalIds=["A"])
    assert (answer["entityId"], answer["candidates"]) == ("1", [])


def test_a_key_that_may_read_may_ask(linked, acme):
    with acme.client("api.read") as reader:
        assert call(reader, "resolve", integration="xero", externalIds=["A"])[0]["entityId"] == "1"
        assert reader.head("/rpc/resolve", params={"integration": "xero", "externalIds": "A"}).status_code == 200
