"""The Python API: what a run and a history return, and that the calling program keeps what is its own."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import dlt_threecx
from dlt_threecx import (
    CredentialsError,
    ExitCode,
    PbxResult,
    ProtocolError,
    QueryError,
    RefusedError,
    Run,
    SettingsError,
    ThreecxError,
    UnreachableError,
    open_history,
    sync,
)
from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import python, settings_of
from tests.rig import Rig

RESULT = PbxResult(
    pbx="hq", status="complete", reason=None, detail=None, snapshot_id="1", taken_at=datetime(2026, 11, 3, tzinfo=UTC),
    devices=5, added=1, changed=0, removed=0, returned=0, refreshed=0, rebaselined=0, shape_changes=(),
    chain="ab" * 32, error=None,
)  # fmt: skip


def _failed(error: ThreecxError, pbx: str) -> PbxResult:
    return replace(RESULT, pbx=pbx, status="failed", reason=error.reason, error=error)


# names


def test_the_package_imports_nothing_before_it_is_asked(tmp_path: Path) -> None:
    ran = python(
        "-c", "import sys, dlt_threecx; print([m for m in sys.modules if m.startswith('dlt')])", folder=tmp_path
    )
    assert ran.out == "['dlt_threecx']\n"


def test_every_public_name_is_there_and_no_other(tmp_path: Path) -> None:
    assert all(getattr(dlt_threecx, name) for name in dlt_threecx.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load'"):
        dlt_threecx.load  # noqa: B018


def test_sync_stays_the_function_whatever_was_imported_before(tmp_path: Path) -> None:
    program = (
        "import dlt_threecx.run, dlt_threecx.cli.commands.sync\nfrom dlt_threecx import sync\nprint(sync.__module__)"
    )
    assert python("-c", program, folder=tmp_path).out == "dlt_threecx.api\n"


# a run


def test_a_run_has_the_highest_exit_code_and_raises_that_error() -> None:
    drifted, refused = ProtocolError("a", "b", "c"), RefusedError("d", "e", "f")
    run = Run((RESULT, _failed(drifted, "leeds"), _failed(refused, "bath")))
    assert run.exit_code is ExitCode.REFUSED
    with pytest.raises(RefusedError) as raised:
        run.raise_for_status()
    assert raised.value.__notes__ == ["2 of 3 PBXs failed: leeds (protocol), bath (refused)"]


def test_a_run_without_an_error_goes_on() -> None:
    run = Run((RESULT,))
    assert run.raise_for_status() is run
    assert (run.exit_code, RESULT.retryable) == (ExitCode.DONE, False)
    assert Run(()).exit_code is ExitCode.DONE


def test_a_result_says_what_to_do_next() -> None:
    unreachable = _failed(UnreachableError("a", "b", "c"), "hq")
    assert (unreachable.exit_code, unreachable.retryable) == (ExitCode.UNREACHABLE, True)
    with pytest.raises(FrozenInstanceError):
        unreachable.pbx = "leeds"  # type: ignore[misc]


def test_an_error_comes_whole_out_of_another_process() -> None:
    error = pickle.loads(pickle.dumps(CredentialsError("GET x", "HTTP 401.", "Check the key", status=401)))
    assert isinstance(error, CredentialsError)
    assert (str(error), error.asked, error.status) == ("GET x: HTTP 401. Check the key", "GET x", 401)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"project": "nowhere"}, "there is no such folder"),
        ({"accept": ["shrunk"], "because": "so"}, "there is no such guard. Did you mean 'shrink'?"),
        ({"accept": ["shrink"]}, "They need each other"),
        ({"because": "so"}, "They need each other"),
        ({}, "base_url"),
    ],
)
def test_wrong_arguments_are_settings_errors(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
        sync(**arguments)  # type: ignore[arg-type]


# a program that has more to do

PROGRAM = """
import dlt, json, logging, os, sys, threading
import duckdb

umask_now = lambda: (os.umask(0o027), os.umask(0o027))[0]
os.umask(0o027)
os.environ["DLT_PROJECT_DIR"] = sys.argv[1]
pipeline = dlt.pipeline("theirs", destination=dlt.destinations.duckdb("theirs.duckdb"))
pipeline.run([{"a": 1}], table_name="t")

def state():
    logger = logging.getLogger("dlt")
    context = dlt.current.run_context()
    return [
        dict(os.environ), os.umask(0o027), context.run_dir, id(context), logger.level, len(logger.handlers),
        dlt.config["mine"], dlt.current.pipeline().pipeline_name, os.getcwd(), len(threading.enumerate()),
    ]

before = state()
from dlt_threecx import open_history, sync

project, lake = sys.argv[2:]
runs = [sync(lake)]
with open_history(lake) as history:
    in_lake = history.devices().num_rows

seen, over = set(), threading.Event()
def watch():
    while not over.wait(0.01):
        seen.add((os.umask(0o027), len(os.environ), dlt.config["mine"]))
watching = threading.Thread(target=watch)
watching.start()
threads = [threading.Thread(target=lambda: runs.append(sync(project))) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
over.set()
watching.join()
pipeline.run([{"a": 2}], table_name="t")
with open_history(project) as history:
    attempts = history.sql("select count(*) as n from snapshots").to_pylist()
print(json.dumps({
    "same": state() == before,
    "seen": len(seen),
    "codes": [run.exit_code for run in runs],
    "added": sorted(run.results[0].added for run in runs[1:]),
    "in_lake": in_lake,
    "attempts": attempts,
    "theirs": duckdb.connect("theirs.duckdb").execute("select count(*) from theirs_dataset.t").fetchall(),
}))
"""


def test_a_program_that_uses_dlt_keeps_what_is_its_own_and_threads_take_turns(tmp_path: Path) -> None:
    theirs, project, lake, elsewhere = (tmp_path / name for name in ("theirs", "ours", "lake", "elsewhere"))
    for folder in (theirs, project, lake, elsewhere):
        (folder / ".dlt").mkdir(parents=True)
    (theirs / ".dlt" / "config.toml").write_text('mine = "theirs"\n[destination.filesystem]\nbucket_url = "wrong"\n')
    (project / ".dlt" / "config.toml").write_text("[sources.threecx]\nbusy_timeout_seconds = 0\n")
    (lake / ".dlt" / "config.toml").write_text(
        '[pipeline]\ndestination_name = "filesystem"\n[destination.filesystem]\nbucket_url = "files"\n'
    )
    with Simulator(Fleet(devices=4)) as pbx:
        ran = python("-c", PROGRAM, str(theirs), str(project), str(lake), folder=elsewhere, **settings_of(pbx))
    assert ran.code == 0, ran.err
    assert json.loads(ran.out.splitlines()[-1]) == {
        "same": True,
        "seen": 1,
        "codes": [0, 0, 0],
        "added": [0, 4],
        "in_lake": 4,
        "attempts": [{"n": 2}],
        "theirs": [[2]],
    }
    assert (lake / "files" / "threecx").is_dir()
    assert (project / "phones.duckdb").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in elsewhere.iterdir()) == [".dlt", "theirs.duckdb"]


# a history


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which two phones changed and one was removed since the first reading."""
    folder = tmp_path_factory.mktemp("history")
    fleet = Fleet(devices=8, seed=3)
    with Simulator(fleet) as simulator:
        rig = Rig(folder, fleet, simulator)
        rig.db = folder / "phones.duckdb"
        rig.sync()
        first, second, third = fleet.ids()[:3]
        fleet.update(first, {"Registrar": {"IpAddress": "10.0.0.1"}})
        fleet.update(second, {"DN": None})
        fleet.remove(third)
        rig.sync()
    return folder


def test_devices_are_those_of_now_or_of_a_time(project: Path) -> None:
    with open_history(project) as history:
        now = history.devices()
        assert isinstance(now, pa.Table)
        assert now.num_rows == 7
        assert now.schema.field("last_changed_at").type == pa.timestamp("us", "UTC")
        began = min(now["first_seen_at"].to_pylist())
        assert history.devices(at=began).num_rows == 8
        assert history.devices(at=began.isoformat()).num_rows == 8
        assert history.devices(at=began.replace(tzinfo=None)).num_rows == 8
        assert history.devices(at=began.date()).num_rows == 7
        assert history.devices(at=date(2020, 1, 1)).num_rows == 0
        assert history.devices(pbx=["leeds"]).num_rows == 0
        assert history.devices(at="0h", pbx=["default"]).num_rows == 7


def test_changes_begin_and_end_when_asked(project: Path) -> None:
    with open_history(project) as history:
        assert {"added", "changed", "removed"} == set(history.changes()["change"].to_pylist())
        assert history.changes(since=datetime.now(UTC) + timedelta(hours=1)).num_rows == 0
        assert history.changes(until="2020-01-01").num_rows == 0
        with pytest.raises(QueryError, match="'soon' is no time such as") as raised:
            history.changes(since="soon")
    assert raised.value.exit_code == 2


def test_findings_leave_out_what_is_waived(project: Path) -> None:
    waivers = project / ".dlt" / "waivers.toml"
    waivers.parent.mkdir(exist_ok=True)
    waivers.write_text('[[waiver]]\nrule = "no_dn"\nreason = "in the store"\n')
    with open_history(project) as history:
        waived = set(history.findings(waived=True)["rule"].to_pylist())
        assert set(history.findings()["rule"].to_pylist()) == waived - {"no_dn"} != waived


def test_sql_can_only_read(project: Path) -> None:
    with open_history(project) as history:
        assert history.sql("select count(*) as n from devices").to_pylist() == [{"n": 7}]
        for wrong in ("delete from snapshots", "select", ";"):
            with pytest.raises(QueryError):
                history.sql(wrong)


def test_verify_has_a_verdict_for_each_pbx(project: Path) -> None:
    with open_history(project) as history:
        (verdict,) = history.verify()
    assert (verdict.pbx, verdict.disagreement) == ("default", None)


def test_the_names_of_the_pbxs_are_those_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dlt_threecx.pbx_names(tmp_path) == []
    for name in ("LEEDS", "HQ"):
        monkeypatch.setenv(f"SOURCES__THREECX__PBX__{name}__BASE_URL", "https://pbx.example.com")
    assert dlt_threecx.pbx_names(tmp_path) == ["hq", "leeds"]


def test_a_history_that_is_not_there_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"), open_history(tmp_path):
        pass


def test_the_file_and_the_dataset_can_be_named(project: Path) -> None:
    os.chdir(project.parent)
    with open_history(project.name, db=project / "phones.duckdb", destination="duckdb", dataset="threecx") as history:
        assert history.devices().num_rows == 7
