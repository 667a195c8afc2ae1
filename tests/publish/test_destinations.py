"""The same copy from PostgreSQL and from a lake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.run import sync_pbxs
from dlt_threecx.views.views import view_statements
from tests.destinations.lakes import lake_environ
from tests.destinations.warehouse import postgres
from tests.publish.copies import DAYS, RELATIONS, both_sides, copied, opened, published, rows_of, written
from tests.rig import Rig


def test_postgresql_publishes_what_duckdb_publishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres() as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        location = HistoryLocation(tmp_path / "none.duckdb", destination="postgres", project=tmp_path)
        for number in (2, len(DAYS)):
            here = written(tmp_path / "threecx.duckdb", DAYS[:number])
            with opened(here.db) as history:
                server.copy(history)
            server.execute(*view_statements("postgres", "threecx"))
            done = published(location, tmp_path / "bi")
            assert (done.has_news, done.is_whole) == (True, number == 2)
        assert not published(location, tmp_path / "bi").has_news
    with copied(tmp_path / "bi") as copy, opened(here.db) as history:
        for relation, there, rows in both_sides(copy, history):
            assert there == rows, relation


def test_a_lake_publishes_what_its_views_say(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lake_environ(rig.project / "lake", "parquet").items():
        monkeypatch.setenv(name, value)
    folder = rig.project / "bi"
    config = replace(rig.config(publish=folder), destination="filesystem")
    for _ in range(2):
        assert [result.exit_code for result in sync_pbxs(config, db=rig.db, dataset="threecx")] == [0]
        rig.fleet.next_day()
    location = HistoryLocation(rig.db, destination="filesystem", project=rig.project)
    with open_history(location) as history, copied(folder) as copy:
        for relation in RELATIONS[2:]:
            assert rows_of(copy, relation) == sorted(map(repr, history.rows(f"select * from {relation}")[1])), relation
