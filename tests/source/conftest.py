"""A simulated PBX of 240 devices."""

from collections.abc import Iterator

import pytest

from dlt_threecx.simulator import Fleet, Simulator


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(devices=240, seed=7)


@pytest.fixture
def pbx(fleet: Fleet) -> Iterator[Simulator]:
    with Simulator(fleet) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's machine is set up with is not what is tested."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
