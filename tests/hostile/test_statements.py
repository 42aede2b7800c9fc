"""One client does its worst with statements: the others are served, and memory stays within the measure."""

import pytest
from load import MAPPINGS, attack, fill, neighbour, watching

CYCLE = "id,company(externalIntegrationMapping(id,company(externalIntegrationMapping(id))))"


@pytest.fixture
def stage(acme, other, server, database):
    """The attacker's company with a thousand mappings, its neighbour's, and where they live."""
    fill(acme, 1000, metadata="""jsonb_build_object('text', repeat('lorem ' || n, 100), 'number', '1e131000')""")
    return acme, other, server, database


def many(form: str, count: int) -> str:
    return ",".join(form.format(n) for n in range(count))


SELECTS = {
    "400 embeds": (many("c{}:company(id)", 400), "embeds_max"),
    "a deep cycle": ("company(externalIntegrationMapping(" * 3 + "id" + "))" * 3, "embed_depth_max"),
    "a cycle": (CYCLE, "answer_bytes_max"),
    "a cycle of aggregates": ("company(externalIntegrationMapping(count(),company(id)))", None),
    "spread lists": (f"...company({many('a{}:externalIntegrationMapping(metadata)', 9)})", "answer_bytes_max"),
    "many columns": (many("a{}:metadata", 201), "select_items_max"),
    "one column many times": (many("a{}:metadata", 6), "column_times_max"),
    "wide rows of paths": (many("a{}:metadata->text", 200), "answer_bytes_max"),
    "casts of one column": (many("a{}:metadata::text", 6), "column_times_max"),
    "casts": (many("a{}:metadata->>text::bpchar", 200), "answer_bytes_max"),
    "numbers with many zeros": (many("a{}:metadata->>number::numeric", 200), "answer_bytes_max"),
    "sums of such numbers": (many("a{}:metadata->>number::numeric.sum()", 200), "answer_bytes_max"),
    "embedded numbers": (
        f"company(externalIntegrationMapping({many('a{}:metadata->>number::numeric', 190)}))",
        "answer_bytes_max",
    ),
}


def test_what_would_be_a_large_answer_is_refused_with_the_limit_named(stage):
    acme, other, server, database = stage
    names = [(name, accept) for name in SELECTS for accept in ("application/json", "text/csv")]
    answers: dict[tuple[str, str], set[tuple[int, str]]] = {}

    def send(caller, number):
        name, accept = names[number % len(names)]
        answer = caller.get(MAPPINGS, params={"select": SELECTS[name][0]}, headers={"accept": accept})
        if answer.status_code != 503:
            said = "" if answer.status_code == 200 else answer.json()["message"]
            answers.setdefault((name, accept), set()).add((answer.status_code, said))
        return answer

    with watching(server, database) as watch, neighbour(other) as served:
        attack(acme, send, seconds=5)
    for (name, _), ((status, said),) in answers.items():
        limit = SELECTS[name][1]
        assert status == (200 if limit is None else 413 if limit == "answer_bytes_max" else 400), name
        assert (limit or "") in said
    assert set(served.statuses) <= {200, 201}
    watch.check()


def test_rows_are_ordered_by_so_many_terms_only(stage):
    acme, _, server, database = stage
    paths = ",".join(["metadata->text"] * 201)
    with acme.client("api.read") as caller, watching(server, database) as watch:
        root = caller.get(f"{MAPPINGS}?select=id&order={paths}")
        embedded = caller.get(
            f"/company?select=externalIntegrationMapping(id)&externalIntegrationMapping.order={paths}"
        )
        call = caller.get(
            f"/rpc/resolve?integration=xero&externalIds=x1&order={paths.replace('metadata', 'candidates')}"
        )
    for answer in (root, embedded, call):
        assert (answer.status_code, "select_items_max" in answer.json()["message"]) == (400, True)
    watch.check()


LONG_ID = "x" * 900_000
LONG_CALLS = {
    "locate": {"integration": "xero", "entityType": "item", "entityIds": [LONG_ID] * 15},
    "resolve": {"integration": "xero", "externalIds": [LONG_ID] * 15},
    "translate": {"from": "xero", "to": "sap", "externalIds": [LONG_ID] * 15},
    "crosswalk": {"integration": "xero", "externalIds": [LONG_ID] * 15},
}


@pytest.mark.parametrize("function", LONG_CALLS)
def test_ids_that_no_mapping_can_have_are_not_repeated_in_every_column(stage, function):
    acme, other, server, database = stage
    column = "entityId" if function == "locate" else "externalId"
    ways = ["", f"?select={many('a{}:' + column + '->>x', 200)}", f"?order={many(column + '->a{}', 200)}"]
    with watching(server, database) as watch, neighbour(other) as served, acme.client("api.read") as caller:
        answers = [caller.post(f"/rpc/{function}{way}", json=LONG_CALLS[function]) for way in ways]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    told = answers[0].json()[14]
    assert told[column] is None
    assert "text_bytes_max" in told["problem"]["message"]
    assert set(served.statuses) <= {200, 201}
    watch.check()


def test_a_name_that_is_too_long_is_refused_by_functions_that_look_up(client):
    answer = client.post("/rpc/crosswalk", json={"entityType": "t" * 8_001, "entityIds": ["a"] * 10_000})
    assert (answer.status_code, "text_bytes_max" in answer.json()["message"]) == (400, True)


def test_a_list_of_large_rows_is_refused_and_a_part_of_it_answered(stage):
    acme, _, server, database = stage
    fill(acme, 1000, entityId="'large' || n", externalId="null", metadata="to_jsonb(repeat(md5(n::text), 1500))")
    with acme.client("api.read") as caller, watching(server, database) as watch:
        refused = caller.get(f"{MAPPINGS}?entityId=like.large*")
        part = caller.get(f"{MAPPINGS}?entityId=like.large*&limit=100")
    assert refused.status_code == 413
    assert "answer_bytes_max" in refused.json()["message"]
    assert (part.status_code, len(part.json())) == (200, 100)
    watch.check()


def test_a_pattern_beside_a_key_holds_up_no_look_up(stage):
    acme, other, server, database = stage
    with acme.client("api.read") as caller:
        key = caller.get(f"{MAPPINGS}?limit=1&select=id").json()[0]["id"]
    asked = {"id": f"eq.{key}", "metadata->>text": f"wfts.{' or '.join(f'w{n}' for n in range(1500))}"}
    with watching(server, database) as watch, neighbour(other) as served:
        got = attack(acme, lambda caller, _: caller.get(MAPPINGS, params=asked), seconds=2)
    assert set(got.statuses) <= {200, 503}
    assert set(served.statuses) <= {200, 201}
    watch.check()


@pytest.mark.parametrize(("filters", "seconds"), [(1700, 3), (100, 3)])
def test_requests_of_ever_new_shapes_are_not_all_kept(stage, filters, seconds):
    acme, other, server, database = stage

    def send(caller, number):
        names = [("entityId", "id")[number >> (n % 16) & 1] for n in range(filters)]
        return caller.get(f"{MAPPINGS}?limit=1&" + "&".join(f"{name}=neq.{n}" for n, name in enumerate(names)))

    with watching(server, database) as watch, neighbour(other) as served:
        got = attack(acme, send, seconds=seconds)
    assert set(got.statuses) <= {200, 503}
    assert set(served.statuses) <= {200, 201}
    watch.check()


SHARED = {"allowDuplicateExternalId": "true"}
CALLS = {
    "one id again and again": ("resolve", {"integration": "shared", "externalIds": ["s1"] * 10_000}, "candidates_max"),
    "many shared ids": (
        "resolve", {"integration": "many", "externalIds": [f"s{n}" for n in range(800)]}, "candidates_max"
    ),
    "one id a hundred times": ("resolve", {"integration": "shared", "externalIds": ["s1"] * 100}, None),
    "translate one id": (
        "translate", {"from": "shared", "to": "wide", "externalIds": ["s1"] * 10_000}, "candidates_max"
    ),
    "translate to long links": (
        "translate", {"from": "xero", "to": "wide", "externalIds": ["x1"] * 10_000}, "answer_bytes_max"
    ),
    "locate long links": (
        "locate", {"integration": "wide", "entityType": "item", "entityIds": ["1"] * 10_000}, "answer_bytes_max"
    ),
    "resolve long ids": ("resolve", {"integration": "long", "externalIds": ["l1"] * 10_000}, "answer_bytes_max"),
    "resolve alike columns": (
        f"resolve?select={many('a{}:candidates->0', 200)}",
        {"integration": "xero", "externalIds": [f"x{n}" for n in range(10_000)]},
        "answer_bytes_max",
    ),
}  # fmt: skip


def test_what_all_answers_of_a_call_have_together_is_bounded(stage):
    acme, other, server, database = stage
    fill(acme, 100, integration="'shared'", externalId="'s1'", **SHARED)
    fill(acme, 80_000, integration="'many'", externalId="'s' || mod(n, 800)", **SHARED)
    fill(acme, 100, integration="'wide'", link="'https://wide.example/' || repeat('x', 7000)")
    fill(acme, 1, integration="'long'", entityId="repeat(md5(n::text), 64)", externalId="'l' || n")
    names = list(CALLS)
    answers: dict[str, set[tuple[int, str]]] = {}

    def send(caller, number):
        function, arguments, _ = CALLS[names[number % len(names)]]
        answer = caller.post(f"/rpc/{function}", json=arguments)
        if answer.status_code != 503:
            said = "" if answer.status_code == 200 else answer.json()["message"]
            answers.setdefault(names[number % len(names)], set()).add((answer.status_code, said))
        return answer

    with watching(server, database) as watch, neighbour(other) as served:
        attack(acme, send, seconds=4)
    for name, ((status, said),) in answers.items():
        limit = CALLS[name][2]
        assert (status, limit or "") == (200 if limit is None else 413, limit if limit and limit in said else "")
    assert set(answers) == set(CALLS)
    assert set(served.statuses) <= {200, 201}
    watch.check()


def test_a_batch_whose_results_would_be_too_large_changes_nothing(acme, client):
    fill(acme, 1, integration="'long'", entityId="repeat(md5(n::text), 60)", externalId="repeat(md5(n::text), 20)")
    held = client.get(f"{MAPPINGS}?select=externalId").json()[0]["externalId"]
    rows = [{"entityType": "item", "entityId": f"e{n}", "integration": "new", "externalId": f"{n}"} for n in range(10)]
    row = {"entityType": "item", "integration": "long", "externalId": held}
    rows += [{**row, "entityId": f"other{n}"} for n in range(8_000)]
    answer = client.post("/rpc/link_many", json={"mappings": rows})
    assert (answer.status_code, "answer_bytes_max" in answer.json()["message"]) == (413, True)
    assert client.get(f"{MAPPINGS}?select=entityId&integration=eq.new").json() == []


OTHER_SYNTAXES = [
    r"(?b)\(\(a\{1,200\}\)\{1,200\}\)",
    r"***:(?b)\(\(a\{1,200\}\)\{1,200\}\)",
    "(?x)((a {1,200} ) {1,200} )",
    "(?xi)((a# a comment\n{1,200}) {1,200})",
    "(?:(?:a{1,200})(?# a comment){1,200})",
]


@pytest.mark.parametrize("pattern", OTHER_SYNTAXES)
@pytest.mark.parametrize("word", ["match", "imatch", "not.match"])
def test_the_bounds_of_a_pattern_count_in_every_syntax(client, word, pattern):
    answer = client.get(MAPPINGS, params={"externalId": f"{word}.{pattern}"})
    assert (answer.status_code, "pattern_states_max" in answer.json()["message"]) == (400, True)


def test_the_bounds_of_a_pattern_in_an_array_count_with_the_arrays_own_backslashes(client):
    hidden = r'{"((a\{1,200})\{1,200})","b"}'
    answer = client.get(MAPPINGS, params={"externalId": f"match(any).{hidden}"})
    assert (answer.status_code, "pattern_states_max" in answer.json()["message"]) == (400, True)


def test_small_patterns_in_other_syntaxes_are_taken(client, acme):
    fill(acme, 3)
    for pattern in (r"(?b)^x[0-9]\{1,2\}$", "(?x) ^x [0-9] {1,2} $", "x(?# a comment)1"):
        assert client.get(MAPPINGS, params={"externalId": f"match.{pattern}"}).status_code == 200
