"""What docs/destinations.md shows with dlt's own tools works on a synced file."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.commands import ROOT
from tests.rig import Rig
from tests.shell import shell

_TEXT = (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8")
_SECTION = _TEXT.partition("### With dlt's own tools")[2].partition("\n## ")[0]


def test_dlt_reads_the_tables_and_the_views(synced: Rig) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", _SECTION, re.DOTALL))
    ran = subprocess.run([sys.executable, "-c", code], cwd=synced.project, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert re.findall(r"^0 +default +(\d+)$", ran.stdout, re.MULTILINE) == ["130", "130"]
    assert re.search(r"device_versions +130$", ran.stdout, re.MULTILINE)


def test_dlt_tells_of_the_pipeline(synced: Rig) -> None:
    (commands,) = re.findall(r"```sh\n(.*?)```", _SECTION, re.DOTALL)
    ran = shell(commands, folder=synced.project)
    assert ran.code == 0, ran.out + ran.err
    assert "device_versions" in ran.out
    assert "load step" in ran.out
    assert "No such file" not in ran.out + ran.err
