"""The embedded database and other users of the machine: modes, sockets, and running as a user that is not root."""
# ruff: noqa: F811 -- a fixture that a test takes is imported by its name

import os
import pwd
import re
import shutil
import socket
import stat
import subprocess

import httpx
import psutil
import pytest
from installed import folder, new_folder, tieline  # noqa: F401 -- fixtures

from conftest import free_port

COMMAND_SECONDS_MAX = 120
USER = "nobody"
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def check_closed(path, postmaster):
    """Only the owner reaches the database: it listens on a socket in a closed folder, and on no port."""
    assert mode(path / "postgres") == 0o700
    assert mode(path / "postgres" / ".s.PGSQL.5432") == 0o700
    assert mode(path / "admin.key") == 0o600
    for lock in path.glob("*.lock"):
        assert mode(lock) == 0o600, lock
    for process in (postmaster, *postmaster.children()):
        assert process.net_connections(kind="inet") == []
    assert "listen_addresses=" in postmaster.cmdline()


def test_the_embedded_database_is_open_to_its_owner_alone(folder):
    folder.start()
    check_closed(folder.path, psutil.Process(folder.postmaster()))


@only_root
def test_another_user_of_the_machine_gets_neither_the_database_nor_the_locks(folder):
    folder.start()
    user = pwd.getpwnam(USER)
    paths = [folder.path / "postgres" / ".s.PGSQL.5432", *folder.path.glob("*.lock"), folder.path / "admin.key"]
    child = os.fork()
    if child == 0:
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os._exit(sum(can_open(path) for path in paths))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def can_open(path):
    try:
        if path.suffix == ".5432":
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
        else:
            path.read_bytes()
    except OSError:
        return False
    return True


def links(url, key):
    """An element is made and linked."""
    with httpx.Client(base_url=url, headers={"apikey": key}, timeout=60) as caller:
        assert caller.post("/api/v2/elements", json={"id": 7, "title": "x"}).status_code == 201
        linked = caller.post("/api/v2/elements/7/external-element/link", json={"externalId": "A"})
        assert linked.status_code == 200


@only_root
def test_a_user_that_is_not_root_serves_links_and_stops(new_folder, tieline):
    place = new_folder("theirs").path
    place.mkdir()
    shutil.chown(place, USER)
    user = pwd.getpwnam(USER)
    environment = {"PATH": os.environ["PATH"], "TIELINE_DATA_DIR": str(place / "data"), "HOME": str(place)}
    theirs = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "env": environment}
    try:
        subprocess.run([tieline, "--version"], check=True, capture_output=True, **theirs)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"{USER} cannot run the interpreter of the tests")
    log = place.parent / "theirs.log"
    with log.open("w") as stderr:
        server = subprocess.Popen(
            [tieline, "serve", "--port", str(free_port())], stdout=subprocess.PIPE, stderr=stderr, text=True, **theirs
        )
    try:
        ready = re.search(r"http://\S+", server.stdout.readline())
        assert ready, log.read_text()
        data = place / "data"
        postmaster = psutil.Process(int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
        assert (postmaster.username(), mode(data)) == (USER, 0o700)
        check_closed(data, postmaster)
        set_system = [tieline, "system", "set", "crm", "--company", "default", "--default"]
        subprocess.run(set_system, check=True, capture_output=True, timeout=COMMAND_SECONDS_MAX, **theirs)
        links(ready[0], (data / "admin.key").read_text().strip())
    finally:
        server.terminate()
        code = server.wait(COMMAND_SECONDS_MAX)
        server.stdout.close()
    assert (code, (data / "postgres" / "postmaster.pid").exists()) == (0, False)
