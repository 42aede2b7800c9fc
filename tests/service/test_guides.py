"""The commands and programs of the guides do what the guides show."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from documents import ROOT, Shell, examples, is_as_shown

DOCS = ROOT / "docs"
JS = ROOT / "tests" / "compat" / "js"
NODE, NPM = shutil.which("node"), shutil.which("npm")
SECONDS_MAX = 300
PROGRAM = re.compile(r"^```(python|js)\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Program:
    line: int
    text: str
    output: str


def programs(language: str) -> list[Program]:
    text = (DOCS / "recipes.md").read_text()
    return [
        Program(text[: found.start()].count("\n") + 1, found[2], found[3])
        for found in PROGRAM.finditer(text)
        if found[1] == language
    ]


@pytest.fixture
def environment(server, database, tmp_path):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "URL": server.url,
        "FOLDER": str(tmp_path),
        "TIELINE_DATABASE_URL": database.dsn,
    }


@pytest.mark.parametrize("name", ["start", "from-carbon", "from-kordiam"])
def test_the_commands_of_a_guide_answer_as_it_shows(environment, name):
    shell = Shell(environment)
    differences = []
    for example in examples(DOCS / f"{name}.md"):
        output = shell.run(example.command)
        if not is_as_shown(output, example.output):
            differences.append(f"line {example.line}: $ {example.command}\n{output}\ninstead of\n{example.output}")
    shell.close()
    assert not differences, "\n\n".join(differences)


def run(command: list[str], folder: Path, company) -> str:
    environment = {**os.environ, "TIELINE_URL": company.server.url, "TIELINE_KEY": company.keys["api.write"]}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    return done.stdout + done.stderr


def test_the_python_recipes_print_what_they_show(acme, tmp_path):
    assert programs("python")
    for program in programs("python"):
        (tmp_path / "recipe.py").write_text(program.text)
        assert run([sys.executable, "recipe.py"], tmp_path, acme) == program.output, f"line {program.line}"


@pytest.mark.skipif(NODE is None or NPM is None, reason="node is not installed")
def test_the_javascript_recipes_print_what_they_show(acme, tmp_path):
    for name in ("package.json", "package-lock.json"):
        shutil.copy(JS / name, tmp_path)
    install = [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=SECONDS_MAX)
    assert programs("js")
    for program in programs("js"):
        (tmp_path / "recipe.mjs").write_text(program.text)
        assert run([str(NODE), "recipe.mjs"], tmp_path, acme) == program.output, f"line {program.line}"


def test_every_program_of_the_recipes_is_followed_by_its_output():
    text = (DOCS / "recipes.md").read_text()
    assert len(re.findall(r"^```(?:python|js)$", text, re.MULTILINE)) == len(PROGRAM.findall(text))
