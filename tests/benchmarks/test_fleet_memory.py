"""Memory follows the largest PBXs, not the fleet: `python -m pytest tests/benchmarks/test_fleet_memory.py`."""

import tempfile
from pathlib import Path

from tests.benchmarks.fleet import simulated, synced

FACTOR = 2.5


def test_two_hundred_pbxs_need_little_more_memory_than_one() -> None:
    with simulated(200, 500, 0) as environ:
        for options in (["--pbx", "pbx0001"], []):
            with tempfile.TemporaryDirectory() as folder:
                first, again = (synced(Path(folder), environ, *options).peak_mb for _ in range(2))
            if options:
                first_of_one, again_of_one = first, again
    assert first < FACTOR * first_of_one
    assert again < FACTOR * again_of_one
