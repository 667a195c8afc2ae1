"""Another engine reads the same files: Spark gives the rows that DuckDB gives, for every view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipelines.threecx.ask import open_history
from pipelines.threecx.place import Place
from pipelines.threecx.simulator import Fleet, Simulator
from pipelines.threecx.sync import sync
from pipelines.threecx.views import VIEWS
from tests.commands import ROOT
from tests.history.rig import Rig
from tests.lakes import lake_environ

DAYS = 4


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("spark")
    fleet = Fleet(devices=40, seed=7)
    with Simulator(fleet) as simulator, pytest.MonkeyPatch.context() as patch:
        for name, value in lake_environ(folder / "lake", "parquet").items():
            patch.setenv(name, value)
        rig = Rig(folder, fleet, simulator)
        for day in range(DAYS):
            fleet.update(fleet.ids()[0], {"Unknown": {"Here": day}})
            (result,) = sync(replace(rig.config(), destination="filesystem"), db=rig.db, dataset="threecx")
            assert result.error is None
            fleet.next_day()
        yield Place(rig.db, destination="filesystem", project=folder)


@pytest.fixture(scope="module")
def spark(place: Place) -> Iterator[Any]:
    """What the documentation shows, over these files."""
    text = (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(from pyspark.*?)```", text, re.DOTALL)
    given: dict[str, Any] = {}
    exec(code.replace("/data/lake", str(place.project / "lake")), given)
    yield given["spark"]
    given["spark"].stop()


@pytest.mark.parametrize("view", VIEWS)
def test_spark_says_the_same(place: Place, spark: Any, view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lake_environ(place.project / "lake", "parquet").items():
        monkeypatch.setenv(name, value)
    with open_history(place) as history:
        names, rows = history.rows(f"select * from {view}")
        here = sorted(tuple(map(_text, row)) for row in rows)
    there = spark.sql(f"select * from threecx.{view}")
    assert there.columns == names
    assert sorted(tuple(map(_text, row)) for row in there.collect()) == here
    assert here


def _text(value: Any) -> str:
    """Times of Spark come without a zone, in that of this process."""
    return f"{value.timestamp():.6f}" if hasattr(value, "timestamp") else str(value)
