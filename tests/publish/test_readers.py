"""Readers and syncs never meet: whoever reads the copy, whatever is killed, no reading and no sync fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random

from tests.commands import ROOT, settings_of, threecx
from tests.publish.copies import both_sides, copied, opened
from tests.rig import Rig

SYNCS, KILLED = 3, 5


@contextmanager
def program(*args: str) -> Iterator[subprocess.Popen[str]]:
    """A program of `readers.py`, which ends with the block at the latest."""
    command = [sys.executable, "-m", "tests.publish.readers", *args]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_syncs_publish_and_some_are_killed_while_others_read(rig: Rig) -> None:
    folder, stop, random = rig.project / "bi", rig.project / "stop", Random(5)
    file = folder / "threecx_bi.duckdb"
    assert rig.sync(publish=folder).exit_code == 0
    with ExitStack() as running:
        reader = running.enter_context(program("read", str(file), str(stop)))
        keeper = running.enter_context(program("keep", str(file), "-"))
        victims = running.enter_context(program("die", str(rig.db), str(folder)))
        assert victims.stdin
        assert victims.stdout
        assert keeper.stdin
        killed: list[str] = []
        for number in range(SYNCS):
            rig.fleet.next_day()
            if number % 2 == 0:
                # There is news, and those that publish it are killed.
                assert rig.sync().exit_code == 0
                for _ in range(min(3, KILLED - len(killed))):
                    print(random.uniform(0.02, 0.5), file=victims.stdin, flush=True)
                    killed.append(victims.stdout.readline().strip())
            assert rig.sync(publish=folder, busy_timeout_seconds=10.0).exit_code == 0
            print("and now?", file=keeper.stdin, flush=True)
        stop.touch()
        told = [process.communicate(timeout=60)[0].split() for process in (reader, keeper)]
    assert len(killed) == KILLED
    assert killed.count("-9") > KILLED // 2, "most ended before they were killed"
    assert [len(words) for words in told] == [2, 2], "a reader failed"
    assert int(told[0][1]) > 1, "the reader saw no news"
    assert told[1][1] == "1", "the copy changed under a reader that keeps it open"
    assert [path.name for path in folder.iterdir() if path.name.endswith(".new")] == []
    with opened(rig.db) as history, copied(folder) as copy:
        for relation, there, expected in both_sides(copy, history):
            assert there == expected, relation


def test_a_publication_that_fails_is_told_and_fails_no_sync(rig: Rig) -> None:
    environ = settings_of(rig.simulator)
    (rig.project / "bi").write_text("this is no folder")
    # relative to the project, not to the working folder
    options = ("--project", str(rig.project), "--db", str(rig.db))
    wanted = environ | {"SOURCES__THREECX__PUBLISH": "bi"}
    elsewhere = rig.project.parent
    ran = threecx("sync", *options, folder=elsewhere, **wanted)
    assert ran.code == 0
    assert "130 added" in ran.out
    assert "the history is complete, the copy in" in ran.err
    shown = threecx("status", *options, folder=elsewhere, **wanted)
    assert shown.code == 0
    assert "could not be renewed" in shown.err
    (rig.project / "bi").unlink()
    assert threecx("sync", *options, folder=elsewhere, **wanted).err == ""
    assert "brought up to date" in threecx("status", *options, folder=elsewhere, **wanted).err
    with copied(rig.project / "bi") as copy:
        assert copy.execute("select count(*) from devices").fetchone() == (130,)
