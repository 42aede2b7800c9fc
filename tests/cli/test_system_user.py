"""The system user of the embedded PostgreSQL: named, chosen or refused. And no link leads root astray."""
# ruff: noqa: F811 -- a fixture that a test takes is imported by its name

import os
import pwd
import secrets
import subprocess

import pytest
from installed import folder, new_folder, tieline  # noqa: F401 -- fixtures

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the database as another user")


@pytest.fixture
def name():
    """The name of a system user that is not there; if the test makes it, it is removed."""
    chosen = f"tl{secrets.token_hex(4)}"
    yield chosen
    subprocess.run(["userdel", chosen], check=False, capture_output=True)


def is_there(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@only_root
def test_the_user_can_be_chosen_and_is_named_when_it_is_made(folder, name):
    made = folder("company", "add", "acme", TIELINE_SYSTEM_USER=name)
    assert (made.code, made.err) == (
        0,
        f"Made the system user {name!r}, which runs the embedded PostgreSQL, since that does not run as root.\n",
    )
    assert pwd.getpwuid((folder.path / "postgres").stat().st_uid).pw_name == name
    # From then on the folder tells the user, whatever the setting.
    again = folder("company", "list", TIELINE_SYSTEM_USER=f"{name}x", TIELINE_MAKE_SYSTEM_USER="no")
    assert (again.code, again.err, again.out.split("\t")[0]) == (0, "", "acme")


@only_root
def test_making_a_user_can_be_refused(folder, name):
    refused = folder("migrate", TIELINE_SYSTEM_USER=name, TIELINE_MAKE_SYSTEM_USER="no")
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert (
        f"there is no system user {name!r}, and the setting make_system_user is no. Add it with: useradd" in refused.err
    )
    assert not is_there(name)
    root = folder("migrate", TIELINE_SYSTEM_USER="root")
    assert (root.code, "the user 'root' is root" in root.err) == (1, True)


def test_a_link_in_the_place_of_a_lock_is_not_followed(folder):
    target = folder.path.parent / "target"
    folder.path.mkdir(mode=0o711)
    for name in ("serve.lock", "postgres.users.lock", "postgres.start.lock"):
        link = folder.path / name
        link.symlink_to(target)
        refused = folder("serve")
        assert (refused.code, refused.out) == (1, "")
        assert refused.err == f"{link} is to be a lock file and is something else. Remove it.\n"
        assert not target.exists()
        link.unlink()


def test_a_key_file_that_is_a_link_is_not_read(folder):
    target = folder.path.parent / "target"
    target.write_text("tl_" + "a" * 43 + "\n")
    target.chmod(0o600)
    folder.path.mkdir(mode=0o711)
    (folder.path / "admin.key").symlink_to(target)
    refused = folder("serve")
    assert (refused.code, "admin.key exists and other users may read it" in refused.err) == (1, True)


def test_a_database_that_refuses_connections_is_a_sentence(folder):
    assert folder("migrate").code == 0
    rules = folder.path / "postgres" / "pg_hba.conf"
    rules.write_text("local all all reject\n")
    for arguments in (("system", "set", "xero", "--company", "acme"), ("serve",), ("backup", folder.path / "x")):
        refused = folder(*arguments)
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert refused.err.startswith("The embedded database runs and cannot be used: ")
