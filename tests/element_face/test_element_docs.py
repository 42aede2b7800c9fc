"""The documents of the element face agree with the code."""

import os
import re
import sys
from pathlib import Path

from documents import ROOT, Shell, examples, is_as_shown
from tieline.problems import TITLES

# Every slug of the wire contract, with its main status.
CONTRACT = {
    "validation-failed": 400,
    "bad-request": 400,
    "missing-parameter": 400,
    "type-mismatch": 400,
    "date-format-error": 400,
    "input-parameter-error": 400,
    "business-error": 400,
    "unauthorized": 401,
    "token-revoked": 401,
    "access-denied": 403,
    "endpoint-not-found": 404,
    "resource-not-found": 404,
    "method-not-allowed": 405,
    "not-acceptable": 406,
    "conflict": 409,
    "payload-too-large": 413,
    "unsupported-media-type": 415,
    "too-many-requests": 429,
    "internal-error": 500,
    "unavailable": 503,
}
ERRORS = ROOT / "docs" / "errors.md"


def test_contract_code_and_document_have_the_same_problems():
    text = ERRORS.read_text()
    assert list(TITLES) == list(CONTRACT)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == list(CONTRACT)
    table = re.findall(r"^\| \[([a-z-]+)\]\(#([a-z-]+)\) \| (\d+)", text, re.MULTILINE)
    assert table == [(slug, slug, str(status)) for slug, status in CONTRACT.items()]


def test_each_problem_says_what_happened_and_how_to_mend_it():
    for section in ERRORS.read_text().split("\n## ")[1:]:
        assert section.index("**What happened.**") < section.index("**How to mend it.**"), section


def test_every_problem_that_the_code_makes_has_a_title():
    source = ROOT / "src" / "tieline"
    text = "\n".join(file.read_text() for file in (source / "problems.py", *source.glob("web/*.py")))
    assert set(re.findall(r'Problem\(\s*"([a-z-]+)"', text)) <= set(TITLES)


def test_every_code_of_a_wrong_field_is_explained():
    source = ROOT / "src" / "tieline" / "web"
    text = "\n".join((source / name).read_text() for name in ("decode.py", "element_face.py", "cursor.py"))
    codes = set(re.findall(r'FieldError\(\s*"[a-z]+", [^,]+, "([a-z-]+)"', text)) | {"unknown", "missing", "invalid"}
    explained = ERRORS.read_text()
    assert [code for code in sorted(codes) if f"`{code}`" not in explained] == []


def test_the_examples_of_the_element_face_give_the_answers_that_are_shown(server, database):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = Shell({**os.environ, "PATH": path, "URL": server.url, "TIELINE_DATABASE_URL": database.dsn})
    differences = []
    for example in examples(ROOT / "docs" / "element-api.md"):
        output = shell.run(example.command)
        if not is_as_shown(output, example.output):
            differences.append(f"line {example.line}: $ {example.command}\n{output}\ninstead of\n{example.output}")
    shell.close()
    assert not differences, "\n\n".join(differences)
