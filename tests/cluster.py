"""A PostgreSQL for one test, which the test may stop."""

import os
import subprocess
from pathlib import Path

from tieline.postgres import account, embedded


class Cluster:
    """The embedded PostgreSQL of a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def control(self, *command: str) -> None:
        """pg_ctl, as the database's user."""
        user = account.database_user()
        binaries = account.reachable_binaries(self.folder, user)
        # No pipes: the server inherits them, and a pipe would be waited for until the server ends.
        subprocess.run(
            [binaries / "pg_ctl", "-D", self.folder / "postgres", "-s", "-w", *command],
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    def revive(self) -> None:
        """Start it again, as a Tieline server does when its PostgreSQL has died."""
        embedded.ensure_running(self.folder)
