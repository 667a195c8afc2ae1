"""`dlt init` from a clone of this repository, then the script that it made, run as its user would."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from dlt_threecx.simulator import Fleet, Simulator

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="there is no repository to clone from")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `dlt init threecx duckdb` was run."""
    clone, project = tmp_path_factory.mktemp("clone") / "repository", tmp_path_factory.mktemp("project")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, capture_output=True)
    command = [str(Path(sys.executable).parent / "dlt"), "--non-interactive", "init", "threecx", "duckdb"]
    done = subprocess.run(
        [*command, "--location", str(clone)], cwd=project, env=_environment(project), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def _environment(project: Path, pbx: Simulator | None = None) -> dict[str, str]:
    """Without PYTHONPATH: the script must find the copied source beside itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"DLT_DATA_DIR": str(project / "data"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    if pbx is not None:
        environment |= {
            "SOURCES__THREECX__BASE_URL": pbx.base_url,
            "SOURCES__THREECX__CLIENT_ID": pbx.client_id,
            "SOURCES__THREECX__CLIENT_SECRET": pbx.client_secret,
        }
    return environment


def _run(project: Path, *arguments: str, pbx: Simulator) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project, env=_environment(project, pbx), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pw-secret" not in done.stdout + done.stderr
    return done.stdout


def test_it_hands_over_source_script_and_settings(project: Path) -> None:
    made = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    wanted = {path.name for path in (ROOT / "sources" / "threecx").glob("*.py")}
    assert {f"threecx/{name}" for name in wanted} <= made
    assert {"threecx_pipeline.py", "requirements.txt", ".dlt/config.toml", ".dlt/secrets.toml"} <= made
    assert "client_secret" in (project / ".dlt" / "secrets.toml").read_text(encoding="utf-8")
    assert "dlt" in (project / "requirements.txt").read_text(encoding="utf-8")


def test_the_script_loads_every_device_in_all_its_ways(project: Path) -> None:
    fleet = Fleet(devices=230, seed=11)
    chosen = [row["Id"] for row in fleet.served() if (row.get("Registrar") or {}).get("Vendor") == "Yealink"]
    others = "import threecx_pipeline as script; script.load_chosen_devices(); script.load_into_files()"
    with Simulator(fleet) as pbx:
        _run(project, "threecx_pipeline.py", pbx=pbx)
        _run(project, "-c", others, pbx=pbx)
    assert _ids(project / "threecx_devices.duckdb", "threecx_data.sip_devices") == fleet.ids()
    assert _ids(project / "threecx_chosen.duckdb", "threecx_chosen_data.yealink_devices") == chosen
    # Two projects share no state, which they would in dlt's own folder.
    assert (project / ".dlt" / "pipelines" / "threecx_devices").is_dir()
    assert not (project / "data" / "pipelines").exists()
    (file,) = project.rglob("sip_devices/*.parquet")
    assert sorted(pq.read_table(file).column("device_id").to_pylist()) == fleet.ids()


def _ids(database: Path, table: str) -> list[int]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return [one for (one,) in connection.sql(f"select device_id from {table} order by 1").fetchall()]
