"""What `threecx schedule` prints for cron and systemd."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlt_threecx.cli import cli
from dlt_threecx.cli.commands.schedule import Schedule, cron_lines, systemd_units
from dlt_threecx.cli.exit_codes import exit_code_of
from tests.commands import ROOT

DEPLOY = ROOT / "deploy"
EXAMPLE = Schedule(("/opt/threecx/bin/threecx",), Path("/srv/threecx"), 2, 30, "threecx", "threecx")
"""What the files in deploy/ are made for."""


def odd(tmp_path: Path) -> Schedule:
    """A project whose path needs quotes."""
    project = tmp_path / "100 % of 3CX's"
    project.mkdir()
    return Schedule((sys.executable, "-m", "dlt_threecx"), project, 3, 7, getpass.getuser(), "phones", ("--pbx", "a b"))


def written(units: dict[str, str], folder: Path) -> list[str]:
    for name, text in units.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [str(folder / name) for name in units]


def test_the_files_in_deploy_are_what_the_command_prints() -> None:
    made = {DEPLOY / "cron" / "threecx.crontab": cron_lines(EXAMPLE)} | {
        DEPLOY / "systemd" / name: text for name, text in systemd_units(EXAMPLE).items()
    }
    if os.environ.get("REGENERATE"):
        for file, text in made.items():
            file.write_text(text, encoding="utf-8")
    assert {file: file.read_text(encoding="utf-8") for file in made} == made


def test_a_shell_gets_the_words_that_cron_hands_to_it(tmp_path: Path) -> None:
    given = odd(tmp_path)
    line = cron_lines(given).splitlines()[-1]
    assert line.startswith("7 3 * * * ")
    words = line.removeprefix("7 3 * * * ").removesuffix(" >/dev/null").replace("\\%", "%")
    ran = subprocess.run(["sh", "-c", f"printf '%s\\n' {words}"], capture_output=True, encoding="utf-8", check=True)
    assert tuple(ran.stdout.splitlines()) == given.command("sync", *given.options)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    files = written(systemd_units(odd(tmp_path)), tmp_path)
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", *files], capture_output=True, encoding="utf-8")
    about_ours = [line for line in ran.stderr.splitlines() if "phones" in line]
    assert (ran.returncode, about_ours) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_service_is_exposed_to_little(tmp_path: Path) -> None:
    service = written(systemd_units(odd(tmp_path)), tmp_path)[0]
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", service],
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stdout[-300:]


def test_the_command_names_this_project_and_a_program_that_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(cli, ["schedule", "cron", "--project", str(tmp_path), "--", "--shard", "1/4"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.endswith(f"sync --project {tmp_path} --shard 1/4 >/dev/null")
    program = line.split(" sync ")[0].split(maxsplit=5)[5]
    ran = subprocess.run([*program.split(), "--version"], capture_output=True, encoding="utf-8")
    assert (ran.returncode, ran.stdout.split()[0]) == (0, "threecx,")


def test_the_units_can_be_written_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [
        "schedule",
        "systemd",
        "--project",
        str(tmp_path),
        "--output",
        str(tmp_path),
        "--time",
        "4:05",
        "--user",
        "x",
    ]
    assert exit_code_of(cli, args) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(tmp_path / f"threecx{end}") for end in (".service", ".timer", "-notify.service")]
    assert err == "Start it with: systemctl daemon-reload && systemctl enable --now threecx.timer\n"
    assert "OnCalendar=*-*-* 04:05:00" in (tmp_path / "threecx.timer").read_text(encoding="utf-8")


@pytest.mark.parametrize("args", [["--time", "25:00"], ["--name", "a b"]])
def test_what_no_scheduler_could_use_is_exit_2(args: list[str]) -> None:
    assert exit_code_of(cli, ["schedule", "systemd", *args]) == 2
