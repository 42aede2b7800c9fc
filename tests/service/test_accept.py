"""The Accept header: an answer has the form that its client prefers."""

import pytest


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/csv; charset=utf-8"),
        ("*/*", "text/csv; charset=utf-8"),
        ("text/*;q=0.9, application/x-ndjson", "application/x-ndjson"),
        ("text/csv;q=0.5, application/x-ndjson;q=0.6", "application/x-ndjson"),
        ("application/x-ndjson, text/csv", "application/x-ndjson"),
        ("text/csv;q=0, */*;q=0.1", "application/x-ndjson"),
        ("TEXT/CSV; header=present", "text/csv; charset=utf-8"),
    ],
)
def test_an_export_has_the_form_that_accept_prefers(client, accept, content_type):
    answer = client.get("/export/systems", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "application/json"])
def test_an_export_in_no_form_that_the_client_takes_is_not_acceptable(client, accept):
    assert client.get("/export/systems", headers={"accept": accept}).status_code == 406


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/csv;q=0.5, application/json", "application/json; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        (
            "application/json, application/vnd.pgrst.array+json;nulls=stripped",
            "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
        ),
    ],
)
def test_a_page_of_rows_has_the_form_that_accept_prefers(client, accept, content_type):
    answer = client.get("/externalSystem", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
