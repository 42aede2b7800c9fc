"""Every recorded request is read, planned and compiled as its recorded answer says, without a database."""

import json
from pathlib import Path

import pytest

from deviations import ours
from tieline.dialect.request import prefer
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.statement import Statement, prepare
from tieline.problems import Problem

RECORDED = Path(__file__).parent.parent / "compat" / "data" / "open.json"
CASES = [ours(case) for case in json.loads(RECORDED.read_text(encoding="utf-8"))]
LIMITS = Limits(depth_max=50, page_rows_max=1000)
# Refusals that need no database. The others are decided by the rows, or by PostgreSQL.
BEFORE_THE_DATABASE = {
    "PGRST100", "PGRST102", "PGRST105", "PGRST107", "PGRST108", "PGRST114", "PGRST118", "PGRST122", "PGRST127",
    "PGRST200", "PGRST204", "PGRST205", "42703", "42P10",
}  # fmt: skip


def asked(case) -> Asked:
    path, _, query = case["path_and_query"].partition("?")
    headers: dict[str, str] = {}
    for name, value in reversed(case["headers"]):
        headers[name.lower()] = value
    wishes = prefer.parse([value for name, value in case["headers"] if name.lower() == "prefer"])
    return Asked(
        case["method"],
        path.removeprefix("/"),
        query,
        wishes,
        headers.get("accept"),
        headers.get("content-type"),
        headers.get("range"),
        (case["body"] or "").encode(),
    )


def outcome(request: Asked) -> Statement | Problem | None:
    try:
        return prepare(request, "c1", LIMITS)
    except Problem as problem:
        return problem


def code_of(case) -> str | None:
    if case["status"] < 400 or not case["response_body"]:
        return None
    return json.loads(case["response_body"])["code"]


READ = [c for c in CASES if c["path_and_query"].count("/") == 1 and c["method"] in {"GET", "HEAD", "OPTIONS"}]
WRITES = {"POST", "PATCH", "PUT", "DELETE"}
WRITTEN = [c for c in CASES if c["path_and_query"].count("/") == 1 and c["method"] in WRITES]


@pytest.mark.parametrize("case", READ + WRITTEN, ids=lambda c: c["name"][:60])
def test_a_request_is_refused_without_the_database_when_it_can_be(case):
    code = code_of(case)
    found = outcome(asked(case))
    if isinstance(found, Problem):
        # HEAD's answers say no code.
        assert found.code == code or (case["method"] == "HEAD" and case["status"] == found.status)
    else:
        assert code not in BEFORE_THE_DATABASE
        assert found is None if case["method"] == "OPTIONS" else found.sql.parameters[0] == "c1"


@pytest.mark.parametrize("case", [c for c in CASES if c["path_and_query"].startswith("/rpc/")], ids=lambda c: c["name"])
def test_an_unknown_function_is_not_found_once_the_request_can_be_read(case):
    with pytest.raises(Problem) as raised:
        prepare(asked(case), "c1", LIMITS)
    assert raised.value.status == case["status"] or asked(case).path.count("/") > 1
