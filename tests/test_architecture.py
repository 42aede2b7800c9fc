"""The shape of the code: small functions, small files, one function or statement of SQL a file."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 400
FILES = sorted(SOURCE.rglob("*.py"))
SQL = SOURCE / "tieline" / "sql"
DEFAULTS = tomllib.loads((SOURCE / "tieline" / "settings.toml").read_text())
LIMITS = SOURCE.parent / "docs" / "decisions" / "0013-what-one-request-may-cost.md"
PACKAGES = {".".join(file.parent.relative_to(SOURCE).parts) for file in FILES}
SQL_FUNCTION = re.compile(r"create (?:or replace )?function (\w+).*?\$\$;", re.DOTALL)


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(SOURCE)) for file in FILES])
def test_a_file_has_at_most_400_lines_and_its_functions_at_most_50(file):
    text = file.read_text()
    assert len(text.splitlines()) <= FILE_LINES_MAX
    too_long = {
        node.name: length
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert not too_long


@pytest.mark.parametrize("folder", ["functions", "migrations"])
def test_a_function_in_sql_has_at_most_50_lines(folder):
    functions = {
        (file.stem, function[1]): function[0].count("\n") + 1
        for file in (SQL / folder).iterdir()
        for function in SQL_FUNCTION.finditer(file.read_text())
    }
    assert {name: lines for name, lines in functions.items() if lines > FUNCTION_LINES_MAX} == {}


@pytest.mark.parametrize("file", sorted((SQL / "functions").iterdir()), ids=lambda file: file.stem)
def test_a_file_of_functions_has_the_one_that_it_is_named_for(file):
    assert file.stem == "triggers" or SQL_FUNCTION.findall(file.read_text()) == [file.stem]


def test_every_statement_file_is_used():
    """One statement a file, named like the function that runs it; no file is left over."""
    code = "\n".join(file.read_text() for file in FILES)
    names = {
        str(file.relative_to(SQL).with_suffix(""))
        for file in SQL.rglob("*.sql")
        if not {"migrations", "functions"} & set(file.parts)
    }
    assert {name for name in names if f'"{name}"' not in code} == set()


def imported_modules(file: Path) -> set[str]:
    """The modules of ours that a file imports, whether by `import` or by `from`."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inside = SOURCE.joinpath(*node.module.split("."))
            found |= {f"{node.module}.{a.name}" if inside.is_dir() else node.module for a in node.names}
    return {name for name in found if name.startswith("tieline.")}


def test_the_mapping_face_needs_eight_modules_at_most_and_two_of_the_dialect():
    modules = imported_modules(SOURCE / "tieline" / "web" / "mapping_face.py") - {"tieline.__version__"}
    assert len(modules) <= 8
    assert {name for name in modules if ".dialect" in name} == {"tieline.dialect.statement", "tieline.dialect.answer"}


def private_imports(file: Path) -> set[str]:
    """The names with an underscore that a file takes from other modules."""
    return {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    }


def private_attributes(file: Path) -> set[str]:
    """The names with an underscore that a file reads of modules that it imports."""
    tree = ast.parse(file.read_text())
    modules = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module in PACKAGES)
        for alias in node.names
    }
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    }


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(SOURCE)) for file in FILES])
def test_no_module_uses_a_name_with_an_underscore_of_another_one(file):
    assert private_imports(file) | private_attributes(file) == set()


def test_a_private_name_of_another_module_is_found(tmp_path):
    file = tmp_path / "example.py"
    file.write_text("from tieline.web import decode\nfrom tieline.wire.urls import _split\ndecode._parse(__name__)\n")
    assert private_imports(file) | private_attributes(file) == {"tieline.wire.urls._split", "decode._parse"}


def test_the_decision_on_limits_names_each_limit_and_the_files_that_enforce_it():
    rows = [line.split("|") for line in LIMITS.read_text().splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[2])}
    limits = {name for name in DEFAULTS if re.search(r"_(max|min|per_minute|timeout_ms|wait_ms)$", name)}
    # What is smaller is not compressed: no limit of a request.
    assert limits - named == {"gzip_bytes_min"}
    assert named <= set(DEFAULTS)
    files = {file for row in rows for file in re.findall(r"`([\w/]+\.(?:py|sql))`", row[3])}
    missing = {file for file in files if not any((SOURCE / "tieline").rglob(file))}
    assert not missing


def test_limits_that_functions_in_sql_look_up_have_the_same_defaults_there():
    text = (SQL / "functions" / "limit_of.sql").read_text()
    defaults = {name: int(value) for name, value in re.findall(r"when '(\w+)' then (\d+)", text)}
    assert defaults == {name: DEFAULTS[name] for name in defaults}
    assert defaults
