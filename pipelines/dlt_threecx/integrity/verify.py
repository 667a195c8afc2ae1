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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice, pairwise

from dlt_threecx.integrity.join import Join, join_of
from dlt_threecx.integrity.ledger import Head, chained
from dlt_threecx.integrity.log import SHOWN, Log, Row, Versions, device_versions, ledger_rows, marks
from dlt_threecx.integrity.replay import Broken, Replay, Wrong
from dlt_threecx.integrity.row_hash import ROW_FORMAT, DeviceHash, canonical
from dlt_threecx.integrity.runs import run_disagreement
from dlt_threecx.integrity.strays import stray_snapshots
from dlt_threecx.integrity.verdict import Disagreement, Verdict
from dlt_threecx.tables import DEVICE_COLUMNS

__all__ = ["Progress", "verify"]

_DEVICE_NAMES = tuple(column.name for column in DEVICE_COLUMNS)
_CHUNK = 1000
_LEDGER_ROWS = 20_000
"""PBXs are replayed together until their ledger has this many rows: one query for many small PBXs."""

Progress = Callable[[str, int], None]


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
        left = [pbx for (pbx,) in log.rows("select distinct pbx from device_versions")[1]]
        counts = dict.fromkeys(left or ["?"], 0)
    if remembered is not None and until is None and (not pbxs or remembered.pbx in pbxs):
        counts.setdefault(remembered.pbx, 0)
    if not counts:
        return
    strays = {stray.pbx: stray.disagreement for stray in stray_snapshots(log) if stray.disagreement}
    wrong = _wrong_hashes(log, list(counts))
    for names in _batches(counts):
        for verdict in _replayed(log, names, until, wrong, progress):
            if verdict.disagreement is None:
                verdict.disagreement = of_all
            if verdict.disagreement is None and until is None:
                verdict.disagreement = strays.get(verdict.pbx) or _forgotten(verdict, remembered)
            yield verdict


def _forgotten(verdict: Verdict, remembered: Head | None) -> Disagreement | None:
    if remembered is None or remembered.pbx != verdict.pbx or remembered.chain in verdict.heads:
        return None
    if verdict.begins is not None and remembered.snapshot_id < verdict.begins.snapshot_id:
        # it is in the archive
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
    ledger = ledger_rows(log, names)
    versions = Versions(log, names)
    verdicts = []
    for name in names:
        verdict = Verdict(name)
        replay = Replay(verdict, wrong.get(name))
        try:
            _replay(replay, verdict, ledger.get(name, []), versions, until, progress)
        except Broken as broken:
            verdict.disagreement = broken.disagreement
        verdict.devices = len(replay.present)
        versions.skip(name)
        verdicts.append(verdict)
    for verdict in verdicts:
        if verdict.disagreement is not None:
            verdict.disagreement = _with_field(log, verdict.pbx, verdict.disagreement)
    return verdicts


def _begun(rows: Sequence[Row], until: datetime | None) -> Sequence[Row]:
    """The rows up to the last one that is not later than a time."""
    begun = [until is None or (row["taken_at"] or row["started_at"]) <= until for row in rows]
    return rows[: max((number for number, is_begun in enumerate(begun, start=1) if is_begun), default=0)]


def _replay(
    replay: Replay,
    verdict: Verdict,
    ledger: Sequence[Row],
    versions: Versions,
    until: datetime | None,
    progress: Progress | None,
) -> None:
    """Replays one PBX into its verdict. Raises Broken."""
    name, begin = verdict.pbx, next((index for index, row in enumerate(ledger) if row["status"] == "join"), None)
    if begin is not None:
        kept = ((row, versions.of(name, row["snapshot_id"])) for row in ledger[:begin])
        join = _join(ledger[begin])
        replay.begin(join, kept)
        verdict.head = join.head
        verdict.heads.add(join.head)
        ledger = ledger[begin + 1 :]
    for row in _begun(ledger, until):
        if row["status"] == "joined":
            _meet(replay, verdict, _join(row))
            continue
        verdict.attempts += 1
        is_complete = row["status"] == "complete"
        seal = replay.snapshot(row, versions.of(name, row["snapshot_id"])) if is_complete else 0
        verdict.head = _linked(row, verdict.head, seal)
        verdict.heads.add(verdict.head)
        if progress is not None:
            progress(name, verdict.versions)


def _join(row: Row) -> Join:
    try:
        return join_of(row)
    except ValueError as error:
        raise Broken(row["snapshot_id"], "this row of the ledger is not what was written") from error


def _meet(replay: Replay, verdict: Verdict, join: Join) -> None:
    """The end of an archive has to be where the history after it begins."""
    if join.head != verdict.head:
        raise Broken(join.snapshot_id, "the archive does not end with the row that the history goes on from")
    replay.meet(join)
    verdict.joins.append(join)


def _linked(row: Row, chain: str | None, seal: int) -> str:
    """The chain up to this row of the ledger."""
    if chained(chain, row, seal) != row["chain"]:
        raise Broken(
            row["snapshot_id"],
            "this row of the ledger or a version of its snapshot is not what was written, "
            "or a row before it is missing or was put in",
        )
    return str(row["chain"])


def _wrong_hashes(log: Log, names: Sequence[str]) -> dict[str, Wrong]:
    """PBX → its first version whose columns are not those that were hashed.

    In any order, so that no database has to sort the columns of all devices.
    """
    sql = f"""
        select v.pbx, v.snapshot_id, v.device_id, v.row_version, {", ".join(f"v.{name}" for name in _DEVICE_NAMES)}
        from device_versions v join {SHOWN} on c.pbx = v.pbx and c.snapshot_id = v.snapshot_id
        where c.row_format = {ROW_FORMAT} and v.pbx in ({marks(names)})
    """  # noqa: S608  names of columns are constants
    wrong: dict[str, Wrong] = {}
    hashes, rows = DeviceHash(()), log.rows(sql, names)[1]
    while chunk := list(islice(rows, _CHUNK)):
        columns = list(zip(*chunk, strict=True))
        row_versions, _ = hashes.of(columns[4:])
        for row, row_version in zip(chunk, row_versions, strict=True):
            pbx, snapshot_id, device_id, stored = row[:4]
            if row_version != stored:
                wrong[pbx] = min(wrong.get(pbx, (snapshot_id, device_id)), (snapshot_id, device_id))
    return wrong


def _with_field(log: Log, pbx: str, found: Disagreement) -> Disagreement:
    """Names the field too, where the versions beside the one that disagrees give it away."""
    if found.device_id is None or "columns" not in found.what:
        return found
    for older, newer in pairwise(device_versions(log, pbx, found.device_id)):
        if found.snapshot_id not in (older["snapshot_id"], newer["snapshot_id"]) or newer["change"] == "returned":
            continue
        said = {name.split(".")[0] for name in json.loads(newer["changed_fields"])}
        really = {name for name in _DEVICE_NAMES if canonical(older[name]) != canonical(newer[name])}
        if odd := sorted(said ^ really):
            return replace(found, field=odd[0])
    return found
