"""Keeps every test away from the developer's settings and dlt folders; a PBX, and a project synced from it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dlt_threecx.simulator import Fleet
from tests.rig import FirstSyncs, Rig, onlookers, rigs

_STEERS_DLT = ("SOURCES__", "DESTINATION__", "PIPELINE__", "LOAD__", "RUNTIME__", "DLT_", "THREECX_", "XDG_")

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("prove", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def _isolate(patch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in [name for name in os.environ if name.startswith(_STEERS_DLT)]:
        patch.delenv(name)
    home = folder / "home"
    home.mkdir()
    patch.setenv("HOME", str(home))
    patch.setenv("DLT_DATA_DIR", str(home / ".dlt"))
    patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    patch.chdir(folder)


@pytest.fixture(scope="session", autouse=True)
def _isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For fixtures that live longer than one test."""
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch, tmp_path_factory.mktemp("session"))
        yield
        onlookers.clear()


@pytest.fixture(autouse=True)
def _isolated_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home and a working folder of its own for each test; nothing of it lies in the test's `tmp_path`."""
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch, tmp_path_factory.mktemp("isolated"))
        yield


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(devices=130, seed=11)


@pytest.fixture
def rig(tmp_path: Path, fleet: Fleet) -> Iterator[Rig]:
    yield from rigs(tmp_path / "project", fleet)


@pytest.fixture(scope="session")
def first_syncs(tmp_path_factory: pytest.TempPathFactory) -> FirstSyncs:
    return FirstSyncs(tmp_path_factory.mktemp("synced"))


@pytest.fixture
def synced(tmp_path: Path, first_syncs: FirstSyncs) -> Iterator[Rig]:
    """As `rig`, and synced once."""
    yield from first_syncs.rigs(tmp_path / "project")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=pbx",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both
