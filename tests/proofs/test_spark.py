"""Another engine reads the same files: Spark gives the rows that DuckDB gives, for every view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.run import sync_pbxs
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.views.views import VIEWS
from tests.commands import ROOT
from tests.destinations.lakes import lake_environ
from tests.rig import Rig

DAYS = 4


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistoryLocation]:
    folder = tmp_path_factory.mktemp("spark")
    fleet = Fleet(devices=40, seed=7)
    with Simulator(fleet) as simulator, pytest.MonkeyPatch.context() as patch:
        for name, value in lake_environ(folder / "lake", "parquet").items():
            patch.setenv(name, value)
        rig = Rig(folder, fleet, simulator)
        for day in range(DAYS):
            fleet.update(fleet.ids()[0], {"Unknown": {"Here": day}})
            (result,) = sync_pbxs(replace(rig.config(), destination="filesystem"), db=rig.db, dataset="threecx")
            assert result.error is None
            fleet.next_day()
        yield HistoryLocation(rig.db, destination="filesystem", project=folder)


@pytest.fixture(scope="module")
def spark(location: HistoryLocation) -> Iterator[Any]:
    """What the documentation shows, over these files."""
    text = (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(from pyspark.*?)```", text, re.DOTALL)
    given: dict[str, Any] = {}
    exec(code.replace("/data/lake", str(location.project / "lake")), given)
    yield given["spark"]
    given["spark"].stop()


@pytest.mark.parametrize("view", VIEWS)
def test_spark_says_the_same(location: HistoryLocation, spark: Any, view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lake_environ(location.project / "lake", "parquet").items():
        monkeypatch.setenv(name, value)
    with open_history(location) as history:
        names, rows = history.rows(f"select * from {view}")
        here = sorted(tuple(map(_text, row)) for row in rows)
    there = spark.sql(f"select * from threecx.{view}")
    assert there.columns == names
    assert sorted(tuple(map(_text, row)) for row in there.collect()) == here
    assert here


def _text(value: Any) -> str:
    """Times of Spark come without a zone, in that of this process."""
    return f"{value.timestamp():.6f}" if hasattr(value, "timestamp") else str(value)
