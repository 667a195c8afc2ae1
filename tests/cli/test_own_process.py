"""What a process of our own does otherwise: how it ends, and what it does not import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT, python

ENDS = """
import atexit, sys
from dlt_threecx.own_process import end
atexit.register(print, "noted before the end")
sys.stdout.write("not flushed yet, ")
{}
end(7)
"""


def test_the_end_is_quick_but_nothing_is_lost(tmp_path: Path) -> None:
    ran = python("-c", ENDS.format(""), folder=tmp_path)
    assert (ran.code, ran.out, ran.err) == (7, "not flushed yet, noted before the end\n", "")


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    full = "sys.stdout = open('/dev/full', 'w'); sys.stdout.write('lost')"
    ran = python("-c", ENDS.format(full), folder=tmp_path)
    assert ran.code != 0
    assert "No space left on device" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no shell that closes streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(closed: str) -> None:
    command = "from dlt_threecx.cli import main; main(['--version'])"
    shell = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, command]
    assert subprocess.run(shell, env=os.environ | {"PYTHONPATH": str(ROOT)}).returncode == 0


HIDES = """
import importlib
from dlt_threecx.own_process import bring_back, take_over
take_over()
import pyarrow
for name in ("numpy", "pandas"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(error)
bring_back()
import numpy, pandas
print(pyarrow.array([1, None]).to_pylist())
"""


def test_numpy_and_pandas_are_hidden_until_they_are_needed(tmp_path: Path) -> None:
    ran = python("-c", HIDES, folder=tmp_path)
    assert ran.out.splitlines() == ["numpy is left out", "pandas is left out", "[1, None]"], ran.err
