"""docs/install.md says what the files in deploy/ do, which other tests run."""

import re

from containers import stages, steps

from documents import ROOT

PAGE = (ROOT / "docs" / "install.md").read_text()
LINES = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?<![\w/.-])((?:deploy|requirements)/[\w.-]+)")


def installing(text):
    """The lines that install into /opt/tieline, without what only an image needs."""
    found = re.findall(r"/opt/tieline/bin/pip install [^\n&]+", text)
    return [
        re.sub(r"--no-cache-dir |--force-reinstall |\S*/(?=run\.txt|tieline-\*)", "", line).strip() for line in found
    ]


def test_each_file_that_the_page_names_is_there():
    named = set(FILE.findall(PAGE))
    assert {"deploy/Containerfile", "deploy/Caddyfile", "deploy/nginx.conf", "deploy/tieline.service"} <= named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_page_installs_as_the_container_does():
    built = installing(
        next(step.text for step in stages(steps(ROOT / "deploy" / "Containerfile"))[0] if step.word == "RUN")
    )
    assert len(built) == 2
    on_page = [installing(block) for block in LINES if "pip install" in block]
    assert len(on_page) == 3
    assert all(lines == built for lines in on_page)


def test_the_unit_the_image_and_the_page_put_the_program_in_one_place():
    unit = (ROOT / "deploy" / "tieline.service").read_text()
    assert "ExecStart=/opt/tieline/bin/tieline serve\n" in unit
    assert "python3 -m venv /opt/tieline\n" in PAGE
    assert "python -m venv /opt/tieline" in (ROOT / "deploy" / "Containerfile").read_text()


def test_the_commands_of_the_image_are_the_page_s():
    comments = (ROOT / "deploy" / "Containerfile").read_text()
    for command in ("python3 -m pip wheel --no-deps --wheel-dir dist .", "podman build --file deploy/Containerfile"):
        assert command in PAGE
        assert command in comments
