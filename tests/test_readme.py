"""The README's commands, as they stand, against a server started as it says."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import START_SECONDS_MAX, free_port
from documents import ROOT, Shell, examples, is_as_shown

README = ROOT / "README.md"
README_PORT = "8400"


@pytest.fixture
def environment(open_folder):
    """A data folder and a port for the test: the README's own ones may be in use on the machine."""
    folder = open_folder / f"readme-{secrets.token_hex(4)}"
    yield {**os.environ, "TIELINE_DATA_DIR": str(folder), "TIELINE_PORT": str(free_port())}
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_run(environment):
    """`make run`, which is the README's first command, until it is ready."""
    log = Path(environment["TIELINE_DATA_DIR"]).with_suffix(".log")
    with log.open("w") as stderr:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    line = next((line for line in process.stdout if "ready" in line), log.read_text())
    yield line.strip()
    os.killpg(process.pid, 15)
    process.wait(START_SECONDS_MAX)
    process.stdout.close()


def test_the_readmes_commands_give_the_readmes_answers(make_run, environment):
    port = environment["TIELINE_PORT"]
    assert make_run == f"Tieline is ready on http://127.0.0.1:{port}"
    shell = Shell(environment)
    differences = []
    for example in examples(README):
        output = shell.run(example.command.replace(README_PORT, port))
        if not is_as_shown(output, example.output):
            differences.append(f"line {example.line}: $ {example.command}\n{output}\ninstead of\n{example.output}")
    shell.close()
    assert not differences, "\n\n".join(differences)
