# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""deploy/tieline.service, as systemd reads it."""

import shutil
import subprocess

import pytest
from installed import tieline  # noqa: F401 -- a fixture

from documents import ROOT

SYSTEMD = shutil.which("systemd-analyze")
# systemd weighs what a unit may do, from 0 (nothing) to 10 (all).
EXPOSURE_MAX = 2.0


@pytest.fixture
def unit(tieline, tmp_path):
    """The unit with the program where it is installed here."""
    text = (ROOT / "deploy" / "tieline.service").read_text()
    assert "ExecStart=/opt/tieline/bin/tieline serve\n" in text
    file = tmp_path / "tieline.service"
    file.write_text(text.replace("/opt/tieline/bin/tieline", str(tieline)))
    return file


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit_without_a_complaint_and_finds_it_closed(unit):
    verified = subprocess.run([SYSTEMD, "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    weigh = [SYSTEMD, "security", "--offline=true", f"--threshold={EXPOSURE_MAX * 10:.0f}", unit]
    assert subprocess.run(weigh, capture_output=True, check=False).returncode == 0
