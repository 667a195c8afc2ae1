"""Random histories end to end: every view says what an independent model works out from the full snapshots."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.integrity.verify import verify
from dlt_threecx.simulator import SHAPES, Fleet
from tests.proofs.model_of_history import NAMES, OWN, HistoryModel
from tests.rig import Rig, rigs

SEEDS = int(os.environ.get("PROVE_SEEDS", "60"))
DAYS = 12
DEVICES = 25
KEYS = (None, "key-one", "key-two")


class Life:
    """What happens to a PBX, by chance."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig, self.fleet, self.chance = rig, rig.fleet, random.Random(seed)
        self.key: str | None = None
        self.now = timedelta(days=-2 * DAYS)

    def pass_a_day(self) -> None:
        # Mostly forwards; now and then the clock is set back a little.
        self.now += (
            timedelta(minutes=-30) if self.chance.random() < 0.15 else timedelta(hours=self.chance.uniform(1, 30))
        )
        if self.chance.random() < 0.5:
            self.fleet.next_day()
        for act in self.chance.choices([self._flip, self._swap, self._reuse, self._edit, self._brand], k=4):
            act(self.chance.sample(self.fleet.ids(), 2))
        if self.chance.random() < 0.3:
            self.fleet.shape = self.chance.choice(list(SHAPES))
        if self.chance.random() < 0.3:
            self.key = self.chance.choice(KEYS)

    def _flip(self, _: list[int]) -> None:
        for device in self.chance.sample(self.fleet.ids(), 6):
            self.fleet.update(device, {"Online": not self.fleet.find(device)["Online"]})

    def _swap(self, pair: list[int]) -> None:
        """Two phones get each other's MAC, or each other's extension."""
        what = self.chance.choice(["MAC", "DN"])
        one, other = (self.fleet.find(device) for device in pair)
        if what == "DN":
            values = [{"DN": dict(row["DN"] or {}) or None} for row in (other, one)]
        else:
            values = [{"Registrar": {"MAC": (row["Registrar"] or {}).get("MAC")}} for row in (other, one)]
        for device, value in zip(pair, values, strict=True):
            self.fleet.update(device, value)

    def _reuse(self, pair: list[int]) -> None:
        """An Id goes; one that went is given to another phone."""
        gone = self.chance.choice(list(self.fleet.gone)) if self.fleet.gone else None
        self.fleet.remove(pair[0])
        if gone is not None:
            self.fleet.restore(gone)
            if self.chance.random() < 0.7:
                mac = f"{self.chance.randrange(16**12):012X}"
                self.fleet.update(gone, {"Registrar": {"MAC": mac, "Model": "T99"}, "DN": {"Number": "999"}})

    def _edit(self, pair: list[int]) -> None:
        self.fleet.update(pair[0], {"Registrar": {"IpAddress": f"10.0.0.{self.chance.randrange(250)}"}})
        self.fleet.update(pair[1], {"DN": {"Tags": self.chance.sample(["A", "B", "C"], 2)}})

    def _brand(self, pair: list[int]) -> None:
        value = self.chance.choice(["red", "blue", 7, None])
        for device in pair if value == 7 else self.fleet.ids()[:5]:
            self.fleet.update(device, {OWN: value})

    def sync(self, model: HistoryModel) -> None:
        """A run; one that a guard refuses is accepted or made good."""
        settings: dict[str, Any] = {
            "fingerprint_key": self.key,
            "max_removed_devices": 2,
            "max_removed_percent": 5.0,
        }
        (result,) = self.rig.sync_all(clock_offset=self.now, **settings)
        if result.row.status == "refused":
            accepted = [result.row.reason or "", "shrink", "empty"]
            (result,) = self.rig.sync_all(accepted, "by chance", clock_offset=self.now, **settings)
        assert (result.exit_code, result.row.taken_at is not None) == (0, True), result.error
        assert result.row.taken_at is not None
        model.snapshot(result.row.taken_at, self.key, self.fleet.served())


def _row(values: Mapping[str, Any]) -> dict[str, Any]:
    extra = json.loads(values["extra"]) if values["extra"] else {}
    return {**{name: values[name] for name in NAMES}, f"extra.{OWN}": extra.get(OWN)}


def _dicts(history: Any, sql: str) -> list[dict[str, Any]]:
    names, rows = history.rows(sql)
    return [{name: _utc(value) for name, value in zip(names, row, strict=True)} for row in rows]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _by_text(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_view_says_what_the_model_says(tmp_path: Path, seed: int) -> None:
    for rig in rigs(tmp_path / "history", Fleet(devices=DEVICES, seed=seed)):
        life, model = Life(rig, seed), HistoryModel()
        for _ in range(DAYS):
            life.sync(model)
            life.pass_a_day()
        location = HistoryLocation(rig.db, project=rig.project)
        with open_history(location) as history:
            devices = {
                row["device_id"]: (_row(row), row["first_seen_at"], row["last_changed_at"])
                for row in _dicts(history, "select * from devices")
            }
            intervals = [
                (row["device_id"], row["valid_from"], row["valid_to"], row["opened_by"], row["closed_by"], _row(row))
                for row in _dicts(history, "select * from device_history")
            ]
            names = ("changed_at", "device_id", "change", "field", "old_value", "new_value")
            changes = [tuple(row[name] for name in names) for row in _dicts(history, "select * from device_changes")]
            assert devices == model.devices()
            assert _by_text(intervals) == _by_text(model.intervals())
            assert _by_text(changes) == _by_text(model.changes())
            assert [verdict.disagreement for verdict in verify(history)] == [None]
