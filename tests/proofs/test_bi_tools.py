"""The real BI tools over the published copy and over PostgreSQL, compared with the history. They are installed here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.publish.publication import publish
from dlt_threecx.run import sync_pbxs
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.views.views import VIEWS, view_statements
from tests.commands import ROOT
from tests.destinations.warehouse import postgres
from tests.docs.bi_files import DATASETS, uuid_of
from tests.proofs.environments import environment
from tests.proofs.superset import superset
from tests.publish.copies import rows_of
from tests.rig import Rig

DAYS = 8
DBT = ("dbt-core<1.12", "dbt-duckdb>=1.9", "dbt-postgres>=1.9")
MARIMO = ("marimo>=0.14", "duckdb>=1.5", "polars", "pyarrow", "altair", "pandas")
SUPERSET = ("apache-superset>=4", "duckdb-engine", "rich", "cachetools", "Flask-Caching<2.4")
OLD_DUCKDBS = ("1.2.2", "1.3.2", "1.4.4", "1.5.4", "2.0.1")

_MARTS = {
    "phones": "select pbx, device_id, mac, firmware_version from devices",
    "inventory_by_day": "select day, pbx, coalesce(vendor, 'unknown'), coalesce(model, 'unknown'), is_carried,"
    " sum(devices) from daily_inventory group by all",
    "changes_by_day": "select changed_on, pbx, category, count(distinct update_id), count(distinct device_id),"
    " count(field) from device_changes where not is_initial_load and change <> 'refreshed' group by all",
}
_COLUMNS = {
    "phones": "pbx, device_id, mac, firmware_version",
    "inventory_by_day": "day, pbx, vendor, model, is_carried, devices",
    "changes_by_day": "day, pbx, category, updates, devices, fields",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some days of two PBXs, and the published copy of them."""
    folder = tmp_path_factory.mktemp("project")
    fleets = {"hq": Fleet(devices=120, seed=7), "bath": Fleet(devices=20, seed=8)}
    with Simulator(fleets) as simulator:
        rig = Rig(folder, fleets["hq"], simulator)
        for day in range(DAYS):
            offset = timedelta(days=day - DAYS + 1)
            results = sync_pbxs(rig.config(), db=rig.db, dataset="threecx", clock_offset=offset)
            assert [result.exit_code for result in results] == [0, 0]
            for fleet in fleets.values():
                fleet.next_day()
    publish(HistoryLocation(rig.db, project=folder), folder / "bi")
    return folder


@pytest.fixture
def history(project: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    (db,) = project.glob("*.duckdb")
    with duckdb.connect(str(db), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"use {db.stem}.threecx")
        yield connection


def installed(name: str, *packages: str) -> Path:
    """The programs of an environment below build/, which stays until `make clean`: some take minutes to install."""
    folder = ROOT / "build" / name
    done = folder / "installed.txt"
    if not done.exists() or done.read_text("utf-8") != " ".join(packages):
        shutil.rmtree(folder, ignore_errors=True)
        environment(folder, *packages)
        done.write_text(" ".join(packages), "utf-8")
    return folder / "bin"


def ran(*args: str | Path, folder: Path, **environ: str) -> str:
    """Stdout of a program that has to end well."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, args)), cwd=folder, env=clean | environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("version", OLD_DUCKDBS)
def test_every_duckdb_from_1_2_on_reads_every_view(
    version: str, project: Path, history: duckdb.DuckDBPyConnection
) -> None:
    script = """
import duckdb, json, sys
copy = duckdb.connect(sys.argv[1], read_only=True)
copy.execute("set TimeZone = 'Pacific/Auckland'")
copy.execute("use threecx_bi.threecx")
asked = "select cast(columns(*) as varchar) from {}"
print(json.dumps({view: sorted(map(repr, copy.execute(asked.format(view)).fetchall())) for view in sys.argv[2:]}))
"""
    file, python = project / "bi" / "threecx_bi.duckdb", installed(f"duckdb-{version}", f"duckdb=={version}")
    found = json.loads(ran(python / "python", "-c", script, file, *VIEWS, folder=project))
    history.execute("set TimeZone = 'Pacific/Auckland'")
    for view in VIEWS:
        assert found[view] == rows_of(history, view, "cast(columns(*) as varchar)"), view
        assert found[view]


def _built(project: Path, tmp_path: Path, target: str, **environ: str) -> None:
    shutil.copytree(ROOT / "bi" / "dbt", tmp_path / "dbt")
    dbt = installed("dbt", *DBT) / "dbt"
    where = ("--project-dir", ".", "--profiles-dir", ".", "--target", target)
    quiet = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", **environ}
    assert "ERROR=0" in ran(dbt, "--no-use-colors", "build", *where, folder=tmp_path / "dbt", **quiet)
    assert "PASS" in ran(dbt, "--no-use-colors", "source", "freshness", *where, folder=tmp_path / "dbt", **quiet)


def test_dbt_builds_on_the_copy(project: Path, tmp_path: Path, history: duckdb.DuckDBPyConnection) -> None:
    marts = tmp_path / "threecx_marts.duckdb"
    _built(project, tmp_path, "duckdb", THREECX_BI=str(project / "bi/threecx_bi.duckdb"), THREECX_MARTS=str(marts))
    with duckdb.connect(str(marts), read_only=True) as built:
        for mart, sql in _MARTS.items():
            expected = rows_of(history, f"({sql})")
            assert expected
            assert rows_of(built, f"marts.{mart}", _COLUMNS[mart]) == expected, mart


def test_dbt_builds_on_postgresql(project: Path, tmp_path: Path, history: duckdb.DuckDBPyConnection) -> None:
    with postgres() as server:
        server.copy(history)
        server.execute(*view_statements("postgres", "threecx"))
        _built(project, tmp_path, "postgres", PGHOST=str(server.folder), PGUSER="postgres", PGDATABASE="postgres")
        for mart, sql in _MARTS.items():
            found = server.rows(f"select {_COLUMNS[mart]} from threecx_marts.{mart}")
            assert sorted(map(_text, found)) == sorted(map(_text, history.execute(sql).fetchall())), mart


def test_the_notebook_of_marimo_shows_what_the_history_has(project: Path, history: duckdb.DuckDBPyConnection) -> None:
    script = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("notebook", sys.argv[1])
notebook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(notebook)
_, cells = notebook.app.run()
print(json.dumps({name: cells[name].rows() for name in ("status", "inventory", "changes", "findings")}, default=str))
"""
    python = installed("marimo", *MARIMO) / "python"
    copy = str(project / "bi" / "threecx_bi.duckdb")
    found = json.loads(ran(python, "-c", script, ROOT / "bi" / "threecx.py", folder=project, THREECX_BI=copy))
    inventory = "select day, coalesce(vendor, 'unknown'), sum(devices) from daily_inventory group by all"
    assert sorted(map(_text, found["inventory"])) == sorted(map(_text, history.execute(inventory).fetchall()))
    counts = {name: len(rows) for name, rows in found.items()}
    [(status, findings)] = history.execute(
        "select (select count(*) from pbx_status), (select count(*) from findings)"
    ).fetchall()
    assert (counts["status"], counts["findings"]) == (status, findings)
    assert counts["changes"] > 0


def test_every_chart_of_superset_shows_what_the_history_has(
    project: Path, tmp_path: Path, history: duckdb.DuckDBPyConnection
) -> None:
    programs = installed("superset", *SUPERSET)
    with superset(programs, tmp_path, project / "bi" / "threecx_bi.duckdb") as running:
        charts = running.get("/api/v1/chart/?q=(page_size:100)")["result"]
        bundle = [yaml.safe_load(file.read_text("utf-8")) for file in (ROOT / "bi/superset/charts").glob("*.yaml")]
        assert {chart["slice_name"] for chart in charts} == {chart["slice_name"] for chart in bundle}
        for chart in charts:
            (own,) = (each for each in bundle if each["slice_name"] == chart["slice_name"])
            (answer,) = running.get(f"/api/v1/chart/{chart['id']}/data/")["result"]
            columns, expected = _expected(history, own)
            shown = [[row[name] for name in columns] for row in answer["data"]]
            assert sorted(map(_text, shown)) == sorted(map(_text, expected)), chart["slice_name"]
        picture = ROOT / "build" / "superset.png"
        _screenshot(f"{running.address}/superset/dashboard/threecx/?standalone=1", picture, tmp_path)
    print(f"\nlook at {picture}")


def _expected(history: duckdb.DuckDBPyConnection, chart: dict[str, Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names and rows that a chart asks for, out of the views of the history."""
    dataset = next(name for name in DATASETS if uuid_of(f"dataset/{name}") == chart["dataset_uuid"])
    (query,) = json.loads(chart["query_context"])["queries"]
    columns = [each if isinstance(each, str) else each["label"] for each in query["columns"]]
    metrics = [f"{DATASETS[dataset][name][0]} as {name}" for name in query.get("metrics", ())]
    where = [f"{each['col']} {'<>' if each['op'] == '!=' else '='} ?" for each in query["filters"]]
    sql = f"select {', '.join((*columns, *metrics))} from {dataset} where {' and '.join(('true', *where))}"
    if metrics and columns:
        sql += f" group by {', '.join(columns)}"
    rows = history.execute(sql, [each["val"] for each in query["filters"]]).fetchall()
    assert len(rows) < query["row_limit"]
    return [*columns, *query.get("metrics", ())], rows


def _text(row: Sequence[Any]) -> str:
    """A row, whatever way its values came: times in milliseconds, numbers as numbers."""
    return repr([_plain(value) for value in row])


def _plain(value: Any) -> Any:
    if isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-":
        value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000) // 1000 * 1000
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 10**12:
        return int(value) // 1000 * 1000
    return value if value is None or isinstance(value, bool | str) else float(value)


def _screenshot(url: str, picture: Path, folder: Path) -> None:
    """A picture of a page by Chromium, for somebody to look at."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("\nno picture: install chromium")
        return
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
        " --disable-component-update --disable-sync --window-size=1500,3600 --virtual-time-budget=60000"
    )
    picture.parent.mkdir(exist_ok=True)
    profile = f"--user-data-dir={folder / 'chromium'}"
    ran(chromium, *flags.split(), profile, f"--screenshot={picture}", url, folder=folder)
    assert picture.stat().st_size > 100_000
