"""`threecx simulate` in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands import ROOT, threecx


@contextmanager
def _simulate(folder: Path, *args: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The running command, and the settings that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from dlt_threecx.cli import main; main()", "simulate", *args],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    try:
        settings: dict[str, str] = {}
        while "CLIENT_SECRET" not in " ".join(settings):
            line = process.stdout.readline()
            found = re.fullmatch(r"export ([A-Z0-9_]+)=(\S+)\n", line)
            assert found, line
            settings[found[1]] = found[2]
        yield process, settings
    finally:
        process.kill()
        process.communicate()


def test_what_it_prints_is_all_that_the_other_commands_need(tmp_path: Path) -> None:
    with _simulate(tmp_path, "--devices", "12", "--shape", "later") as (process, settings):
        ran = threecx("check", folder=tmp_path, **settings)
        assert (ran.code, "12 devices" in ran.out) == (0, True)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert re.fullmatch(r"A 3CX with 12 devices answers at http://127\.0\.0\.1:\d+ until Ctrl-C\.\nStopped\.\n", err)


def test_several_pbxs_have_devices_of_their_own(tmp_path: Path) -> None:
    with _simulate(tmp_path, "--devices", "3", "--pbx", "hq", "--pbx", "leeds") as (_, settings):
        ran = threecx("check", "--format", "json", folder=tmp_path, **settings)
        assert {row["pbx"] for row in ran.rows} == {"hq", "leeds"}
        hq, leeds = (threecx("list", "--pbx", name, folder=tmp_path, **settings).out for name in ("hq", "leeds"))
    assert hq != leeds


def test_a_fault_reaches_the_reader(tmp_path: Path) -> None:
    with _simulate(tmp_path, "--devices", "3", "--fault", "id_missing") as (_, settings):
        assert threecx("list", folder=tmp_path, **settings).code == 5


def test_days_pass(tmp_path: Path) -> None:
    with _simulate(tmp_path, "--devices", "50", "--days-every", "0.1") as (process, _):
        assert process.stderr is not None
        told = [process.stderr.readline() for _ in range(3)]
    assert [line.split(":")[:2] for line in told[1:]] == [["default", " day 1"], ["default", " day 2"]]


@pytest.mark.parametrize(
    "args",
    [["--pbx", "a/b"], ["--pbx", ""], ["--pbx", "0"], ["--pbx", "10001"], ["--port", "70000"], ["--shape", "1999"]],
)
def test_what_makes_no_sense_is_exit_2(tmp_path: Path, args: list[str]) -> None:
    assert threecx("simulate", *args, folder=tmp_path).code == 2


def test_a_port_in_use_is_exit_2(tmp_path: Path) -> None:
    with _simulate(tmp_path, "--devices", "1") as (_, settings):
        port = settings["SOURCES__THREECX__BASE_URL"].rsplit(":", 1)[1]
        ran = threecx("simulate", "--port", port, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert f"Port {port} cannot be used" in ran.err


def test_a_number_gives_so_many_pbxs_on_one_port(tmp_path: Path) -> None:
    with _simulate(tmp_path, "--devices", "100", "--pbx", "1000") as (process, settings):
        urls = {value for name, value in settings.items() if name.endswith("__BASE_URL")}
        assert len(urls) == 1000
        ran = threecx("check", "--pbx", "pbx0001", "--pbx", "pbx1000", "--format", "json", folder=tmp_path, **settings)
        assert {row["pbx"] for row in ran.rows} == {"pbx0001", "pbx1000"}
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert err.startswith("1000 PBXs, each with 100 devices, answer at http://127.0.0.1:")
    assert len({url.split("/")[2] for url in urls}) == 1
