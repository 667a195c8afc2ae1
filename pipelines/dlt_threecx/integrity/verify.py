"""Proof: replays the log of versions against the ledger, and names the first thing that disagrees.

For each PBX, in order of time: every version must hash to its row_version, every snapshot must add up to its
fingerprint and its counts, and every row of the ledger must be chained to the one before it. One pass; in memory are
the devices of one PBX. What it proves: nobody changed, removed or added a row without rewriting everything after it.
Whoever can rewrite the whole history is found out only by a chain head that was noted elsewhere (`--head`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from dlt_threecx.integrity.ledger import chained, version_part
from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, ROW_FORMAT, DeviceHash, canonical, fingerprint_part
from dlt_threecx.tables import CHANGES, DEVICE_COLUMNS, LEDGER, LOADS, VERSIONS, finished_loads

__all__ = ["Disagreement", "Log", "Verdict", "verify"]

_LEDGER_NAMES = tuple(column.name for column in LEDGER)
_VERSION_NAMES = tuple(column.name for column in VERSIONS)
_DEVICE_NAMES = tuple(column.name for column in DEVICE_COLUMNS)
_CHUNK = 5000
_SEALED = ("device_id", "change", "row_version", "tracked_version", "changed_fields")
_LOST_LOADS = f"""
    select load_id, status from {LOADS} where schema_name = 'threecx' and (
        status <> 0 or load_id not in (select _dlt_load_id from snapshots where _dlt_load_id is not null)
    ) order by load_id
"""  # noqa: S608  names of tables are constants

Row = Mapping[str, Any]


class Log(Protocol):
    """What is verified: the two tables, to read only."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Column names and rows."""


@dataclass(frozen=True)
class Disagreement:
    """What is not as it was written: the snapshot, and the device and field where that can be told."""

    snapshot_id: str | None
    what: str
    device_id: int | None = None
    field: str | None = None


@dataclass
class Verdict:
    """What a PBX's history is worth; `disagreement` is the first one, None when all agrees."""

    pbx: str
    attempts: int = 0
    snapshots: int = 0
    versions: int = 0
    devices: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    head: str | None = None
    disagreement: Disagreement | None = None
    heads: set[str] = field(default_factory=set, repr=False)
    """Every chain value, to look for one that was noted elsewhere."""


class _Broken(Exception):
    """Ends the replay of a PBX."""

    def __init__(self, snapshot_id: str, what: str, device_id: int | None = None) -> None:
        self.disagreement = Disagreement(snapshot_id, what, device_id)


def verify(
    log: Log,
    pbxs: Sequence[str] = (),
    *,
    until: datetime | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Iterator[Verdict]:
    """A verdict for each PBX (all, when none is named), as of `until`; `progress` hears how many versions are done."""
    names = [row[0] for row in log.rows("select distinct pbx from snapshots order by pbx")[1]]
    lost = next(log.rows(_LOST_LOADS)[1], None) if until is None else None
    if lost is not None and not names:
        names = [row[0] for row in log.rows("select distinct pbx from device_versions order by pbx")[1]] or ["?"]
    for name in names:
        if not pbxs or name in pbxs:
            verdict = _verdict(log, name, until, progress)
            if lost is not None and verdict.disagreement is None:
                what = "the ledger has no row of" if lost[1] == 0 else f"a status of {lost[1]} hides"
                what += f" load {lost[0]}, which was committed"
                verdict.disagreement = Disagreement(None, what)
            yield verdict


def _verdict(log: Log, pbx: str, until: datetime | None, progress: Callable[[str, int], None] | None) -> Verdict:
    verdict = Verdict(pbx)
    replay = _Replay(verdict)
    ledger = [row for row in _ledger(log, pbx) if until is None or (row["taken_at"] or row["started_at"]) <= until]
    versions = _Stream(_versions(log, pbx))
    chain: str | None = None
    try:
        for row in ledger:
            verdict.attempts += 1
            seal = replay.snapshot(row, versions.of(row["snapshot_id"])) if row["status"] == "complete" else 0
            chain = _linked(row, chain, seal)
            verdict.heads.add(chain)
            verdict.head = chain
            if progress is not None:
                progress(pbx, verdict.versions)
        if until is None and (left := versions.peek()) is not None:
            raise _Broken(
                left["snapshot_id"], "versions of a snapshot that the ledger does not have", left["device_id"]
            )
    except _Broken as broken:
        verdict.disagreement = _with_field(log, pbx, broken.disagreement)
    verdict.devices = len(replay.present)
    return verdict


def _linked(row: Row, chain: str | None, seal: int) -> str:
    """The chain up to this row of the ledger."""
    if chained(chain, row, seal) != row["chain"]:
        raise _Broken(
            row["snapshot_id"],
            "this row of the ledger or a version of its snapshot is not what was written, "
            "or a row before it is missing or was put in",
        )
    return str(row["chain"])


class _Replay:
    """The devices of a PBX, snapshot after snapshot."""

    def __init__(self, verdict: Verdict) -> None:
        self.present: dict[int, int] = {}
        self._gone: dict[int, int] = {}
        self._sum = 0
        self._verdict = verdict
        self._hash = DeviceHash(())

    def snapshot(self, row: Row, versions: Iterator[Row]) -> int:
        """Replays the versions of one complete snapshot; gives their seal."""
        snapshot_id, counts, seal, last = row["snapshot_id"], Counter[str](), 0, None
        while chunk := list(islice(versions, _CHUNK)):
            hashes = self._hashes(chunk, row["row_format"])
            for version, row_version in zip(chunk, hashes, strict=True):
                if version == last:
                    # A load that was repeated may have doubled a row; the views show it once.
                    continue
                last = version
                self._version(row, version, row_version)
                counts[version["change"]] += 1
                seal += version_part(*(version[name] for name in _SEALED))
        for name in CHANGES:
            if counts[name] != row[name]:
                raise _Broken(snapshot_id, f"the ledger says {row[name]} {name}, the log has {counts[name]}")
        if len(self.present) != row["devices"]:
            raise _Broken(snapshot_id, f"the ledger says {row['devices']} devices, the log has {len(self.present)}")
        if f"{self._sum % FINGERPRINT_MODULUS:032x}" != row["fingerprint"]:
            raise _Broken(snapshot_id, "the devices do not add up to the fingerprint of the snapshot")
        self._verdict.snapshots += 1
        self._verdict.versions += counts.total()
        self._verdict.first_at = self._verdict.first_at or row["taken_at"]
        self._verdict.last_at = row["taken_at"]
        return seal

    def _hashes(self, versions: Sequence[Row], row_format: int) -> list[str]:
        if row_format != ROW_FORMAT:
            # Written by another release: its hashes still bind the chain and the fingerprint.
            return [version["row_version"] for version in versions]
        return self._hash.of([[version[name] for version in versions] for name in _DEVICE_NAMES])[0]

    def _version(self, row: Row, version: Row, row_version: str) -> None:
        snapshot_id, device_id, change = row["snapshot_id"], version["device_id"], version["change"]
        if row_version != version["row_version"]:
            raise _Broken(snapshot_id, "the device's columns are not those that were read", device_id)
        if version["observed_at"] != row["taken_at"]:
            raise _Broken(snapshot_id, "observed_at is not the time of the snapshot", device_id)
        part = fingerprint_part(device_id, row_version)
        before = self.present.get(device_id)
        gone = self._gone.get(device_id)
        if not _fits(change, before, gone, part):
            raise _Broken(snapshot_id, f"'{change}' does not follow from the version before it", device_id)
        if before is not None:
            self._sum -= before
        if change == "removed":
            self._gone[device_id] = self.present.pop(device_id)
        else:
            self._gone.pop(device_id, None)
            self.present[device_id] = part
            self._sum += part


def _fits(change: str, before: int | None, gone: int | None, part: int) -> bool:
    """Whether a change may follow: `before` is the device when it is there, `gone` when it was removed."""
    if change == "added":
        return before is None and gone is None
    if change == "returned":
        return gone is not None
    if change == "removed":
        return before == part
    return before is not None


class _Stream:
    """Versions in order of snapshot, taken snapshot by snapshot."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def peek(self) -> Row | None:
        """The next version, if there is one."""
        return self._next

    def of(self, snapshot_id: str) -> Iterator[Row]:
        """The versions of a snapshot; earlier ones that nobody took belong to no row of the ledger."""
        if self._next is not None and self._next["snapshot_id"] < snapshot_id:
            raise _Broken(
                self._next["snapshot_id"],
                "versions of a snapshot that the ledger does not have",
                self._next["device_id"],
            )
        while self._next is not None and self._next["snapshot_id"] == snapshot_id:
            yield self._next
            self._next = next(self._rows, None)


def _ledger(log: Log, pbx: str) -> Iterator[Row]:
    """The committed rows of the ledger, in order of time, each once."""
    sql = f"""
        select distinct {", ".join(f"s.{name}" for name in _LEDGER_NAMES)} from snapshots s
        where s._dlt_load_id in {finished_loads("")} and s.pbx = ? order by s.snapshot_id
    """  # noqa: S608  names of columns are constants
    for values in log.rows(sql, [pbx])[1]:
        yield dict(zip(_LEDGER_NAMES, values, strict=True))


def _versions(log: Log, pbx: str) -> Iterator[Row]:
    """The versions that any view shows, in order of snapshot and device."""
    sql = f"""
        select {", ".join(f"v.{name}" for name in _VERSION_NAMES)} from device_versions v
        where v.pbx = ? and v.snapshot_id in (
            select s.snapshot_id from snapshots s
            where s._dlt_load_id in {finished_loads("")} and s.pbx = v.pbx and s.status = 'complete'
        ) order by v.snapshot_id, v.device_id
    """  # noqa: S608  names of columns are constants
    for values in log.rows(sql, [pbx])[1]:
        yield dict(zip(_VERSION_NAMES, values, strict=True))


def _with_field(log: Log, pbx: str, found: Disagreement) -> Disagreement:
    """Names the field too, where the versions beside the one that disagrees give it away."""
    if found.device_id is None:
        return found
    near = list(_device_versions(log, pbx, found.device_id))
    index = next((i for i, row in enumerate(near) if row["snapshot_id"] == found.snapshot_id), None)
    if index is None or "columns" not in found.what:
        return found
    for older, newer in ((index - 1, index), (index, index + 1)):
        if older < 0 or newer >= len(near) or near[newer]["change"] in ("added", "returned"):
            continue
        said = {name.split(".")[0] for name in json.loads(near[newer]["changed_fields"])}
        really = {n for n in _DEVICE_NAMES if canonical(near[older][n]) != canonical(near[newer][n])}
        if odd := sorted(said ^ really):
            return replace(found, field=odd[0])
    return found


def _device_versions(log: Log, pbx: str, device_id: int) -> Iterator[Row]:
    sql = f"""
        select {", ".join(_VERSION_NAMES)} from device_versions where pbx = ? and device_id = ? order by snapshot_id
    """  # noqa: S608  names of columns are constants
    for values in log.rows(sql, [pbx, device_id])[1]:
        yield dict(zip(_VERSION_NAMES, values, strict=True))
