"""The lower bounds in pyproject.toml hold: a wheel runs with the lowest versions of all that it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.views.views import VIEWS
from tests.commands import ROOT, settings_of
from tests.proofs.environments import environment, install, run, succeeded, wheel

Threecx = Callable[..., str]


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13"])
def program(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    lowest = ("--resolution", "lowest-direct", "-r", ROOT / "pyproject.toml")
    programs = environment(tmp_path_factory.mktemp("lowest") / "venv", *lowest, python=request.param)
    install(programs, "--no-deps", wheel())
    return programs / "threecx"


@pytest.fixture(params=["duckdb", "filesystem"])
def threecx(program: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Threecx]:
    """Runs a command for a project whose PBX was read on four days."""
    fleet = Fleet(devices=60, seed=7)
    with Simulator(fleet) as simulator:
        environ = {
            **settings_of(simulator),
            "PIPELINE__DESTINATION_NAME": request.param,
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(tmp_path / "lake"),
        }

        def called(*args: str) -> str:
            return succeeded(run(program, *args, cwd=tmp_path, environ=environ))

        for _ in range(4):
            called("sync")
            fleet.next_day()
        yield called


def test_sync_verify_and_every_view_run_with_the_lowest_versions(threecx: Threecx) -> None:
    assert threecx("verify")
    for view in VIEWS:
        rows = json.loads(threecx("sql", f"select count(*) as rows from {view}", "--format", "json"))
        assert rows[0]["rows"] > 0 or view == "findings", view
    assert threecx("devices")
    assert threecx("changes")


def test_the_demo_runs_with_the_lowest_versions(program: Path, tmp_path: Path) -> None:
    assert succeeded(run(program, "demo", cwd=tmp_path))
