"""Many PBXs in one run: each on its own, one package, split over workers, and nothing forgotten."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_threecx.settings.config import Shard, load_config
from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import ROOT, settings_of, threecx
from tests.rig import Rig
from tests.shell import shell

MANY = 50
BROKEN = "pbx0017"
NAMES = [f"pbx{number:04}" for number in range(1, MANY + 1)]


@pytest.fixture
def pbxs() -> Iterator[Simulator]:
    with Simulator({name: Fleet(devices=3, seed=number) for number, name in enumerate(NAMES)}) as running:
        yield running


def _rows(folder: Path, sql: str) -> list[Any]:
    with duckdb.connect(str(folder / "phones.duckdb"), read_only=True) as connection:
        connection.execute("use phones.threecx")
        return connection.execute(sql).fetchall()


def test_one_of_fifty_fails_and_49_are_loaded_in_one_package(tmp_path: Path, pbxs: Simulator) -> None:
    pbxs.pbxs[BROKEN].faults.set("html", 0, None)
    environ = settings_of(pbxs)
    ran = threecx("sync", folder=tmp_path, **environ)
    assert ran.code == 5
    lines = dict(line.split(": ", 1) for line in ran.out.splitlines())
    assert list(lines) == NAMES
    assert re.fullmatch(r"failed \(\w+\), nothing was written to the history", lines.pop(BROKEN))
    assert all(line.startswith("3 devices, 3 added (1 page, ") for line in lines.values())
    new, error, last = ran.err.splitlines()
    assert new.startswith("A new history begins: ")
    assert error.startswith(f"threecx: error: PBX '{BROKEN}': ")
    assert re.fullmatch(rf"threecx: error: 1 of {MANY} PBXs failed: {BROKEN} \(\w+\)", last)
    assert sorted(_rows(tmp_path, "select status, count(*) from snapshots group by all")) == [
        ("complete", 49),
        ("failed", 1),
    ]
    assert _rows(tmp_path, "select count(distinct _dlt_load_id) from snapshots") == [(1,)]
    assert _rows(tmp_path, "select count(*), count(distinct pbx) from devices") == [(147, 49)]
    assert threecx("verify", folder=tmp_path).code == 0

    pbxs.pbxs[BROKEN].faults.set(None)
    ran = threecx("sync", folder=tmp_path, **environ)
    assert (ran.code, ran.err) == (0, "")
    lines = dict(line.split(": ", 1) for line in ran.out.splitlines())
    assert lines.pop(BROKEN).startswith("3 devices, 3 added ")
    assert all(line.startswith("3 devices, nothing new ") for line in lines.values())
    assert _rows(tmp_path, "select count(*), count(distinct pbx) from devices") == [(150, 50)]
    assert threecx("verify", folder=tmp_path).code == 0


def test_wrong_credentials_of_one_pbx_stay_its_own(tmp_path: Path, pbxs: Simulator) -> None:
    ran = threecx("sync", folder=tmp_path, **settings_of(pbxs), **{
        variable("client_id", BROKEN): pbxs.client_id,
        variable("client_secret", BROKEN): "of another",
    })  # fmt: skip
    assert ran.code == 3
    assert _rows(tmp_path, "select pbx from pbx_status where last_status <> 'complete'") == [(BROKEN,)]
    assert len({request.path for request in pbxs.token_requests}) == MANY
    assert len(pbxs.token_requests) == MANY


# shards


@pytest.mark.parametrize("of", range(1, 8))
def test_shards_are_a_partition(tmp_path: Path, of: int) -> None:
    environ = {variable("base_url", name): "https://pbx.example.com" for name in NAMES}
    environ |= {variable("client_id"): "one", variable("client_secret"): "two"}
    parts = [list(load_config(tmp_path, environ, shard=Shard(number, of)).pbxs) for number in range(1, of + 1)]
    assert sorted(name for part in parts for name in part) == NAMES
    assert all(parts)


def test_the_shard_of_a_name_never_changes() -> None:
    found = {name: [n for n in range(1, 6) if name in Shard(n, 5)] for name in ("default", "hq", "leeds", "zürich")}
    assert found == {"default": [1], "hq": [5], "leeds": [4], "zürich": [4]}


def test_a_shard_reads_its_own_pbxs_only_and_all_together_read_each_once(tmp_path: Path, pbxs: Simulator) -> None:
    environ = settings_of(pbxs)
    read: list[str] = []
    for number in (1, 2, 3):
        ran = threecx("sync", "--shard", f"{number}/3", folder=tmp_path, **environ)
        assert ran.code == 0
        assert "error" not in ran.err
        read += [line.split(":")[0] for line in ran.out.splitlines()]
    assert sorted(read) == NAMES
    assert len(pbxs.page_requests) == MANY


def test_a_shard_without_a_pbx_is_done(tmp_path: Path, pbxs: Simulator) -> None:
    (mine,) = (number for number in range(1, 4) if NAMES[0] in Shard(number, 3))
    environ = settings_of(pbxs)
    for number in range(1, 4):
        args = ("sync", "--pbx", NAMES[0], "--shard", f"{number}/3", "--format", "json")
        ran = threecx(*args, folder=tmp_path, **environ)
        assert ran.code == 0
        if number == mine:
            assert ran.rows["pbx"] == NAMES[0]
        else:
            assert (ran.out, ran.err) == ("", f"Shard {number}/3 has no PBX: there is nothing to do.\n")


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1/0", "3", "1/", "/2", "a/b", "-1/2", "1/2/3", "1.0/2", " 1/2", ""])
def test_a_wrong_shard_is_exit_2(tmp_path: Path, shard: str) -> None:
    ran = threecx("sync", "--shard", shard, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "is no shard such as 2/5" in ran.err
    assert list(tmp_path.iterdir()) == []


_WORKERS = """
import os, sys
import pandas  # pyarrow would import it in each of them
import dlt_threecx.cli.commands.sync, dlt_threecx.destinations.dlt_duckdb, dlt_threecx.loading.loader
from dlt_threecx.cli import main

for _ in sys.stdin:
    workers = []
    for number in (1, 2, 3):
        workers.append(os.fork())
        if not workers[-1]:
            os.chdir(f"worker{number}")
            try:
                main(["sync", "--shard", f"{number}/3", "--db", "../phones.duckdb"])
            except SystemExit as ended:
                os._exit(ended.code)  # to tidy up what was taken over takes as long as the sync
    print([os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers], flush=True)
"""
"""Three syncs at once for each line, forked from one process that has imported everything."""


def test_shards_from_folders_of_their_own_share_a_destination_at_the_same_time(tmp_path: Path, pbxs: Simulator) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"worker{number}").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _WORKERS],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | settings_of(pbxs) | {"PYTHONPATH": str(ROOT)},
    ) as workers:
        assert workers.stdin
        assert workers.stdout
        for _ in range(2):
            print(file=workers.stdin, flush=True)
            assert next(line for line in workers.stdout if line.startswith("[")) == "[0, 0, 0]\n"
            for pbx in pbxs.pbxs.values():
                pbx.fleet.remove(pbx.fleet.ids()[0])
        workers.stdin.close()
    assert _rows(tmp_path, "select count(*), count(distinct pbx) from devices") == [(2 * MANY, MANY)]
    assert _rows(tmp_path, "select status, count(*) from snapshots group by all") == [("complete", 2 * MANY)]
    assert _rows(tmp_path, "select count(*) from _dlt_version") == [(1,)]
    assert threecx("verify", folder=tmp_path).code == 0


def test_the_compaction_in_the_documents_keeps_the_history(synced: Rig) -> None:
    folder = synced.project
    synced.fleet.remove(synced.fleet.ids()[0])
    synced.sync()
    before = _rows(folder, "from snapshots order by all"), _rows(folder, "from device_history order by all")
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (block,) = (block for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) if "compact" in block)
    ran = shell("\n".join(["set -e", block]), folder=folder)
    assert ran.code == 0, ran.err
    after = _rows(folder, "from snapshots order by all"), _rows(folder, "from device_history order by all")
    assert after == before
    ran = threecx("sync", folder=folder, **settings_of(synced.simulator))
    assert ran.out.startswith("default: 129 devices, nothing new")
    assert threecx("verify", folder=folder).code == 0


# out of the settings


def test_a_pbx_that_left_the_settings_is_told_and_neither_retired_nor_too_old(tmp_path: Path) -> None:
    with Simulator({"hq": Fleet(devices=3), "leeds": Fleet(devices=4)}) as pbx:
        environ = settings_of(pbx)
        assert threecx("sync", folder=tmp_path, **environ).code == 0
        del environ[variable("base_url", "leeds")]
        ran = threecx("sync", folder=tmp_path, **environ)
        assert ran.code == 0
        assert ran.out.startswith("hq: 3 devices, nothing new")
        assert ran.err == (
            "PBX 'leeds' is in the history, but not in the settings: it was not read; its devices stay as last seen.\n"
        )
        for restricted in (["--pbx", "hq"], ["--shard", "1/1"]):
            assert threecx("sync", *restricted, folder=tmp_path, **environ).err == ""
    ran = threecx("status", "--format", "json", folder=tmp_path, **environ)
    assert ran.code == 0
    assert [(row["pbx"], row["devices"], row["in_settings"]) for row in ran.rows] == [
        ("hq", 3, True),
        ("leeds", 4, False),
    ]
    assert ran.err.startswith("PBX 'leeds' is in the history, but not in the settings: it is no longer read")
    # Without settings nobody can say.
    ran = threecx("status", "--format", "json", folder=tmp_path)
    assert [row["in_settings"] for row in ran.rows] == [None, None]
    assert ran.err == ""
    # It is not too old, unless it is named.
    ran = threecx("status", "--max-age", "0s", folder=tmp_path, **environ)
    assert [line for line in ran.err.splitlines() if "error" in line and "leeds" in line] == []
    ran = threecx("status", "--max-age", "0s", "--pbx", "leeds", folder=tmp_path, **environ)
    assert ran.code == 5


# on a terminal


_ON_A_TERMINAL = """
import os, pty, sys
code = pty.spawn([sys.executable, "-c", "from dlt_threecx.cli import main; main()", "sync"])
sys.exit(os.waitstatus_to_exitcode(code))
"""


def test_progress_of_many_pbxs_is_a_few_lines(tmp_path: Path) -> None:
    """One bar for all and one for each that is being read, not fifty."""
    fleets = {name: Fleet(devices=30, seed=number) for number, name in enumerate(NAMES)}
    with Simulator(fleets, delay_seconds=0.05) as pbx:
        pbx.pbxs[BROKEN].faults.set("html", 0, None)
        ran = subprocess.run(
            [sys.executable, "-c", _ON_A_TERMINAL],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            stdin=subprocess.DEVNULL,
            env=_terminal(settings_of(pbx)),
        )
    assert ran.returncode == 5, ran.stdout
    assert "50/50" in ran.stdout
    frames = [frame.count("pbx0") for frame in ran.stdout.split("\x1b[2K")[1:] if "━" in frame]
    assert frames
    assert max(frames) <= 2


def _terminal(environ: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", "LINES": "40", **environ}


def test_the_bar_of_a_pbx_that_failed_is_not_full(tmp_path: Path) -> None:
    with Simulator({"good": Fleet(devices=3), "odd": Fleet(devices=3)}) as pbx:
        pbx.pbxs["odd"].faults.set("html", 0, None)
        ran = subprocess.run(
            [sys.executable, "-c", _ON_A_TERMINAL],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            stdin=subprocess.DEVNULL,
            env=_terminal(settings_of(pbx)),
        )
    assert ran.returncode == 5, ran.stdout
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", ran.stdout)
    assert re.search(r"good +━+ +3/3", text)
    assert re.search(r"odd: nothing read +━+ +0/1", text)
