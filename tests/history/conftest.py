"""A PBX with a fleet, and a project that is synced from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.threecx.simulator import Fleet
from tests.history.rig import Rig, rigs


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(devices=130, seed=11)


@pytest.fixture
def rig(tmp_path: Path, fleet: Fleet) -> Iterator[Rig]:
    yield from rigs(tmp_path / "project", fleet)
