"""The processes from which syncs are forked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.loading.processes import Processes


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    started = Processes()
    yield started
    started.close()


@pytest.fixture(scope="session")
def others() -> Iterator[Processes]:
    """For syncs at the same time."""
    started = Processes()
    yield started
    started.close()
