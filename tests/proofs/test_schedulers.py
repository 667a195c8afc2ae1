"""The files in deploy/ run under the schedulers that they are for, against a simulated fleet in which two PBXs fail.

Each scheduler is installed into an environment of its own, with a wheel of this repository. One PBX answers, one sends
what no retry can cure, one is busy and is tried again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import ROOT, settings_of
from tests.proofs.environments import environment, run, succeeded, wheel

DEPLOY = ROOT / "deploy"


class Project:
    """A project with three PBXs, of which one answers."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        simulator.pbxs["leeds"].faults.set("html", 0, None)
        simulator.pbxs["york"].faults.set("unavailable", 0, None)
        self.folder = folder
        self.environ = {
            **settings_of(simulator),
            "SOURCES__THREECX__ATTEMPTS": "1",
            "THREECX_PROJECT": str(folder),
            "THREECX_RETRY_SECONDS": "0.1",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }

    def attempts(self) -> dict[str, list[str]]:
        """PBX → status of each attempt in the history."""
        (file,) = self.folder.glob("*.duckdb")
        found: dict[str, list[str]] = {}
        with duckdb.connect(str(file), read_only=True) as connection:
            for pbx, status in connection.execute(
                "select pbx, status from threecx.snapshots order by pbx, snapshot_id"
            ).fetchall():
                found.setdefault(pbx, []).append(status)
        return found


TRIED_AGAIN = {"hq": ["complete"], "leeds": ["failed"], "york": ["failed", "failed", "failed"]}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "project").mkdir()
    with Simulator({"hq": Fleet(devices=20), "leeds": Fleet(devices=5), "york": Fleet(devices=5)}) as simulator:
        yield Project(tmp_path / "project", simulator)


def test_prefect_reads_every_pbx_and_tries_again_only_what_may_go_better(project: Project, tmp_path: Path) -> None:
    programs = environment(tmp_path / "venv", wheel(), "prefect>=3,<4")
    ran = run(
        programs / "python",
        DEPLOY / "prefect" / "threecx_flow.py",
        "once",
        environ={
            **project.environ,
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        },
    )
    assert ran.returncode == 1, ran.stdout[-3000:]
    assert "2/3 states failed" in ran.stdout
    assert project.attempts() == TRIED_AGAIN


def test_dagster_has_an_asset_for_each_pbx_with_checks_and_loads_the_source(project: Project, tmp_path: Path) -> None:
    programs = environment(tmp_path / "venv", wheel(), "dagster>=1.10,<2", "dagster-dlt")
    (tmp_path / "dagster").mkdir()
    environ = {**project.environ, "DAGSTER_HOME": str(tmp_path / "dagster")}
    file = DEPLOY / "dagster" / "threecx_assets.py"
    ran = run(programs / "dagster", "job", "execute", "-f", file, "-j", "threecx_nightly", environ=environ)
    assert ran.returncode == 1, ran.stdout[-3000:]
    assert re.search(r"Steps failed: \['threecx__leeds', 'threecx__york'\]", ran.stdout)
    assert re.search(r"Asset check 'is_fresh' on 'threecx/hq' passed", ran.stdout)
    assert project.attempts() == TRIED_AGAIN
    checked = run(programs / "dagster", "job", "execute", "-f", file, "-j", "threecx_checks", environ=environ)
    assert re.search(r"Asset check 'is_fresh' on 'threecx/leeds' did not pass", checked.stdout), checked.stdout[-3000:]

    one = {name: value for name, value in environ.items() if "__PBX__" not in name}
    one["SOURCES__THREECX__BASE_URL"] = environ["SOURCES__THREECX__PBX__HQ__BASE_URL"]
    source = DEPLOY / "dagster" / "threecx_source_assets.py"
    loaded = run(
        programs / "dagster",
        "asset",
        "materialize",
        "-f",
        source,
        "--select",
        "*",
        environ={
            **one,
            "DLT_DATA_DIR": str(tmp_path / "dlt"),
            "DESTINATION__DUCKDB__CREDENTIALS": str(tmp_path / "now.duckdb"),
        },
    )
    succeeded(loaded)
    with duckdb.connect(str(tmp_path / "now.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from threecx_devices.sip_devices").fetchone() == (20,)


def test_airflow_maps_a_task_to_each_pbx_and_retries_only_what_may_go_better(project: Project, tmp_path: Path) -> None:
    programs = environment(tmp_path / "venv", wheel(), "apache-airflow>=3,<4")
    environ = {
        **project.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DEPLOY / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    succeeded(run(programs / "airflow", "db", "migrate", environ=environ))
    ran = run(programs / "airflow", "dags", "test", "threecx", environ=environ)
    assert ran.returncode != 0 or "failed" in ran.stdout, ran.stdout[-3000:]
    attempts = project.attempts()
    assert (attempts["hq"], attempts["leeds"]) == (["complete"], ["failed"])
    assert set(attempts["york"]) == {"failed"}
