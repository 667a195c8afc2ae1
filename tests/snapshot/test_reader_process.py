"""PBXs are read in other processes, which end with the first one, however that ends."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.snapshot.forked import EndedError, Forked
from dlt_threecx.snapshot.reader_process import _parts
from tests.commands import ROOT, python, settings_of, threecx
from tests.rig import config_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process does it all")

_PAGES = 80
"""So many pages of a long list come before something goes wrong."""
STALLED = "stall"
"""The headers come, then nothing more."""

SCRIPT = """
import sys
from dlt_threecx.own_process import take_over
take_over()
from dlt_threecx.snapshot.reader_process import reader
with reader() as read:
    from datetime import timedelta
    from pathlib import Path
    from tests.rig import config_of
    config = config_of(Path("."), {"default": sys.argv[1]})
    heard = []
    job = (config, Path("spool"), lambda *rows: heard.append(rows), timedelta(), {}, {})
    try:
        read(*job)
    except OSError as error:
        print(type(error).__name__)
    Path("spool").mkdir()
    (reading,) = read(*job)
    print(reading.outcome.devices, heard[-1])
"""

FLEET = """
import os, signal, sys
from dlt_threecx.own_process import take_over
take_over()
from dlt_threecx.snapshot.reader_process import reader
os.cpu_count = lambda: 3
with reader(pbxs=70) as read:
    from datetime import timedelta
    from pathlib import Path
    from tests.rig import config_of
    urls = {f"pbx{number}": f"{sys.argv[1]}/pbx{number}" for number in range(5)}
    config = config_of(Path("."), urls)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    if sys.argv[2] == "kill":
        os.kill(int(children[1]), signal.SIGKILL)
        os.waitid(os.P_PID, int(children[1]), os.WEXITED | os.WNOWAIT)
    Path("spool").mkdir()
    for reading in read(config, Path("spool"), None, timedelta(), {}, {}):
        print(reading.pbx.name, getattr(reading.outcome, "devices", reading.outcome))
    print(len(children))
"""

LONG = """
import hashlib, os, sys
from dlt_threecx.own_process import take_over
take_over()
from dlt_threecx.snapshot.reader_process import reader
fork = os.fork
def counted():
    with open("forks", "a") as forks:
        forks.write(sys.argv[2])
    return fork()
os.fork, os.cpu_count = counted, lambda: int(sys.argv[2])
with reader() as read:
    from datetime import timedelta
    from pathlib import Path
    from tests.rig import config_of
    config = config_of(Path("."), {"default": sys.argv[1]})
    Path(sys.argv[2]).mkdir()
    (reading,) = read(config, Path(sys.argv[2]), None, timedelta(), {}, {})
    snapshot = reading.outcome
    print(snapshot.devices, snapshot.fingerprint, sorted(snapshot.shape.items()))
    print(hashlib.sha256(snapshot.file.read_bytes()).hexdigest())
    print(hashlib.sha256(snapshot.rows_read.written("")).hexdigest())
"""


@pytest.fixture
def pbx() -> Iterator[Simulator]:
    with Simulator(Fleet(devices=150, seed=4)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def long_list() -> Fleet:
    """More devices than one process takes."""
    return Fleet(devices=12_000, seed=5)


@pytest.fixture
def long_pbx(long_list: Fleet) -> Iterator[Simulator]:
    with Simulator(long_list) as simulator:
        yield simulator


@contextmanager
def _sync(folder: Path, pbx: Simulator, timeout_seconds: int = 60) -> Iterator[subprocess.Popen[str]]:
    """`threecx sync -v`, which is ended in the end."""
    command = [sys.executable, "-c", "from dlt_threecx.cli import main; main()", "sync", "-v"]
    patience = {variable("timeout_seconds"): str(timeout_seconds)}
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **settings_of(pbx), **patience}
    with subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it takes too long")


def _reading_child(process: subprocess.Popen[str], pbx: Simulator) -> int:
    """The second process, once it reads."""
    _until(lambda: len(pbx.requests) > 1)
    return _child(process.pid)


def _child(process: int) -> int:
    (child,) = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(child)


def _copies(process: subprocess.Popen[str], pbx: Simulator) -> tuple[int, int]:
    """The process that reads a long list and the one that writes it, once the PBX does not go on."""
    _until(lambda: len(pbx.requests) > _PAGES)
    reads = _child(process.pid)
    return reads, _child(reads)


def _is_there(pid: int) -> bool:
    """Whether the process runs; what nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_the_second_process_logs_is_heard(tmp_path: Path, pbx: Simulator) -> None:
    with _sync(tmp_path, pbx) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "urllib3.connectionpool: http" in err


def test_a_reader_that_is_killed_is_told_and_nothing_is_loaded(tmp_path: Path, pbx: Simulator) -> None:
    pbx.fault = STALLED
    with _sync(tmp_path, pbx) as process:
        os.kill(_reading_child(process, pbx), signal.SIGKILL)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "reading in another process: it was ended from outside" in err
    pbx.fault = None
    assert not (tmp_path / "phones.duckdb").exists()
    assert threecx("sync", folder=tmp_path, **settings_of(pbx)).code == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_reader_ends_with_the_sync(tmp_path: Path, pbx: Simulator, number: signal.Signals) -> None:
    pbx.fault = STALLED
    with _sync(tmp_path, pbx) as process:
        child = _reading_child(process, pbx)
        assert _is_there(child)
        process.send_signal(number)
        process.communicate(timeout=20)
        _until(lambda: not _is_there(child))
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]


def test_an_error_of_the_disk_comes_through_and_a_second_reading_is_done_here(tmp_path: Path, pbx: Simulator) -> None:
    ran = python("-c", SCRIPT, pbx.base_url, folder=tmp_path)
    assert ran.out.splitlines() == ["FileNotFoundError", "150 ('default', 150, 150)"], ran.err


def test_a_long_list_is_written_by_a_copy_and_is_the_same_as_without(tmp_path: Path, long_pbx: Simulator) -> None:
    alone, with_copy = (python("-c", LONG, long_pbx.base_url, number, folder=tmp_path) for number in "12")
    assert alone.out == with_copy.out, with_copy.err
    assert alone.out.startswith("12000 "), alone.err
    assert (tmp_path / "forks").read_text() == "122"


def test_a_copy_that_is_killed_is_told_and_nothing_is_loaded(tmp_path: Path, long_pbx: Simulator) -> None:
    long_pbx.set_fault(STALLED, after=_PAGES, times=1)
    with _sync(tmp_path, long_pbx, timeout_seconds=2) as process:
        os.kill(_copies(process, long_pbx)[1], signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "reading in another process: it was ended from outside" in err
    assert not (tmp_path / "phones.duckdb").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_copy_ends_with_the_sync(tmp_path: Path, long_pbx: Simulator, number: signal.Signals) -> None:
    long_pbx.set_fault(STALLED, after=_PAGES)
    with _sync(tmp_path, long_pbx) as process:
        copies = _copies(process, long_pbx)
        process.send_signal(number)
        process.communicate(timeout=20)
        _until(lambda: not any(map(_is_there, copies)))


def test_a_copy_ends_with_the_process_that_reads(tmp_path: Path, long_pbx: Simulator) -> None:
    long_pbx.set_fault(STALLED, after=_PAGES)
    with _sync(tmp_path, long_pbx) as process:
        reads, writes = _copies(process, long_pbx)
        os.kill(reads, signal.SIGKILL)
        _, err = process.communicate(timeout=20)
        _until(lambda: not _is_there(writes))
    assert "reading in another process: it was ended from outside" in err


def test_what_a_copy_cannot_read_is_told_as_without_one(tmp_path: Path, long_pbx: Simulator) -> None:
    long_pbx.set_fault("nested_property", after=_PAGES)
    ran = threecx("sync", folder=tmp_path, **settings_of(long_pbx))
    assert ran.code == 5
    assert "nested too deeply" in ran.err


def test_a_long_list_that_moves_is_read_again_with_a_new_copy(tmp_path: Path, long_pbx: Simulator) -> None:
    long_pbx.set_fault("count_changing", after=_PAGES, times=1)
    ran = threecx("sync", "--format", "json", folder=tmp_path, **settings_of(long_pbx))
    assert ran.code == 0, ran.err
    assert (json.loads(ran.out)["devices"], json.loads(ran.out)["walks"]) == (12_000, 2)


@pytest.fixture
def pbxs() -> Iterator[Simulator]:
    with Simulator({f"pbx{number}": Fleet(devices=number + 1, seed=number) for number in range(4)}) as simulator:
        yield simulator


def test_a_fleet_is_read_by_several_processes_in_the_order_of_its_settings(tmp_path: Path, pbxs: Simulator) -> None:
    ran = python("-c", FLEET, pbxs.base_url, "", folder=tmp_path)
    *devices, failed, children = ran.out.splitlines()
    assert devices == [f"pbx{number} {number + 1}" for number in range(4)], ran.err
    assert failed.startswith("pbx4 POST /connect/token: ")
    assert children == "2"


def test_when_one_of_several_is_killed_nothing_is_read(tmp_path: Path, pbxs: Simulator) -> None:
    ran = python("-c", FLEET, pbxs.base_url, "kill", folder=tmp_path)
    assert "reading in another process: it was ended from outside" in ran.err.splitlines()[-1]
    assert ran.out == ""


def test_pbxs_that_share_a_token_are_read_by_one_process(tmp_path: Path) -> None:
    one, other = "http://127.0.0.1:1", "http://127.0.0.1:2"
    config = config_of(
        tmp_path, {"a": one, "b": one, "c": one, "d": other, "e": one}, {"e": {"client_id": "another"}}, parallel=5
    )
    parts = _parts(config, 2)
    assert [list(part.pbxs) for part in parts] == [["a", "b", "c"], ["d", "e"]]
    assert [part.parallel for part in parts] == [2, 2]
    assert [list(part.pbxs) for part in _parts(config, 3)] == [["a", "b", "c"], ["d"], ["e"]]


@pytest.mark.parametrize("heard", [b"", pickle.dumps(["x" * 1000])[:100]])
def test_an_answer_that_breaks_off_is_told_as_one_that_never_came(heard: bytes) -> None:
    with pytest.raises(EndedError):
        Forked(0, io.BytesIO(), io.BytesIO(heard)).hear()
