"""`python -m tests.benchmarks.lake`: what an old lake costs a run, and a question. A load is a file or two.

The histories are those of `tests/benchmarks/history.py`, written load by load as dlt does it. Runs in which nothing
changed are measured in turn on a young lake and on an old one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dlt_threecx.settings.config import load_config
from dlt_threecx.tables import LOADS, TABLES
from tests.benchmarks.fleet import simulated
from tests.benchmarks.history import write_history_of
from tests.benchmarks.processes import COMMAND, Measured, apart, machine, measured
from tests.destinations.lakes import lake_environ

_DEVICES = 500
_VERSIONS = 20
_RUNS = 5
_YOUNG = 30
CASES = {"parquet": 10_000, "delta": 300, "iceberg": 300}
"""Format → loads of the old lake."""


def write_lake(project: Path, environ: dict[str, str], table_format: str, loads: int) -> dict[str, str]:
    """A lake with this number of loads, in the folder `lake` of a project; returns the environment that names it."""
    lake = environ | lake_environ(project / "lake", table_format)
    # This writes the schema, and all that dlt has beside the tables.
    measured([*COMMAND, "sync", "--quiet"], project, lake)
    shutil.rmtree(project / ".threecx")
    apart(_write_loads, project, environ, table_format, loads)
    return lake


def _write_loads(project: Path, environ: dict[str, str], table_format: str, loads: int) -> None:
    dataset = project / "lake" / "threecx"
    with tempfile.TemporaryDirectory() as name:
        write_history_of(db := Path(name, "phones.duckdb"), load_config(project, environ), _VERSIONS, loads)
        (mark,) = (dataset / LOADS).iterdir()
        mark.unlink()
        for table in TABLES:
            (first,) = (dataset / table).rglob("*.parquet")
            schema = pq.read_schema(first)
            append = _APPENDING[table_format](dataset / table, schema)
            for load_id, rows in _by_load(db, table, schema):
                append(load_id, rows)
                loaded = {"load_id": load_id, "schema_name": "threecx", "status": 0}
                mark.with_name(f"threecx__{load_id}.jsonl").write_text(json.dumps(loaded))


def _by_load(db: Path, table: str, schema: pa.Schema) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each load, whose id is the time of it."""
    columns = ", ".join(f"t.{name}" for name in schema.names if name != "_dlt_load_id")
    sql = f"""
        select {columns}, (epoch(s.started_at) + 1)::decimal(20, 6)::varchar as _dlt_load_id
        from {table} t join snapshots s on s.pbx = t.pbx and s.snapshot_id = t.snapshot_id order by t.snapshot_id, t.pbx
    """
    with duckdb.connect(str(db), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'; use phones.threecx")
        found = connection.sql(sql).to_arrow_table()
    load_ids = found["_dlt_load_id"].to_pylist()
    rows = found.select(schema.names).cast(schema)
    start = 0
    for end in range(1, len(load_ids) + 1):
        if end == len(load_ids) or load_ids[end] != load_ids[start]:
            yield load_ids[start], rows.slice(start, end - start)
            start = end


_Append = Callable[[str, pa.Table], object]


def _appending_parquet(folder: Path, schema: pa.Schema) -> _Append:
    shutil.rmtree(folder)
    folder.mkdir()
    return lambda load_id, rows: pq.write_table(rows, folder / f"{load_id}.0123456789.0.parquet")


def _appending_delta(folder: Path, schema: pa.Schema) -> _Append:
    from deltalake import write_deltalake

    shutil.rmtree(folder)
    return lambda load_id, rows: write_deltalake(str(folder), rows, mode="append")


def _appending_iceberg(folder: Path, schema: pa.Schema) -> _Append:
    from dlt.common.libs.pyiceberg import create_table, get_catalog

    catalog, name = get_catalog(), f"threecx.{folder.name}"
    catalog.create_namespace_if_not_exists("threecx")
    properties = json.loads(max((folder / "metadata").glob("*.json")).read_text())["properties"]
    shutil.rmtree(folder)
    create_table(catalog, name, table_location=f"file://{folder}", schema=schema, properties=properties)
    table = catalog.load_table(name)
    return lambda load_id, rows: table.append(rows)


_APPENDING = {"parquet": _appending_parquet, "delta": _appending_delta, "iceberg": _appending_iceberg}


def main() -> None:
    """Measures each format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", nargs="+", default=list(CASES))
    parser.add_argument("--smaller", type=int, default=1, help="divides the loads of the old lakes")
    arguments = parser.parse_args()
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    print(machine())
    for table_format in arguments.formats:
        loads = CASES[table_format] // arguments.smaller
        print(f"\n{table_format}: {_YOUNG} → {loads:,} loads of one PBX with {_DEVICES} devices")
        with tempfile.TemporaryDirectory() as name, simulated(1, _DEVICES, 0) as environ:
            _compare(Path(name), environ, table_format, loads)


def _compare(folder: Path, environ: dict[str, str], table_format: str, loads: int) -> None:
    projects: dict[Path, dict[str, str]] = {}
    for name, number in (("young", _YOUNG), ("old", loads)):
        (project := folder / name).mkdir()
        projects[project] = write_lake(project, environ, table_format, number)
    for what, times, command in (
        ("the first run of a folder", 1, ("sync", "--quiet")),
        ("a run", _RUNS, ("sync", "--quiet")),
        ("status", _RUNS, ("status",)),
        ("devices", _RUNS, ("devices", "--limit", "1")),
        ("verify", 1, ("verify",)),
    ):
        took: dict[Path, list[Measured]] = {project: [] for project in projects}
        for _ in range(times):
            for project, lake in projects.items():
                took[project].append(measured([*COMMAND, *command], project, lake))
        young, old = took.values()
        cpu = [statistics.median(one.cpu_seconds for one in times) for times in (young, old)]
        peak = [statistics.median(one.peak_mb for one in times) for times in (young, old)]
        print(
            f"  {what:<26} {cpu[0]:.2f} → {cpu[1]:.2f} s of CPU, {cpu[1] / cpu[0]:.2f} of it"
            f"  {peak[0]:.0f} → {peak[1]:.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
