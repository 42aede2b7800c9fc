# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""deploy/Containerfile: its steps, run in a plain folder as far as they can be run without a container engine."""

import os
import pwd
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from containers import only, stages, steps
from installed import READY, new_folder, tieline  # noqa: F401 -- fixtures

from conftest import free_port
from documents import ROOT

FILE = ROOT / "deploy" / "Containerfile"
SECONDS_MAX = 120
# An image has Python as `python`, and the tests' own dependencies stand in for those of the lock file.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture
def image(new_folder, tieline):
    """A folder that stands for the root of the image, after the steps that build it."""
    root = new_folder("image").path
    build = stages(steps(FILE))[0]
    python = root / "python"
    python.mkdir(parents=True)
    (python / "python").symlink_to(sys.executable)
    for step in build[1:]:
        if step.word == "COPY":
            copy(step.text, root, tieline.parents[2])
        else:
            path = f"{python}:{os.environ['PATH']}"
            run(step.text, root, PATH=path, **OFFLINE)
    [packages] = (root / "opt/tieline/lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    data = root / "var/lib/tieline"
    data.mkdir(parents=True)
    return root


def placed(text, root):
    """The text with the image's paths below the folder."""
    return re.sub(r"(?<![\w/])/(opt|tmp|var)/", rf"{root}/\1/", text)


def copy(text, root, wheels):
    *sources, target = text.split()
    folder = Path(placed(target, root))
    folder.mkdir(parents=True)
    for source in sources:
        found = list(wheels.glob(Path(source).name)) if source.startswith("dist/") else [ROOT / source]
        assert found, source
        for file in found:
            shutil.copy(file, folder)
    # The packages of the lock file are not loaded anew.
    (folder / "run.txt").write_text("")


def run(command, root, **environment):
    done = subprocess.run(
        ["sh", "-c", placed(command, root)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr


def environment(final, root):
    pairs = [step.text.partition("=") for step in final if step.word == "ENV"]
    return {name: placed(value, root) for name, _, value in pairs}


def another_user(program):
    """A user that is not root, as arguments of a process; none if the tests' interpreter is closed to others."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True, **who)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return who


def test_the_image_serves_as_its_own_user_is_found_healthy_and_stops(image):
    _, final = stages(steps(FILE))
    port = str(free_port())
    given = {**environment(final, image), "TIELINE_HOST": "127.0.0.1", "TIELINE_PORT": port, "HOME": "/nonexistent"}
    assert given["TIELINE_DATA_DIR"] == placed(only(final, "VOLUME").text + "/", image).rstrip("/")
    who = another_user(image / "opt/tieline/bin/tieline")
    if who:
        shutil.chown(image / "var/lib/tieline", who["user"], who["group"])
    command = [*only(final, "ENTRYPOINT").command, *only(final, "CMD").command]
    command[0] = shutil.which(command[0], path=given["PATH"])
    check = only(final, "HEALTHCHECK").command
    check = [image / "opt/tieline/bin/python", *(part.replace("8400", port) for part in check[1:])]
    with subprocess.Popen(command, env=given, cwd="/", stdout=subprocess.PIPE, text=True, **who) as process:
        try:
            assert READY.search(process.stdout.readline())
            assert subprocess.run(check, check=False, timeout=SECONDS_MAX, **who).returncode == 0
            assert (image / "var/lib/tieline/admin.key").stat().st_mode & 0o777 == 0o600
        finally:
            process.terminate()
        assert process.wait(SECONDS_MAX) == 0
    gone = subprocess.run(check, check=False, capture_output=True, timeout=SECONDS_MAX, **who)
    assert gone.returncode != 0


def test_the_image_has_a_user_of_its_own_who_owns_the_volume():
    _, final = stages(steps(FILE))
    made = next(step.text for step in final if step.word == "RUN")
    uid, _, gid = only(final, "USER").text.partition(":")
    assert (uid, gid) == (re.search(r"--uid (\d+)", made)[1], uid)
    assert int(uid) > 0
    assert made.endswith(only(final, "VOLUME").text)
    assert only(final, "EXPOSE").text == "8400"
    assert [step.word for step in final].index("RUN") < [step.word for step in final].index("USER")
