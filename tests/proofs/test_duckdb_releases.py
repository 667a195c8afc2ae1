"""A synced file is opened by DuckDBs from 1.2.2 to the newest, from the package index: every view has the same rows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.views.views import MACROS, VIEWS
from tests.commands import ROOT
from tests.rig import Rig

RELEASES = ("==1.2.2", "==1.3.2", "~=1.4.0", "~=1.5.0", "~=2.0")
ZONES = ("UTC", "America/Los_Angeles", "Pacific/Auckland")
ASKED = (*VIEWS, *(f"{macro}('2100-01-01 00:00:00+00')" for macro in MACROS))

_ASK = """
import json, sys
import duckdb
db, zones, asked = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
answers = {"version": duckdb.__version__}
for zone in zones:
    with duckdb.connect() as connection:
        connection.execute(f"set TimeZone = '{zone}'; set enable_progress_bar = false")
        connection.execute(f"attach '{db}' as phones (read_only)")
        for view in asked:
            sql = f"select columns(*)::varchar from phones.threecx.{view}"
            answers[f"{view} in {zone}"] = sorted(connection.execute(sql).fetchall(), key=repr)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    fleet = Fleet(devices=60, seed=5)
    with Simulator(fleet) as simulator:
        rig = Rig(tmp_path_factory.mktemp("releases"), fleet, simulator)
        rig.db = rig.project / "phones.duckdb"
        for day in range(6):
            assert rig.sync().error is None
            fleet.next_day()
            fleet.update(fleet.ids()[0], {"Unknown": {"Here": day}})
        yield rig.db


def _answers(db: Path, packages: Path | None = None) -> dict[str, object]:
    environ = os.environ | ({"PYTHONPATH": str(packages)} if packages else {})
    command = [sys.executable, "-c", _ASK, str(db), json.dumps(ZONES), json.dumps(ASKED)]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    answers: dict[str, object] = json.loads(ran.stdout)
    return answers


def _install(release: str, folder: Path) -> None:
    uv = shutil.which("uv")
    pip = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    subprocess.run([*pip, "--quiet", "--target", str(folder), f"duckdb{release}"], check=True, timeout=600)


@pytest.mark.parametrize("release", RELEASES)
def test_a_duckdb_of_any_release_reads_the_same_rows(db: Path, release: str, tmp_path: Path) -> None:
    _install(release, tmp_path)
    there, here = _answers(db, tmp_path), _answers(db)
    version = str(there.pop("version"))
    assert version.startswith(release.lstrip("=~").removesuffix(".0"))
    del here["version"]
    assert there == here
    assert all(there.values())
    print(f"DuckDB {version}: {len(there)} answers are the same")


_WRITE = """
import sys
from pathlib import Path
from dlt_threecx.simulator import Fleet, Simulator
from tests.rig import Rig
fleet = Fleet(devices=5)
with Simulator(fleet) as simulator:
    assert Rig(Path(sys.argv[1]), fleet, simulator).sync().error is None
"""
_VERIFY = "from dlt_threecx.cli import main; main(['verify'])"


@pytest.mark.parametrize("release", ["==1.5.1", "~=1.5.0"])
def test_views_that_another_duckdb_made_are_those_of_this_release(tmp_path: Path, release: str) -> None:
    """To sync and to verify, DuckDB has to be 1.5.1 or newer."""
    packages = tmp_path / "packages"
    _install(release, packages)
    there, here = (
        f"{packages}{os.pathsep}{ROOT}{os.pathsep}{ROOT / 'pipelines'}",
        f"{ROOT}{os.pathsep}{ROOT / 'pipelines'}",
    )
    for writer, reader in ((there, here), (here, there)):
        folder = Path(mkdtemp(dir=tmp_path))
        for path, *command in ((writer, _WRITE, str(folder)), (reader, _VERIFY)):
            ran = subprocess.run(
                [sys.executable, "-c", *command],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": path},
                capture_output=True,
                text=True,
                timeout=600,
            )
            assert ran.returncode == 0, ran.stderr
