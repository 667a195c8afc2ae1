"""The shape of the API as the ledger has it: written when it is another than before, and found however old it is."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.compare.api_shape import Shape, merged, shape_to_keep
from dlt_threecx.destinations.duckdb_file import DuckDbFile
from dlt_threecx.loading.previous_state import api_shapes
from dlt_threecx.simulator import Fleet
from tests.literal import empty_history, write_attempt
from tests.rig import assert_sound, counts, rigs

AT = datetime(2026, 11, 3, tzinfo=UTC)
SEEN = st.dictionaries(
    st.sampled_from(["Online", "Registrar.MAC", "Registrar.FirmwareAvailable", "New"]),
    st.sampled_from(["string", "boolean", "boolean|string"]),
    max_size=4,
)
ATTEMPTS = st.lists(st.tuples(st.sampled_from(["complete", "failed", "unfinished", "twice"]), SEEN), max_size=12)


class Ledger:
    """A history whose rows have nothing but what a shape is found by."""

    def __init__(self, folder: Path) -> None:
        empty_history(str(folder / "phones.duckdb")).close()
        self.destination = DuckDbFile(folder / "phones.duckdb", "threecx", wait_seconds=1)
        self.destination.connection.execute("use threecx")
        self._numbers = itertools.count()

    def new_pbx(self) -> str:
        return f"pbx{next(self._numbers)}"

    def known(self, *pbxs: str) -> list[Shape]:
        found = api_shapes(self.destination, pbxs)
        return [json.loads(found.get(pbx, "{}")) for pbx in pbxs]

    def write(self, pbx: str, hour: int, kind: str, shape: str | None) -> None:
        """An attempt; `twice` is a row that came a second time, `unfinished` one whose load was cut off."""
        status = "failed" if kind == "failed" else "complete"
        for load_status in (0, None) if kind == "twice" else (None,) if kind == "unfinished" else (0,):
            at = AT + timedelta(hours=hour)
            write_attempt(self.destination.connection, at, pbx, status, load_status=load_status, shape=shape)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    made = Ledger(tmp_path_factory.mktemp("ledger"))
    with closing(made.destination):
        yield made


@given(ATTEMPTS)
def test_any_sequence_of_shapes_is_known_as_if_each_row_had_all_of_it(
    ledger: Ledger, attempts: list[tuple[str, Shape]]
) -> None:
    pbx, other = ledger.new_pbx(), ledger.new_pbx()
    ledger.write(other, 0, "complete", shape_to_keep({}, {"Other": "string"}))
    expected: Shape = {}
    for hour, (kind, seen) in enumerate(attempts):
        kept = None if kind == "failed" else shape_to_keep(expected, seen)
        ledger.write(pbx, hour, kind, kept)
        if kind in ("complete", "twice"):
            assert (kept is None) == (merged(expected, seen) == expected)
            expected = merged(expected, seen)
        assert ledger.known(pbx, other) == [expected, {"Other": "string"}]


def test_a_history_without_any_row_knows_no_shape(tmp_path: Path) -> None:
    with closing(DuckDbFile(tmp_path / "new.duckdb", "threecx", wait_seconds=1)) as destination:
        assert api_shapes(destination, ["hq"]) == {}
    with closing(Ledger(tmp_path).destination) as destination:
        assert api_shapes(destination, ["hq"]) == {}
        assert api_shapes(destination, []) == {}


def test_the_ledger_has_the_shape_once_for_each_move(tmp_path: Path) -> None:
    for rig in rigs(tmp_path / "rig", Fleet(devices=9, seed=5)):
        rig.sync()
        rig.sync()
        rig.fleet.shape = "later"
        assert rig.sync(filter="Id gt 0").row.status == "refused"
        # What a refused reading has seen is not known.
        assert counts(rig.sync()) == {"rebaselined": 9}
        shutil.rmtree(rig.work)
        result = rig.sync()
        assert (counts(result), result.shape_changes) == ({}, ())
        kept = [row["shape"] and len(json.loads(row["shape"])) for row in rig.ledger()]
        assert [row["status"] for row in rig.ledger()] == ["complete", "complete", "refused", "complete", "complete"]
        assert (kept[1:3], kept[4]) == ([None, None], None)
        assert 0 < kept[0] < kept[3]
        assert_sound(rig)


def test_a_history_that_was_set_back_has_the_shape_of_its_time(tmp_path: Path) -> None:
    for rig in rigs(tmp_path / "rig", Fleet(devices=9, seed=5)):
        rig.sync()
        backup = rig.db.read_bytes()
        rig.fleet.shape = "later"
        assert counts(rig.sync()) == {"rebaselined": 9}
        rig.db.write_bytes(backup)
        assert counts(rig.sync(["restored"], "the disk was full")) == {"rebaselined": 9}
        assert [bool(row["shape"]) for row in rig.ledger()] == [True, True]
        assert counts(rig.sync()) == {}
        assert_sound(rig)
