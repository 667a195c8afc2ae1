"""What docs/destinations.md shows with dlt's own tools works on a synced file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import ROOT
from tests.rig import Rig
from tests.shell import shell

_TEXT = (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8")
_SECTION = _TEXT.partition("### With dlt's own tools")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fleet = Fleet(devices=5)
    with Simulator(fleet) as simulator:
        rig = Rig(tmp_path_factory.mktemp("tools"), fleet, simulator)
        rig.db = rig.project / "phones.duckdb"
        assert rig.sync().error is None
    return rig.project


def test_dlt_reads_the_tables_and_the_views(project: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", _SECTION, re.DOTALL))
    ran = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert re.findall(r"^0 +default +(\d+)$", ran.stdout, re.MULTILINE) == ["5", "5"]
    assert re.search(r"device_versions +5$", ran.stdout, re.MULTILINE)


def test_dlt_tells_of_the_pipeline(project: Path) -> None:
    (commands,) = re.findall(r"```sh\n(.*?)```", _SECTION, re.DOTALL)
    ran = shell(commands, folder=project)
    assert ran.code == 0, ran.out + ran.err
    assert "device_versions" in ran.out
    assert "load step" in ran.out
    assert "No such file" not in ran.out + ran.err
