"""The DuckDB file: its format, and the macro that works wherever the file is attached."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_threecx.simulator import Fleet, Simulator
from tests.rig import Rig

AT = "'2100-01-01'"


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    fleet = Fleet(devices=5)
    with Simulator(fleet) as simulator:
        rig = Rig(tmp_path_factory.mktemp("file"), fleet, simulator)
        rig.db = rig.project / "phones.duckdb"
        for _ in range(2):
            rig.sync()
            fleet.next_day()
        yield rig


def _answer(sql: str, *before: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        for statement in before:
            connection.execute(statement)
        return connection.execute(sql).fetchall()


def test_a_file_has_a_format_that_every_duckdb_from_1_2_on_can_open(synced: Rig) -> None:
    attached = f"attach '{synced.db}' as phones (read_only)"
    found = _answer("select tags['storage_version'] from duckdb_databases() where database_name = 'phones'", attached)
    assert found == [("v1.2.0+",)]


def test_devices_as_of_needs_no_current_schema(synced: Rig, tmp_path: Path) -> None:
    devices = len(synced.fleet.ids())
    backup = shutil.copy(synced.db, tmp_path / "backup.duckdb")
    phones, other = f"attach '{synced.db}' as phones (read_only)", f"attach '{backup}' as other (read_only)"
    for sql, *before in (
        (f"from phones.threecx.devices_as_of({AT})", phones),
        (f"from phones.threecx.devices_as_of({AT})", "attach ':memory:' as mine", "use mine", phones),
        (f"from threecx.devices_as_of({AT})", phones, "use phones"),
        (f"from devices_as_of({AT})", other, "use other.threecx"),
        (f"from other.threecx.devices_as_of({AT}, catalog := 'other')", other),
    ):
        assert len(_answer(sql, *before)) == devices, sql
    with duckdb.connect(str(synced.db), read_only=True) as connection:
        assert len(connection.execute(f"from threecx.devices_as_of({AT})").fetchall()) == devices
