"""`verify` over a small history of literal rows: every word of a verdict, and what each edit comes out as."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from dlt_threecx.archive.archive import archive_history
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.integrity.ledger import Head, LedgerRow, chained, version_part
from dlt_threecx.integrity.row_hash import ROW_FORMAT, DeviceHash, fingerprint_part
from dlt_threecx.integrity.runs import run_root, run_seal
from dlt_threecx.integrity.verdict import Disagreement, Verdict
from dlt_threecx.integrity.verify import verify
from dlt_threecx.tables import DEVICE_COLUMNS, LEDGER, VERSIONS
from tests.literal import empty_history

NAMES = tuple(column.name for column in DEVICE_COLUMNS)
FIRST = datetime(2025, 11, 1, 6, tzinfo=UTC)
READING = timedelta(minutes=1)
"""From the beginning of a run to the end of its reading."""
Devices = Mapping[int, Mapping[str, Any]]

BACK = {"mac": "c", "dn_name": "Desk"}
RUNS: Sequence[Mapping[str, Devices | str]] = (
    {"hq": {1: {"mac": "a", "online": True}, 2: {"mac": "b"}, 3: {"mac": "c"}}, "leeds": {1: {"mac": "z"}}},
    {"hq": {1: {"mac": "a", "online": False}, 2: {"mac": "b2", "vendor": "Yealink"}}, "leeds": "failed"},
    {"hq": "refused"},
    {"hq": {1: {"mac": "a", "online": False}, 2: {"mac": "b3", "vendor": "Snom"}, 3: BACK}, "leeds": {}},
    {
        "hq": {
            1: {"mac": "a", "online": False},
            2: {"mac": "b4", "vendor": "Snom"},
            3: {**BACK, "mac": "c2", "extra": '{"Colour": 1}'},
        }
    },
)
"""Run after run: PBX → its devices, or why it had none. Device 3 of hq goes and comes back."""


class Past:
    """The history of RUNS in memory."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._devices: dict[str, Devices] = {}
        self._ever: dict[str, set[int]] = {}
        self._chains: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self.ids: list[dict[str, str]] = []
        for number, of_pbxs in enumerate(RUNS):
            self._write(number, of_pbxs)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        return [], iter(self.connection.execute(sql, list(params)).fetchall())

    def verdicts(self, **options: Any) -> dict[str, Verdict]:
        return {verdict.pbx: verdict for verdict in verify(self, **options)}

    def chain(self, pbx: str, number: int) -> str:
        """The chain of a PBX in one run."""
        [(chain,)] = self.connection.execute(
            "select chain from snapshots where snapshot_id = ?", [self.ids[number][pbx]]
        ).fetchall()
        return str(chain)

    def insert(self, table: str, values: Mapping[str, Any]) -> None:
        marks = ", ".join("?" for _ in values)
        names = ", ".join(f'"{name}"' for name in values)
        self.connection.execute(f"insert into {table} ({names}) values ({marks})", list(values.values()))

    @contextmanager
    def edited(self, *statements: str) -> Iterator[None]:
        """What is edited inside is undone."""
        self.connection.begin()
        try:
            for statement in statements:
                self.connection.execute(statement)
            yield
        finally:
            self.connection.rollback()

    def _write(self, number: int, of_pbxs: Mapping[str, Devices | str]) -> None:
        at = FIRST + timedelta(days=number)
        ids = {pbx: f"{at:%Y%m%dT%H%M%S}.000000Z-{pbx}" for pbx in of_pbxs}
        root = run_root(self._last, ids.items())
        heads = []
        for pbx, devices in of_pbxs.items():
            row = LedgerRow(
                pbx=pbx,
                snapshot_id=ids[pbx],
                base_url=f"https://{pbx}.example.com",
                status="complete",
                started_at=at,
                previous_root=",".join(self._last) or None,
                root=root,
            )
            values, seal = row.values() | {"status": devices}, 0
            if not isinstance(devices, str):
                values, seal = self._snapshot(row, at + READING, devices)
            values["chain"] = self._chains[pbx] = chained(self._chains.get(pbx), values, seal)
            heads.append((pbx, values["chain"]))
            self.insert("snapshots", {**values, "_dlt_load_id": str(number), "_dlt_id": str(number)})
        self.insert("_dlt_loads", {"load_id": str(number), "schema_name": "threecx", "status": 0, "inserted_at": at})
        self._last = {root: run_seal(heads)}
        self.ids.append(ids)

    def _snapshot(self, row: LedgerRow, at: datetime, devices: Devices) -> tuple[dict[str, Any], int]:
        before, ever = self._devices.get(row.pbx, {}), self._ever.setdefault(row.pbx, set())
        counts: dict[str, int] = dict.fromkeys(
            ("added", "changed", "removed", "returned", "refreshed", "rebaselined"), 0
        )
        seal = 0
        for device_id in sorted({*before, *devices}):
            old, new = before.get(device_id), devices.get(device_id)
            if old == new:
                continue
            columns = new or old or {}
            fields = sorted(name for name in NAMES if old and new and old.get(name) != new.get(name))
            fields = [f"{name}.Colour" if name == "extra" else name for name in fields]
            change = "removed" if not new else "changed" if old else "returned" if device_id in ever else "added"
            change = "refreshed" if fields == ["online"] else change
            [hashed], [tracked] = DeviceHash(["online"]).of([[columns.get(name)] for name in NAMES])
            version = {
                "pbx": row.pbx, "device_id": device_id, "snapshot_id": row.snapshot_id, "observed_at": at,
                "change": change, "row_version": hashed, "tracked_version": tracked,
                "changed_fields": json.dumps(fields), **columns,
            }  # fmt: skip
            self.insert("device_versions", version)
            seal += version_part(device_id, change, hashed, tracked, version["changed_fields"])
            counts[change] += 1
        hashes = {key: DeviceHash([]).of([[columns.get(n)] for n in NAMES])[0][0] for key, columns in devices.items()}
        total = sum(fingerprint_part(device_id, hashed) for device_id, hashed in hashes.items()) % 2**128
        self._devices[row.pbx] = devices
        ever.update(devices)
        found = {"taken_at": at, "devices": len(devices), "row_format": ROW_FORMAT, "fingerprint": f"{total:032x}"}
        return row.values() | counts | found, seal


@pytest.fixture(scope="module")
def past() -> Iterator[Past]:
    with _tables(":memory:") as connection:
        yield Past(connection)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """The same history in a file; its first three runs are in an archive."""
    location = HistoryLocation(tmp_path_factory.mktemp("joined") / "phones.duckdb")
    location = replace(location, project=location.db.parent)
    with _tables(str(location.db)) as connection:
        past = Past(connection)
    archive_history(location, location.db.with_name("old.duckdb"), FIRST + timedelta(days=2, hours=1), 1)
    with duckdb.connect(str(location.db)) as connection:
        connection.execute("use phones.threecx")
        connection.execute("set TimeZone = 'UTC'")
        past.connection = connection
        yield past


def _tables(db: str) -> duckdb.DuckDBPyConnection:
    connection = empty_history(db)
    connection.execute("alter table _dlt_loads add column inserted_at timestamptz")
    connection.execute("alter table _dlt_loads add column schema_version_hash varchar")
    return connection


def _id(past: Past, number: int, pbx: str = "hq") -> str:
    return past.ids[number][pbx]


def test_a_verdict_says_how_much_was_verified(past: Past) -> None:
    heads = {pbx: [past.chain(pbx, n) for n, run in enumerate(RUNS) if pbx in run] for pbx in ("hq", "leeds")}
    first, fourth, last = (FIRST + READING + timedelta(days=days) for days in (0, 3, 4))
    assert past.verdicts() == {
        "hq": Verdict("hq", 5, 4, 10, 3, first, last, heads["hq"][-1], None, set(heads["hq"])),
        "leeds": Verdict("leeds", 3, 2, 2, 0, first, fourth, heads["leeds"][-1], None, set(heads["leeds"])),
    }


def test_only_the_pbxs_that_are_named_are_verified(past: Past) -> None:
    assert list(past.verdicts(pbxs=["leeds"])) == ["leeds"]


def test_a_verdict_up_to_a_time_leaves_out_what_came_later(past: Past) -> None:
    for last in (FIRST + timedelta(days=2), FIRST + timedelta(days=3)):
        found = past.verdicts(until=last)["hq"]
        assert (found.attempts, found.snapshots, found.versions, found.devices) == (3, 2, 6, 2)
        assert found.head == past.chain("hq", 2)
    assert past.verdicts(until=FIRST + timedelta(days=3) + READING)["hq"].attempts == 4
    assert past.verdicts(until=FIRST)["hq"] == Verdict("hq")
    later = f"update snapshots set devices = 9 where snapshot_id = '{_id(past, 4)}'"
    with past.edited(later):
        assert past.verdicts(until=FIRST + timedelta(days=3) + READING)["hq"].disagreement is None


def test_progress_hears_of_each_attempt(past: Past) -> None:
    heard: list[tuple[str, int]] = []
    past.verdicts(progress=lambda pbx, versions: heard.append((pbx, versions)))
    assert heard == [
        *(("hq", 3), ("hq", 6), ("hq", 6), ("hq", 8), ("hq", 10)),
        *(("leeds", 1), ("leeds", 1), ("leeds", 2)),
    ]


def test_a_head_that_the_folder_remembers_has_to_be_there(past: Past) -> None:
    known = Head("hq", _id(past, 1), past.chain("hq", 1))
    lost = Head("hq", "20251109T060000.000000Z-hq", "f" * 64)
    elsewhere = Head("bath", "20251109T060000.000000Z-bath", "f" * 64)
    assert past.verdicts(remembered=known)["hq"].disagreement is None
    found = past.verdicts(remembered=lost)
    assert found["leeds"].disagreement is None
    assert found["hq"].disagreement == Disagreement(
        lost.snapshot_id,
        "a sync from this folder loaded this snapshot, and the ledger no longer has it: the end was cut off, or a "
        "backup was restored",
    )
    assert past.verdicts(remembered=lost, until=FIRST + timedelta(days=9))["hq"].disagreement is None
    assert past.verdicts(remembered=elsewhere)["bath"].disagreement is not None
    assert past.verdicts(remembered=elsewhere, pbxs=["bath"])["bath"].disagreement is not None
    assert "bath" not in past.verdicts(remembered=elsewhere, pbxs=["hq"])
    assert "bath" not in past.verdicts(remembered=elsewhere, until=FIRST + timedelta(days=9))


@pytest.mark.parametrize(
    ("rows", "together"),
    [
        (8, [["hq", "leeds", "bath"]]),
        (7, [["hq"], ["leeds", "bath"]]),
        (3, [["hq"], ["leeds", "bath"]]),
        (2, [["hq"], ["leeds"], ["bath"]]),
    ],
)
def test_pbxs_are_read_together_up_to_a_number_of_rows(
    past: Past, monkeypatch: pytest.MonkeyPatch, rows: int, together: list[list[str]]
) -> None:
    monkeypatch.setattr("dlt_threecx.integrity.verify._LEDGER_ROWS", rows)
    expected, elsewhere = past.verdicts(), Head("bath", "20251109T060000.000000Z-bath", "f" * 64)
    asked: list[list[str]] = []

    class Heard:
        def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
            if "order by s.pbx, s.snapshot_id" in sql:
                asked.append(list(params))
            return past.rows(sql, params)

    found = {verdict.pbx: verdict for verdict in verify(Heard(), remembered=elsewhere)}
    assert asked == together
    assert {name: found[name] for name in expected} == expected


COLUMNS = "the device's columns are not those that were read"
CHAIN = (
    "this row of the ledger or a version of its snapshot is not what was written, or a row before it is missing or was "
    "put in"
)
RUN = "a row of this run or of the run before it is missing in the ledger, was changed or was put in"
OF_2 = "where pbx = 'hq' and device_id = 2 and snapshot_id = '{1}'"
OF_2_AT_LAST = OF_2.replace("{1}", "{4}")
EDITS: dict[str, tuple[str, tuple[int, str, int | None, str | None]]] = {
    "a value": (f"update device_versions set model = 'x' {OF_2}", (1, COLUMNS, 2, "model")),
    "two values": (f"update device_versions set model = 'x', dn_name = 'x' {OF_2}", (1, COLUMNS, 2, "dn_name")),
    "a value that changed before and after": (
        f"update device_versions set vendor = 'x' {OF_2}", (1, COLUMNS, 2, None),
    ),
    "a value that changed before and after, and another one later": (
        f"update device_versions set vendor = 'x' {OF_2}; update device_versions set dn_name = 'x' {OF_2_AT_LAST}",
        (1, COLUMNS, 2, None),
    ),
    "a value of the last version": (
        f"update device_versions set vendor = 'x' {OF_2_AT_LAST}", (4, COLUMNS, 2, "vendor"),
    ),
    "a value of the first version": (
        f"update device_versions set dn_name = 'x' {OF_2.replace('{1}', '{0}')}", (0, COLUMNS, 2, "dn_name"),
    ),
    "a value of a version that came back": (
        "update device_versions set model = 'x' where pbx = 'hq' and device_id = 3 and snapshot_id = '{3}'",
        (3, COLUMNS, 3, "model"),
    ),
    "a value beside a field in extra": (
        "update device_versions set model = 'x' where pbx = 'hq' and device_id = 3 and snapshot_id = '{4}'",
        (4, COLUMNS, 3, "model"),
    ),
    "a value and what is said to have changed": (
        f"update device_versions set dn_name = 'x', changed_fields = '[\"dn_name\", \"mac\", \"vendor\"]' {OF_2}",
        (1, COLUMNS, 2, "dn_name"),
    ),
    "a time": (
        f"update device_versions set observed_at = observed_at + interval 1 second {OF_2}",
        (1, "observed_at is not the time of the snapshot", 2, None),
    ),
    "a change that cannot be: added twice": (
        f"update device_versions set change = 'added' {OF_2}",
        (1, "'added' does not follow from the version before it", 2, None),
    ),
    "a change that cannot be: returned before it went": (
        f"update device_versions set change = 'returned' {OF_2}",
        (1, "'returned' does not follow from the version before it", 2, None),
    ),
    "a change that cannot be: removed as another": (
        f"update device_versions set change = 'removed' {OF_2}",
        (1, "'removed' does not follow from the version before it", 2, None),
    ),
    "a change that cannot be: changed before it came": (
        "update device_versions set change = 'changed' where pbx = 'hq' and device_id = 3 and snapshot_id = '{0}'",
        (0, "'changed' does not follow from the version before it", 3, None),
    ),
    "a change that cannot be: added after it went": (
        "update device_versions set change = 'added' where pbx = 'hq' and device_id = 3 and snapshot_id = '{3}'",
        (3, "'added' does not follow from the version before it", 3, None),
    ),
    "a change that cannot be: returned twice": (
        "update device_versions set change = 'returned' where pbx = 'hq' and device_id = 3 and snapshot_id = '{4}'",
        (4, "'returned' does not follow from the version before it", 3, None),
    ),
    "a change that cannot be: changed while it was gone": (
        "update device_versions set change = 'changed' where pbx = 'hq' and device_id = 3 and snapshot_id = '{3}'",
        (3, "'changed' does not follow from the version before it", 3, None),
    ),
    "another kind of change": (
        f"update device_versions set change = 'rebaselined' {OF_2}",
        (1, "the ledger says 1 changed, the log has 0", None, None),
    ),
    "a version less": (
        f"delete from device_versions {OF_2}", (1, "the ledger says 1 changed, the log has 0", None, None),
    ),
    "a count of devices": (
        "update snapshots set devices = 4 where snapshot_id = '{0}'",
        (0, "the ledger says 4 devices, the log has 3", None, None),
    ),
    "a fingerprint": (
        "update snapshots set fingerprint = repeat('0', 32) where snapshot_id = '{1}'",
        (1, "the devices do not add up to the fingerprint of the snapshot", None, None),
    ),
    "what is said to have changed": (
        f"update device_versions set changed_fields = '[\"mac\"]' {OF_2}", (1, CHAIN, None, None),
    ),
    "an address": ("update snapshots set base_url = 'x' where snapshot_id = '{2}'", (2, CHAIN, None, None)),
    "a head": ("update snapshots set chain = repeat('0', 64) where snapshot_id = '{4}'", (4, CHAIN, None, None)),
    "an attempt less": ("delete from snapshots where snapshot_id = '{2}'", (3, CHAIN, None, None)),
}  # fmt: skip
"""Statement, with the snapshots of hq in braces → run, words, device and field of the disagreement."""


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_named_where_it_is(past: Past, name: str) -> None:
    statement, (number, what, device_id, field) = EDITS[name]
    with past.edited(statement.format(*(_id(past, n) for n in range(5)))):
        found = past.verdicts()
    assert found["hq"].disagreement == Disagreement(_id(past, number), what, device_id, field)


def test_an_edit_of_one_pbx_says_nothing_of_another(past: Past) -> None:
    expected = past.verdicts()["leeds"]
    with past.edited("update device_versions set observed_at = null where pbx = 'hq'"):
        assert past.verdicts()["leeds"] == expected


def test_versions_of_a_refused_snapshot_are_a_disagreement(past: Past) -> None:
    refused = _id(past, 2)
    with past.edited(f"insert into device_versions (pbx, device_id, snapshot_id) values ('hq', 1, '{refused}')"):
        found = past.verdicts()["hq"].disagreement
        assert past.verdicts(until=FIRST + timedelta(days=9))["hq"].disagreement is None
    assert found == Disagreement(refused, "this snapshot was refused, but the log has versions of it")


def test_rows_that_are_there_twice_count_once(past: Past) -> None:
    expected = past.verdicts()
    twice = [f"insert into {table} from {table}" for table in ("device_versions", "snapshots", "_dlt_loads")]
    edit = f"update device_versions set vendor = 'x' {OF_2.format(*(_id(past, n) for n in range(2)))}"
    with past.edited(*twice):
        assert past.verdicts() == expected
        past.connection.execute(edit)
        assert past.verdicts()["hq"].disagreement == Disagreement(_id(past, 1), COLUMNS, 2)


def test_another_row_format_is_not_hashed(past: Past) -> None:
    names = [column.name for column in VERSIONS]
    assert "vendor" in names
    with past.edited(
        f"update snapshots set row_format = {ROW_FORMAT + 1} where snapshot_id = '{_id(past, 4)}'",
        f"update device_versions set vendor = 'x' where snapshot_id = '{_id(past, 4)}'",
    ):
        assert past.verdicts()["hq"].disagreement == Disagreement(_id(past, 4), CHAIN)


def test_what_is_wrong_with_a_run_is_told_of_every_pbx(past: Past) -> None:
    with past.edited("update _dlt_loads set status = 1 where load_id = '4'"):
        found = past.verdicts()
    assert {verdict.disagreement and verdict.disagreement.what for verdict in found.values()} == {
        "its load 4 has status 1 and schema threecx"
    }
    with past.edited("delete from _dlt_loads where load_id = '4'"):
        lost = past.verdicts()["leeds"].disagreement
        assert past.verdicts(unfinished=[_id(past, 4)])["leeds"].disagreement is None
    assert lost is not None
    assert lost.snapshot_id == _id(past, 4)
    assert lost.what.startswith("the ledger has this snapshot, and _dlt_loads has no load of it: a sync is loading")
    assert lost.do.startswith("Run threecx sync, then verify again")
    with past.edited("delete from snapshots where pbx = 'leeds'", "delete from device_versions where pbx = 'leeds'"):
        wrong = past.verdicts()["hq"].disagreement
    assert wrong == Disagreement(_id(past, 0), RUN)


def test_an_emptied_history_is_a_disagreement_of_somebody(past: Past) -> None:
    with past.edited("truncate snapshots"):
        assert set(past.verdicts()) == {"hq", "leeds"}
        assert all(verdict.disagreement for verdict in past.verdicts().values())
        assert past.verdicts(pbxs=["hq"]) == {}
    with past.edited("truncate snapshots", "truncate device_versions"):
        assert set(past.verdicts()) == {"?"}
    with past.edited("truncate snapshots", "truncate device_versions", "truncate _dlt_loads"):
        assert past.verdicts() == {}


# after an archive

JOIN_ID = "20251103T060000.000000Z-hq-join"
KEPT = "what stayed here of the time before the archive is not what was left"
JOIN = "a join of this archive is missing, was changed or was put in"
WRITTEN = "this row of the ledger is not what was written"
AFTER_JOIN = {
    "a kept version less": ("delete from device_versions where device_id = 3 and change = 'removed'", JOIN_ID, KEPT),
    "a kept change": ("update device_versions set changed_fields = '[]' where change = 'changed'", JOIN_ID, KEPT),
    "a kept attempt": ("update snapshots set base_url = 'x' where snapshot_id = '{2}'", JOIN_ID, KEPT),
    "a join without words": ("update snapshots set detail = '{{}}' where status = 'join'", JOIN_ID, WRITTEN),
    "a join that is no JSON": ("update snapshots set detail = 'x' where status = 'join'", JOIN_ID, WRITTEN),
    "a join with other devices": (
        "update snapshots set devices = 7 where status = 'join'", JOIN_ID, "the join says 7 devices, the log has 2",
    ),
    "a join with another fingerprint": (
        "update snapshots set fingerprint = repeat('0', 32) where status = 'join'",
        JOIN_ID, "the devices before the join do not add up to its fingerprint",
    ),
    "a join with another head": (
        "update snapshots set chain = repeat('0', 64) where status = 'join'", "{3}", CHAIN,
    ),
    "a join of another PBX less": ("delete from snapshots where status = 'join' and pbx = 'leeds'", JOIN_ID, JOIN),
    "the chain after it": ("update snapshots set page_size = 3 where snapshot_id = '{3}'", "{3}", CHAIN),
    "the time of a kept version": (
        "update device_versions set observed_at = observed_at + interval 1 second where snapshot_id = '{1}'",
        "{1}", "observed_at is not the time of the snapshot",
    ),
    "a value of a kept version": (
        "update device_versions set dn_name = 'x' where snapshot_id = '{1}' and device_id = 2", "{1}", COLUMNS,
    ),
}  # fmt: skip
"""Statement → snapshot and words of the disagreement; in braces the snapshots of hq."""


def test_a_history_begins_at_its_join(joined: Past) -> None:
    found = joined.verdicts()
    hq, leeds = found["hq"], found["leeds"]
    assert (hq.disagreement, leeds.disagreement) == (None, None)
    assert (hq.attempts, hq.snapshots, hq.versions, hq.devices) == (2, 2, 4 + 4, 3)
    assert (hq.first_at, hq.last_at) == (FIRST + timedelta(days=2), FIRST + timedelta(days=4) + READING)
    assert hq.begins is not None
    assert (hq.begins.snapshot_id, hq.begins.archived.archive) == (JOIN_ID, "old.duckdb")
    assert (hq.begins.archived.attempts, hq.begins.archived.versions) == (3, 6)
    assert hq.begins.head in hq.heads
    assert len(hq.heads) == 3
    assert leeds.begins is not None
    assert (leeds.attempts, leeds.devices) == (1, 0)


def test_a_head_from_before_the_join_need_not_be_there(joined: Past) -> None:
    old = Head("hq", "20251101T060000.000000Z-hq", "f" * 64)
    assert joined.verdicts(remembered=old)["hq"].disagreement is None
    lost = Head("hq", "20251104T070000.000000Z-hq", "f" * 64)
    assert joined.verdicts(remembered=lost)["hq"].disagreement is not None
    assert joined.verdicts(remembered=Head("hq", JOIN_ID, "f" * 64))["hq"].disagreement is not None


@pytest.mark.parametrize("name", AFTER_JOIN)
def test_an_edit_of_what_stayed_is_named(joined: Past, name: str) -> None:
    statement, where, what = AFTER_JOIN[name]
    ids = [_id(joined, n) for n in range(5)]
    with joined.edited(statement.format(*ids)):
        found = joined.verdicts()["hq"].disagreement
    assert found is not None
    assert (found.snapshot_id, found.what) == (where.format(*ids), what)


def test_an_archive_has_to_end_where_the_history_goes_on(past: Past, joined: Past) -> None:
    names = [column.name for column in LEDGER]
    joins = joined.rows(f"select {', '.join(names)} from snapshots where status = 'join'")[1]
    with past.edited():
        for row in joins:
            join = dict(zip(names, row, strict=True))
            past.insert("snapshots", {**join, "status": "joined", "_dlt_load_id": "2"})
        found = past.verdicts()["hq"]
        assert (found.disagreement, found.attempts, [join.snapshot_id for join in found.joins]) == (None, 5, [JOIN_ID])
        for edit, what in (
            ("devices = 9", "the join says 9 devices, the log has 2"),
            ("chain = 'x'", "the archive does not end with the row that the history goes on from"),
        ):
            past.connection.execute(f"update snapshots set {edit} where status = 'joined'")
            assert past.verdicts()["hq"].disagreement == Disagreement(JOIN_ID, what)
