"""`threecx evidence`: what is packed can be checked without this program, and every edit shows."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_threecx.cli.commands.evidence import evidence
from dlt_threecx.settings.config import load_config
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.errors import ExitCode, QueryError
from tests.rig import Rig

ODD_NAME = 'Zoë "Ω" \\ \u2028 😀\x7f, line\r\nline'
DAYS = 4

Bundle = dict[str, bytes]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Four days of two PBXs, with a removed phone and a refused attempt; a file of heads is kept."""
    fleets = {"hq": Fleet(devices=30, seed=5), "leeds": Fleet(devices=20, seed=6, shape="later")}
    hq = fleets["hq"]
    hq.update(hq.ids()[0], {"DN": {"Name": ODD_NAME}})
    with Simulator(fleets) as pbxs:
        rig = Rig(tmp_path_factory.mktemp("evidence"), hq, pbxs)
        rig.settings["heads_file"] = rig.project / "kept" / "heads.txt"
        rig.settings["fingerprint_key"] = "not a secret"
        for day in range(DAYS):
            for fleet in fleets.values():
                fleet.next_day()
            if day == 1:
                hq.remove(hq.ids()[1])
            rig.sync_all(clock_offset=timedelta(days=day - DAYS))
            if day == 2:
                rig.sync_all(filter="Id gt 20", clock_offset=timedelta(days=day - DAYS, hours=1))
        yield rig


def _packed(rig: Rig, *args: str, db: Path | None = None) -> Bundle:
    output = rig.project / "bundle.zip"
    code = evidence.main(["--db", str(db or rig.db), "--output", str(output), *args], standalone_mode=False)
    assert code == ExitCode.DONE
    return _unpacked(output)


def _unpacked(file: Path) -> Bundle:
    with zipfile.ZipFile(file) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


@pytest.fixture(scope="module")
def bundle(written: Rig) -> Bundle:
    return _packed(written)


def _table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _number(text: str) -> int:
    return int(_sha(text)[:32], 16)


def _by_hand(bundle: Bundle, folder: str) -> tuple[str, dict[str, str]]:
    """Chain head and devices of a PBX, by the words of README.txt and nothing else. Asserts steps 1 and 2."""
    types = {row["column"]: row["type"] for row in _table(bundle["columns.csv"])}
    read: dict[str, Callable[[str], Any]] = {"bigint": int, "bool": lambda text: {"true": True, "false": False}[text]}
    listed = {}
    for device in _table(bundle[f"{folder}/devices.csv"]):
        values = {name: read.get(types[name], str)(device[name]) for name in types if device[name]}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert _sha(text) == device["row_version"]
        listed[device["device_id"]] = device["row_version"]
    versions = defaultdict(list)
    for version in _table(bundle[f"{folder}/versions.csv"]):
        versions[version["snapshot_id"]].append(version)
    chain, there = "0" * 64, dict[str, str]()
    for line in _table(bundle[f"{folder}/ledger.csv"]):
        parts = []
        for one in versions[line["snapshot_id"]]:
            names = ("device_id", "change", "row_version", "tracked_version", "changed_fields")
            parts.append(_number(":".join(one[name] for name in names)))
            there[one["device_id"]] = one["row_version"]
            if one["change"] == "removed":
                del there[one["device_id"]]
        chain = _sha(f"{chain}{sum(parts) % 2**128:032x}{line['text']}")
        assert chain == line["chain"]
        row = json.loads(line["text"])
        if row["status"] == "complete":
            total = sum(_number(f"{device}:{version}") for device, version in there.items())
            assert row["fingerprint"] == f"{total % 2**128:032x}"
    assert there == listed
    return chain, listed


def test_the_bundle_can_be_checked_by_hand(written: Rig, bundle: Bundle) -> None:
    for row in _table(bundle["heads.csv"]):
        chain, devices = _by_hand(bundle, row["folder"])
        assert chain == row["head"]
        [expected] = written.rows(
            "select count(*) as devices, (select arg_max(chain, snapshot_id) from phones.threecx.snapshots"
            " where pbx = $1) as head from phones.threecx.devices where pbx = $1",
            row["pbx"],
        )
        assert expected == {"devices": len(devices), "head": chain}


def test_the_list_has_every_value_as_it_was_read(written: Rig, bundle: Bundle) -> None:
    devices = {int(row["device_id"]): row for row in _table(bundle["hq/devices.csv"])}
    for row in written.rows("select * from phones.threecx.devices where pbx = 'hq'"):
        assert devices[row["device_id"]]["dn_name"] == (row["dn_name"] or "")
        assert devices[row["device_id"]]["mac"] == (row["mac"] or "")
    assert ODD_NAME in [row["dn_name"] for row in devices.values()]


def test_the_reading_and_the_verdict_are_told(bundle: Bundle) -> None:
    reading = json.loads(bundle["hq/reading.json"])
    assert reading["devices"] == reading["reported_count"] == len(_table(bundle["hq/devices.csv"]))
    assert {"taken_at", "pages", "walks", "consistency", "fingerprint"} <= reading.keys()
    text = bundle["README.txt"].decode()
    assert f"hq: nothing was edited. {DAYS + 1} attempts, {DAYS} complete" in text
    assert f"{reading['devices']} devices, the PBX counted {reading['reported_count']}" in text


def test_the_list_of_an_earlier_time_ends_there(written: Rig) -> None:
    bundle = _packed(written, "--at", "2d")
    row = next(row for row in _table(bundle["heads.csv"]) if row["pbx"] == "hq")
    chain, devices = _by_hand(bundle, row["folder"])
    assert chain == row["head"]
    [then] = written.rows(
        "select devices, chain from phones.threecx.snapshots where pbx = 'hq' and taken_at < now() - interval 2 days"
        " order by snapshot_id desc limit 1"
    )
    assert then == {"devices": len(devices), "chain": chain}


def test_a_bundle_of_one_pbx_has_no_other(written: Rig) -> None:
    bundle = _packed(written, "--pbx", "leeds")
    assert {name.split("/")[0] for name in bundle if "/" in name} == {"leeds"}
    assert not any(b"hq" in content for content in bundle.values())


def _checked(folder: Path, bundle: Bundle) -> subprocess.CompletedProcess[str]:
    """Runs check.py of the bundle, with Python's standard library only."""
    for name, content in bundle.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return subprocess.run(
        [sys.executable, "-I", "-S", "check.py"], cwd=folder, capture_output=True, encoding="utf-8", timeout=60
    )


def test_its_own_script_agrees(tmp_path: Path, bundle: Bundle) -> None:
    ran = _checked(tmp_path, bundle)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.split(":")[0] for line in ran.stdout.splitlines()] == ["hq", "leeds"]


def _with_sums(bundle: Bundle) -> Bundle:
    sums = {name: hashlib.sha256(bundle[name]).hexdigest() for name in sorted(bundle) if name != "SHA256SUMS"}
    return bundle | {"SHA256SUMS": "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()}


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("hq/devices.csv", b'"Yealink"', b'"Snom"', "these columns were not read so"),
        ("hq/versions.csv", b'"changed"', b'"refreshed"', "it, its versions or a line before it were changed"),
        ("hq/ledger.csv", b'""walks"":1', b'""walks"":2', "it, its versions or a line before it were changed"),
    ],
)
def test_an_edit_shows_even_when_the_sums_are_made_again(
    tmp_path: Path, bundle: Bundle, file: str, old: bytes, new: bytes, told: str
) -> None:
    assert old in bundle[file]
    edited = bundle | {file: bundle[file].replace(old, new, 1)}
    assert f"SHA256SUMS: {file}" in _checked(tmp_path, edited).stdout
    ran = _checked(tmp_path, _with_sums(edited))
    assert ran.returncode == 1
    assert told in ran.stdout


@pytest.mark.parametrize("file", ["hq/devices.csv", "hq/versions.csv", "hq/ledger.csv"])
def test_a_line_that_was_cut_off_shows(tmp_path: Path, bundle: Bundle, file: str) -> None:
    lines = bundle[file].rsplit(b'\r\n"', 1)[0] + b"\r\n"
    ran = _checked(tmp_path, _with_sums(bundle | {file: lines}))
    assert ran.returncode == 1


def test_an_edited_history_is_packed_with_its_verdict(written: Rig, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(written.db.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute("update threecx.device_versions set model = 'X' where pbx = 'hq'")
    output = tmp_path / "bundle.zip"
    code = evidence.main(["--db", str(copy), "--output", str(output)], standalone_mode=False)
    assert code == ExitCode.NOT_PROVEN
    bundle = _unpacked(output)
    assert "hq: NOT AS IT WAS WRITTEN. " in bundle["README.txt"].decode()
    assert "leeds: nothing was edited. " in bundle["README.txt"].decode()
    assert _checked(tmp_path, bundle).returncode == 1


def test_before_the_first_reading_there_is_nothing_to_pack(written: Rig) -> None:
    with pytest.raises(QueryError, match="the history begins on"):
        _packed(written, "--at", "365d")


def test_an_unknown_pbx_is_named(written: Rig) -> None:
    with pytest.raises(QueryError, match="PBX 'hg'"):
        _packed(written, "--pbx", "hg")


def test_every_head_is_in_the_file_of_heads(written: Rig) -> None:
    lines = (written.project / "kept" / "heads.txt").read_text(encoding="utf-8").splitlines()
    expected = {(row["pbx"], row["snapshot_id"], row["chain"]) for row in written.ledger()}
    assert {tuple(line.split()[1:]) for line in lines} == expected
    assert len(lines) == len(expected) == 2 * (DAYS + 1)


def test_a_file_of_heads_that_cannot_be_written_stops_no_run(synced: Rig, caplog: pytest.LogCaptureFixture) -> None:
    (synced.project / "full").write_text("a file, not a folder", encoding="utf-8")
    assert synced.sync(heads_file=synced.project / "full" / "heads.txt").row.status == "complete"
    assert "The heads of this run are not in it" in caplog.text


def test_the_file_of_heads_is_a_setting(tmp_path: Path) -> None:
    environ = {"BASE_URL": "https://pbx.example.com", "ACCESS_TOKEN": "x", "HEADS_FILE": "heads.txt"}
    config = load_config(tmp_path, {f"SOURCES__THREECX__{name}": value for name, value in environ.items()})
    assert config.run.heads_file == tmp_path / "heads.txt"
