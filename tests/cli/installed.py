"""The command as people get it: the built wheel, in an environment of its own."""

import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from conftest import free_port

REPOSITORY = Path(__file__).parents[2]
COMMAND_SECONDS_MAX = 120
READY = re.compile(r"Tieline is ready on (http://\S+)")


@pytest.fixture(scope="session")
def tieline(testrun_uid):
    """The installed `tieline`, which the first worker of a run builds for all of them."""
    place = Path(tempfile.gettempdir()) / f"tieline-wheel-{testrun_uid[:16]}"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("a") as users:
        with (place / "turn").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not (place / "done").exists():
                build(place)
                (place / "done").touch()
        yield place / "venv" / "bin" / "tieline"
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(place, ignore_errors=True)


def build(place):
    source = place / "source"
    kept = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "src", source / "src", ignore=kept)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    run = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, source]
    subprocess.run(run, check=True, capture_output=True)
    venv.create(place / "venv", with_pip=False)
    [wheel] = place.glob("*.whl")
    python = place / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    # Its dependencies are those of the tests. The checkout is installed there too, and comes later on the path.
    [packages] = (place / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")


@dataclass
class Ended:
    """A command that has come to its end."""

    code: int
    out: str
    err: str


@dataclass
class Folder:
    """A data folder of its own, and the command on it."""

    path: Path
    program: Path
    servers: list = field(default_factory=list)

    def environment(self, given):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TIELINE_")}
        return {**clean, "TIELINE_DATA_DIR": str(self.path), **given}

    def __call__(self, *arguments, stdin="", **environment):
        """Run one command to its end."""
        done = subprocess.run(
            [self.program, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS_MAX,
            env=self.environment(environment),
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments, **environment):
        """Start a server and wait until it says that it is ready."""
        log = self.path.parent / f"serve-{secrets.token_hex(4)}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [self.program, "serve", "--port", str(free_port()), *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=self.environment(environment),
            )
        self.servers.append(process)
        ready = READY.search(process.stdout.readline())
        assert ready, log.read_text()
        return Running(ready[1], process, log)

    def postmaster(self):
        """The process id of the database server."""
        return int((self.path / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def end(self):
        for process in self.servers:
            if process.poll() is None:
                process.terminate()
                process.wait(COMMAND_SECONDS_MAX)
            process.stdout.close()
        # A database server that a killed `tieline` left behind, found by the process id in its folder.
        try:
            left = psutil.Process(self.postmaster())
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return
        left.send_signal(signal.SIGINT)
        left.wait(COMMAND_SECONDS_MAX)


@dataclass
class Running:
    """A server that answers."""

    url: str
    process: subprocess.Popen
    log: Path

    def stop(self):
        self.process.terminate()
        return self.process.wait(COMMAND_SECONDS_MAX)


@pytest.fixture
def new_folder(tieline):
    """Data folders below one that every user may pass through. Under root, nobody may pass through pytest's own."""
    parent = Path(tempfile.mkdtemp(prefix="tieline-cli-", dir="/var/tmp"))
    parent.chmod(0o755)
    made = []

    def make(name="data"):
        made.append(Folder(parent / name, tieline))
        return made[-1]

    yield make
    for folder in made:
        folder.end()
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def folder(new_folder):
    """An empty data folder with an embedded database to come."""
    return new_folder()


@pytest.fixture
def command(database, new_folder):
    """The command on this worker's database, which other tests share: each test has companies of its own."""
    made = new_folder()

    def run(*arguments, **more):
        return made(*arguments, **{"TIELINE_DATABASE_URL": database.dsn, **more})

    return run


@pytest.fixture
def company(command):
    """A company that was added by the command."""
    company_id = f"co-{secrets.token_hex(6)}"
    assert command("company", "add", company_id).code == 0
    return company_id
