"""Checks that every problem of the element face must pass."""

import httpx


def refused(response: httpx.Response, status: int, slug: str) -> dict:
    """The problem's members, after a check of those that all have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"].endswith(f"/docs/errors/{slug}")
    assert problem["type"].startswith("http")
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.url.path
    assert problem["traceId"] == response.headers["x-request-id"]
    return problem


def field_error(response: httpx.Response, slug: str = "validation-failed") -> tuple[str, str | None, str]:
    """The place of the one wrong field of a request, and its code."""
    (error,) = refused(response, 400, slug)["errors"]
    assert error["message"]
    return error["scope"], error["path"], error["code"]
