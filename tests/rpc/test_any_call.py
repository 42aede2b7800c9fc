"""Any call of a function is answered, with a client's error at the most (4xx)."""

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieline.dialect.functions import FUNCTIONS

MAPPINGS = "/externalIntegrationMapping"
EXAMPLES = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

words = (
    st.sampled_from(["item", "1", "xero", "A", "", "a\0b", "{a,b}", "[1]", "eq.1", "report", "move", "😀"]) | st.text()
)
names = st.sampled_from(
    [
        *("integration", "entityType", "externalIds", "entityIds", "from", "to", "entityId", "externalId"),
        *("mappings", "onConflict", "atomic", "companyId", "metadata", "lastSyncedAt", "link", "refused", "nothing"),
        *("mappingIds", "linkedIn", "after", "limit", "order"),
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
    max_leaves=12,
)
mapping = st.fixed_dictionaries(
    {"entityType": words, "entityId": words, "integration": words, "externalId": words},
    optional={"metadata": values, "lastSyncedAt": words, "link": words, "allowDuplicateExternalId": values},
)
arguments = st.one_of(
    st.dictionaries(names, values, max_size=5),
    st.fixed_dictionaries({"integration": words, "externalIds": values}, optional={"entityType": values}),
    st.fixed_dictionaries({"mappings": st.lists(mapping | values, max_size=5)}, optional={"atomic": st.booleans()}),
    mapping,
    st.fixed_dictionaries({"entityType": words, "entityIds": st.lists(words, max_size=4) | values}),
    st.fixed_dictionaries(
        {"integration": words, "entityType": words}, optional={"externalIds": values, "after": words}
    ),
    st.fixed_dictionaries({"mappingIds": st.lists(words, max_size=4) | values}),
    st.fixed_dictionaries({}, optional={"entityType": values}),
)
functions = st.sampled_from(sorted(FUNCTIONS))


@given(function=functions, given_arguments=arguments)
@EXAMPLES
def test_any_call_is_answered(client, function, given_arguments):
    try:
        answer = client.post(f"/rpc/{function}", json=given_arguments, headers={"Prefer": "tx=rollback"})
    except (UnicodeEncodeError, ValueError):
        # Python cannot write this as JSON, so it cannot send it.
        return
    assert answer.status_code < 500, answer.text


@given(function=functions, params=st.lists(st.tuples(names | st.just("select"), words), max_size=5))
@EXAMPLES
def test_any_parameters_are_answered(client, function, params):
    try:
        answer = client.get(f"/rpc/{function}", params=params)
    except UnicodeEncodeError:
        return
    assert answer.status_code < 500, answer.text


entities = st.sampled_from("12345")
external_ids = st.sampled_from("ABCDE")
links = st.sampled_from([None, "https://x.example"])
standing = st.dictionaries(entities, st.tuples(external_ids | st.none(), links), max_size=5).filter(
    lambda found: len([x for x, _ in found.values() if x]) == len({x for x, _ in found.values() if x})
)
# A row may leave external id and link out, which is not the same as null.
row = st.fixed_dictionaries({"entityId": entities}, optional={"externalId": external_ids | st.none(), "link": links})
Registry = dict[str, tuple[str | None, str | None]]


@pytest.mark.parametrize(
    ("function", "allowed"), [("resolve", "OPTIONS,GET,HEAD,POST"), ("link_many", "OPTIONS,POST"), ("nothing", None)]
)
def test_options_of_a_function(client: httpx.Client, function, allowed):
    answer = client.options(f"/rpc/{function}")
    assert answer.status_code == (404 if allowed is None else 200)
    assert answer.headers.get("allow") == allowed


SINGULAR = {"Accept": "application/vnd.pgrst.object+json"}


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        (
            "/rpc/link_many",
            {"mappings": [{"entityType": "item", "entityId": e, "integration": "xero", "externalId": e} for e in "12"]},
        ),
        (
            "/rpc/claim?outcome=eq.conflict",
            {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"},
        ),
    ],
)
def test_a_call_that_is_refused_as_not_single_changes_nothing(client, target, arguments):
    answer = client.post(target, json=arguments, headers=SINGULAR)
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST116")
    assert client.get(MAPPINGS).json() == []


def test_rows_that_are_nested_too_deep_are_refused_in_a_form_too(client):
    answer = client.post("/rpc/link_many", data={"mappings": "[" * 5000 + "]" * 5000})
    assert answer.status_code == 400, answer.text
