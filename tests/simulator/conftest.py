"""A small fleet behind a simulator, and a client that has its token."""

from collections.abc import Iterator

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from tests.simulator.client import Client


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(devices=120, seed=7)


@pytest.fixture
def simulator(fleet: Fleet) -> Iterator[Simulator]:
    with Simulator(fleet) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return Client(simulator).authorize()
