"""Replays the log of versions against the ledger, and names the first thing that disagrees.

For each PBX, in order of time: every version must hash to its row_version, every snapshot must add up to its
fingerprint and its counts, and every row of the ledger must be chained to the one before it. Over all PBXs, every run
must be bound to the run before it, and loads and ledger must agree (`runs`). In memory are the devices and the ledger
of some PBXs. What it proves: nobody changed, removed or added a row without rewriting everything after it. Whoever
rewrites the whole history is only found out by a chain head that was noted elsewhere: by `--head`, or by the head that
the work folder of a sync remembers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from dlt_threecx.integrity.ledger import Head, chained, version_part
from dlt_threecx.integrity.log import Disagreement, Log
from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, ROW_FORMAT, DeviceHash, canonical, fingerprint_part
from dlt_threecx.integrity.runs import run_disagreement
from dlt_threecx.tables import CHANGES, DEVICE_COLUMNS, LEDGER, VERSIONS, finished_loads

__all__ = ["Disagreement", "Log", "Verdict", "verify"]

_LEDGER_NAMES = tuple(column.name for column in LEDGER)
_VERSION_NAMES = tuple(column.name for column in VERSIONS)
_DEVICE_NAMES = tuple(column.name for column in DEVICE_COLUMNS)
_SEALED = ("device_id", "change", "row_version", "tracked_version", "changed_fields")
_REPLAYED = ("pbx", "snapshot_id", *_SEALED, "observed_at")
_CHUNK = 1000
_LEDGER_ROWS = 20_000
"""PBXs are replayed together until their ledger has this many rows: one query for many small PBXs."""

Progress = Callable[[str, int], None]
Row = Mapping[str, Any]
Wrong = tuple[str, int]
"""snapshot_id and device_id of the first version of a PBX whose columns do not hash to its row_version."""


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
    progress: Progress | None = None,
    remembered: Head | None = None,
    unfinished: Collection[str] = (),
) -> Iterator[Verdict]:
    """A verdict for each PBX (all, when none is named), as of `until`; `progress` hears how many versions are done.

    `remembered` is a row of the ledger that must be there; `unfinished` are snapshots of a load that was cut off and
    that the next sync finishes.
    """
    of_all = run_disagreement(log, until, unfinished)
    counts = {name: rows for name, rows in _counts(log) if not pbxs or name in pbxs}
    if of_all is not None and not counts and not pbxs:
        counts = dict.fromkeys([row[0] for row in log.rows("select distinct pbx from device_versions")[1]] or ["?"], 0)
    if remembered is not None and until is None and (not pbxs or remembered.pbx in pbxs):
        counts.setdefault(remembered.pbx, 0)
    wrong = _wrong_hashes(log, list(counts))
    for names in _batches(counts):
        for verdict in _replayed(log, names, until, wrong, progress):
            if verdict.disagreement is None:
                verdict.disagreement = of_all or (_forgotten(verdict, remembered) if until is None else None)
            yield verdict


def _forgotten(verdict: Verdict, remembered: Head | None) -> Disagreement | None:
    if remembered is None or remembered.pbx != verdict.pbx or remembered.chain in verdict.heads:
        return None
    what = "a sync from this folder loaded this snapshot, and the ledger no longer has it: the end was cut off, or a "
    return Disagreement(remembered.snapshot_id, what + "backup was restored")


def _counts(log: Log) -> Iterator[tuple[str, int]]:
    """Each PBX and how many rows of the ledger it has, by name."""
    found = log.rows("select s.pbx, count(*) as attempts from snapshots s group by s.pbx")[1]
    return iter(sorted((str(pbx), int(attempts)) for pbx, attempts in found))


def _batches(counts: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for name, rows in counts.items():
        if batch and size + rows > _LEDGER_ROWS:
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += rows
    if batch:
        yield batch


def _replayed(
    log: Log, names: Sequence[str], until: datetime | None, wrong: Mapping[str, Wrong], progress: Progress | None
) -> list[Verdict]:
    """Verdicts of some PBXs, in order of their names."""
    ledger = _ledger(log, names)
    versions = _Stream(_versions(log, names))
    verdicts = []
    for name in names:
        verdict = Verdict(name)
        replay = _Replay(verdict, wrong.get(name))
        chain: str | None = None
        try:
            for row in ledger.get(name, ()):
                if until is not None and (row["taken_at"] or row["started_at"]) > until:
                    break
                verdict.attempts += 1
                is_complete = row["status"] == "complete"
                seal = replay.snapshot(row, versions.of(name, row["snapshot_id"])) if is_complete else 0
                chain = _linked(row, chain, seal)
                verdict.heads.add(chain)
                verdict.head = chain
                if progress is not None:
                    progress(name, verdict.versions)
        except _Broken as broken:
            verdict.disagreement = broken.disagreement
        verdict.devices = len(replay.present)
        versions.skip(name)
        verdicts.append(verdict)
    for verdict in verdicts:
        if verdict.disagreement is not None:
            verdict.disagreement = _with_field(log, verdict.pbx, verdict.disagreement)
    return verdicts


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

    def __init__(self, verdict: Verdict, wrong: Wrong | None) -> None:
        self.present: dict[int, int] = {}
        self._gone: dict[int, int] = {}
        self._sum = 0
        self._verdict = verdict
        self._wrong = wrong

    def snapshot(self, row: Row, versions: Iterator[Row]) -> int:
        """Replays the versions of one complete snapshot; returns their seal."""
        snapshot_id, counts, seal, last = row["snapshot_id"], Counter[str](), 0, None
        for version in versions:
            if version == last:
                # A load that was repeated may have doubled a row; the views show it once.
                continue
            last = version
            self._version(row, version)
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

    def _version(self, row: Row, version: Row) -> None:
        snapshot_id, device_id, change = row["snapshot_id"], version["device_id"], version["change"]
        if self._wrong == (snapshot_id, device_id):
            raise _Broken(snapshot_id, "the device's columns are not those that were read", device_id)
        if version["observed_at"] != row["taken_at"]:
            raise _Broken(snapshot_id, "observed_at is not the time of the snapshot", device_id)
        part = fingerprint_part(device_id, version["row_version"])
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
    """Versions in order of PBX and snapshot, taken snapshot by snapshot."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, pbx: str, snapshot_id: str) -> Iterator[Row]:
        """The versions of a snapshot."""
        while self._next is not None and (self._next["pbx"], self._next["snapshot_id"]) == (pbx, snapshot_id):
            yield self._next
            self._next = next(self._rows, None)

    def skip(self, pbx: str) -> None:
        """Passes over what is left of a PBX."""
        while self._next is not None and self._next["pbx"] <= pbx:
            self._next = next(self._rows, None)


def _ledger(log: Log, names: Sequence[str]) -> dict[str, list[Row]]:
    """The committed rows of the ledger by PBX, in order of time, each once."""
    sql = f"""
        select distinct {", ".join(f"s.{name}" for name in _LEDGER_NAMES)} from snapshots s
        where s._dlt_load_id in {finished_loads("")} and s.pbx in ({_marks(names)}) order by s.snapshot_id
    """  # noqa: S608  names of columns are constants
    found: dict[str, list[Row]] = {}
    for values in log.rows(sql, names)[1]:
        row = dict(zip(_LEDGER_NAMES, values, strict=True))
        found.setdefault(row["pbx"], []).append(row)
    return found


_SHOWN = f"""
    (
        select distinct s.pbx, s.snapshot_id, s.row_format from snapshots s
        where s._dlt_load_id in {finished_loads("")} and s.status = 'complete'
    ) c
"""  # noqa: S608  constants
"""The snapshots whose versions the views show."""


def _versions(log: Log, names: Sequence[str]) -> Iterator[Row]:
    """The versions that any view shows, in order of PBX, snapshot and device, without the columns of the device."""
    sql = f"""
        select {", ".join(f"v.{name}" for name in _REPLAYED)} from device_versions v
        join {_SHOWN} on c.pbx = v.pbx and c.snapshot_id = v.snapshot_id
        where v.pbx in ({_marks(names)}) order by v.pbx, v.snapshot_id, v.device_id
    """  # noqa: S608  names of columns are constants
    for values in log.rows(sql, names)[1]:
        yield dict(zip(_REPLAYED, values, strict=True))


def _wrong_hashes(log: Log, names: Sequence[str]) -> dict[str, Wrong]:
    """PBX → its first version whose columns are not those that were hashed.

    In any order, so that no database has to sort the columns of all devices.
    """
    if not names:
        return {}
    sql = f"""
        select v.pbx, v.snapshot_id, v.device_id, v.row_version, {", ".join(f"v.{name}" for name in _DEVICE_NAMES)}
        from device_versions v join {_SHOWN} on c.pbx = v.pbx and c.snapshot_id = v.snapshot_id
        where c.row_format = {ROW_FORMAT} and v.pbx in ({_marks(names)})
    """  # noqa: S608  names of columns are constants
    wrong: dict[str, Wrong] = {}
    hashes, rows = DeviceHash(()), log.rows(sql, names)[1]
    while chunk := list(islice(rows, _CHUNK)):
        columns = list(zip(*chunk, strict=True))
        for row, row_version in zip(chunk, hashes.of(columns[4:])[0], strict=True):
            pbx, snapshot_id, device_id, stored = row[:4]
            if row_version != stored:
                wrong[pbx] = min(wrong.get(pbx, (snapshot_id, device_id)), (snapshot_id, device_id))
    return wrong


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" for _ in values)


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
