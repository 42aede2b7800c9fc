"""The examples of docs/mapping-api.md give the answers that it shows."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

DOCUMENT = Path(__file__).parents[2] / "docs" / "mapping-api.md"
EXAMPLE = re.compile(r"^```http\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADER = re.compile(r"([A-Z][A-Za-z-]+): (.*)")


@dataclass(frozen=True)
class Example:
    method: str
    target: str
    headers: dict[str, str]
    body: str | None
    status: int
    answer_headers: dict[str, str]
    answer: str


def headers_of(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    found = {}
    while lines and (header := HEADER.fullmatch(lines[0])):
        found[header[1]] = header[2]
        lines = lines[1:]
    return found, lines


def read(text: str) -> Example:
    request, answer = re.split(r"\n\n(?=[1-5][0-9][0-9]\n)", text)
    method, _, target = request.splitlines()[0].partition(" ")
    headers, rest = headers_of(request.splitlines()[1:])
    status, *lines = answer.splitlines()
    answer_headers, answer_lines = headers_of(lines)
    body = "\n".join(rest[1:]) if rest else None
    return Example(method, target, headers, body, int(status), answer_headers, "\n".join(answer_lines))


EXAMPLES = [read(text) for text in EXAMPLE.findall(DOCUMENT.read_text(encoding="utf-8"))]


def test_the_examples_of_the_document_happen_one_after_the_other(client):
    assert len(EXAMPLES) > 30
    for example in EXAMPLES:
        path = quote(example.target, safe="/?&=.,:*()!")
        answer = client.request(example.method, path, headers=example.headers, content=example.body)
        assert answer.status_code == example.status, f"{example.method} {example.target}: {answer.text}"
        for name, value in example.answer_headers.items():
            assert answer.headers[name] == value, example.target
        if example.answer_headers.get("Content-Type", "").startswith("text/csv"):
            assert answer.text == example.answer
        else:
            assert (json.loads(answer.text) if answer.text else None) == (
                json.loads(example.answer) if example.answer else None
            ), example.target


def test_every_operator_and_preference_is_documented():
    text = DOCUMENT.read_text(encoding="utf-8")
    operators = (
        "eq neq gt gte lt lte like ilike match imatch in is isdistinct fts plfts phfts wfts cs cd ov sl sr nxr nxl adj"
    )
    for word in operators.split():
        assert f"`{word}`" in text
    for preference in (
        "return=minimal",
        "count=planned",
        "resolution=ignore-duplicates",
        "missing=default",
        "tx=rollback",
    ):
        assert f"`{preference}`" in text
