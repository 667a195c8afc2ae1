"""Compares a reading with the history: refuses it, or returns a row of the ledger and the new versions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dlt_threecx.compare.api_shape import moved, shape_to_keep
from dlt_threecx.compare.differences import Difference, Rules
from dlt_threecx.compare.guards import Facts, Objection, clock_objections, objections, refusal
from dlt_threecx.compare.previous import PbxState, StoredPbx
from dlt_threecx.compare.versions_file import Stamp, VersionsFile
from dlt_threecx.integrity.ledger import LedgerRow, chained, key_id, new_snapshot_id, not_before
from dlt_threecx.integrity.row_hash import ROW_FORMAT
from dlt_threecx.integrity.runs import run_root
from dlt_threecx.snapshot.reading import Reading
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.source.errors import ThreecxError

__all__ = ["RESULT_FIELDS", "Accepted", "SyncResult", "bound", "decide"]

RESULT_FIELDS = (
    "pbx", "status", "reason", "detail", "snapshot_id", "taken_at", "devices", "reported_count", "added", "changed",
    "removed", "returned", "refreshed", "rebaselined", "shape_changes", "pages", "requests", "walks",
    "duration_seconds", "chain", "exit_code", "retryable",
)  # fmt: skip
"""What a run reports of each PBX."""


_FIRST_RELEASE = datetime(2024, 1, 1, tzinfo=UTC)
"""3CX 20, the first that can be read, came later."""


@dataclass(frozen=True)
class Accepted:
    """Guards that an operator overrules in this run, and why."""

    guards: Collection[str] = ()
    because: str | None = None


@dataclass(frozen=True)
class SyncResult:
    """What became of one PBX: its row of the ledger, paths of the API that moved, and the error if there was one.

    `seal` is the sum of its new versions. The row has its root and chain after `bound`.
    """

    row: LedgerRow
    shape_changes: tuple[str, ...] = ()
    error: ThreecxError | None = None
    is_new: bool = False
    """The history had nothing of this PBX before."""
    seal: int = 0

    @property
    def exit_code(self) -> int:
        """0, or the code of the error."""
        return self.error.exit_code if self.error else 0

    @property
    def retryable(self) -> bool:
        """The same run may succeed some minutes later without anybody doing anything."""
        return self.error is not None and self.error.retryable

    def report(self) -> dict[str, Any]:
        """RESULT_FIELDS and their values."""
        values = {
            **self.row.values(),
            "shape_changes": list(self.shape_changes),
            "exit_code": int(self.exit_code),
            "retryable": self.retryable,
        }
        return {name: values[name] for name in RESULT_FIELDS}


def decide(
    reading: Reading, history: StoredPbx, versions: VersionsFile, accepted: Accepted, volatile: Collection[str]
) -> SyncResult:
    """The result for one PBX; its new versions are added to the file, unless it failed or a guard refuses it."""
    state, snapshot, before = history.state, reading.outcome, history.state.complete
    clock = list(_clock_objections(reading, _last_at(history.before, reading)))
    row = _dated(reading, history, is_clock_trusted=not clock or "clock" in accepted.guards)
    if isinstance(snapshot, ThreecxError):
        row = replace(row, status="failed", reason=snapshot.reason, detail=_sentences(str(snapshot), row.detail))
        return SyncResult(row, error=snapshot)

    row = _described(row, reading, snapshot, state)
    changes: list[Difference] = []
    rules = Rules(volatile=volatile)
    objecting = clock
    if before is not None:
        # All are counted before anything is written. A first snapshot has nothing to lose.
        changes = list(history.differences)
        objecting = [*objections(_facts(reading, snapshot, before, changes)), *clock]
        key_changed = before["fingerprint_key_id"] != row.fingerprint_key_id
        format_changed = before["row_format"] != ROW_FORMAT
        rules = Rules(moved(history.shape, snapshot.shape), volatile, key_changed, format_changed)
    overruled = [o.guard for o in objecting if o.guard in accepted.guards]
    if overruled:
        row = replace(row, accepted=",".join(overruled), because=accepted.because)
    refusing = [o for o in objecting if o.guard not in accepted.guards]
    if refusing:
        return _refused(row, refusing)

    stamp = Stamp(row.pbx, row.snapshot_id, row.taken_at or row.started_at)
    if before is None:
        written = versions.add_first(stamp, snapshot)
    else:
        written = versions.add(stamp, snapshot, changes, history.rows, rules)
    row = replace(row.with_counts(written.counts), shape=shape_to_keep(history.shape, snapshot.shape))
    return SyncResult(row, tuple(sorted(rules.moved)), seal=written.seal)


def bound(
    results: Sequence[SyncResult], states: Mapping[str, PbxState], runs_before: Mapping[str, str]
) -> list[SyncResult]:
    """The results of one run, each row bound to the run before it and chained to the row before it of its PBX.

    `runs_before` is root → seal of the runs that no other run follows yet.
    """
    root = run_root(runs_before, [(result.row.pbx, result.row.snapshot_id) for result in results])
    previous_root = ",".join(sorted(runs_before)) or None
    chained_results = []
    for result in results:
        row = replace(result.row, previous_root=previous_root, root=root)
        chain = chained(states[row.pbx].chain, row.values(), result.seal)
        chained_results.append(replace(result, row=replace(row, chain=chain)))
    return chained_results


def _clock_objections(reading: Reading, last_at: datetime | None) -> Iterator[Objection]:
    behind = None if last_at is None else last_at - reading.started_at
    return clock_objections(reading.clock_skew, behind, _max_skew(reading))


def _last_at(state: PbxState, reading: Reading) -> datetime | None:
    """The time before which the reading cannot lie.

    Where this machine's clock and that of the PBX agree, an attempt of the future had a wrong clock. It counts no more,
    unless it is a snapshot.
    """
    skew, limit, last_complete_at = reading.clock_skew, _max_skew(reading), state.last_complete_at
    ahead = [at for at in (state.last_at, last_complete_at) if at is not None and at > reading.started_at + limit]
    if len(ahead) == 1 and skew is not None and abs(skew) <= limit:
        return last_complete_at
    return state.last_at


def _max_skew(reading: Reading) -> timedelta:
    return timedelta(minutes=reading.pbx.max_clock_skew_minutes)


def _dated(reading: Reading, history: StoredPbx, *, is_clock_trusted: bool) -> LedgerRow:
    """The row with its times, which never run backwards.

    Where the clocks of this machine and of the PBX differ, the earlier one counts: a row of the future would be the
    last one for long. But no clock is right that shows a time at which there was nothing to read.
    """
    taken_at = reading.outcome.taken_at if isinstance(reading.outcome, Snapshot) else None
    read_at, settings, state = reading.started_at, reading.pbx.settings, history.state
    skew = reading.clock_skew or timedelta()
    if not is_clock_trusted and timedelta() < -skew < read_at - _FIRST_RELEASE:
        read_at += skew
        taken_at = None if taken_at is None else taken_at + skew
    last_at, before = _last_at(state, reading), _last_at(history.before, reading)
    started_at = not_before(read_at, last_at)
    detail = None
    if last_at != state.last_at:
        detail = f"The attempt before is dated {state.last_at:%Y-%m-%d %H:%M:%S} UTC: its clock was wrong"
    elif before is not None and read_at <= before:
        detail = f"The clock was set back: it said {read_at:%Y-%m-%d %H:%M:%S} UTC, and the last run was later"
    if taken_at is not None:
        taken_at = not_before(taken_at, started_at)
    return LedgerRow(
        pbx=reading.pbx.name,
        snapshot_id=new_snapshot_id(taken_at or started_at, state.last_id),
        base_url=settings.base_url,
        status="complete",
        detail=detail,
        started_at=started_at,
        taken_at=taken_at,
        duration_seconds=reading.seconds,
        requests=reading.requests,
        consistency=settings.consistency,
        filter=settings.filter,
        search=settings.search,
        pbx_version=reading.version,
        previous_snapshot_id=state.snapshot_id,
    )


def _described(row: LedgerRow, reading: Reading, snapshot: Snapshot, state: PbxState) -> LedgerRow:
    return replace(
        row,
        devices=snapshot.devices,
        reported_count=snapshot.reported_count,
        pages=snapshot.pages,
        walks=snapshot.walks,
        page_size=snapshot.page_size,
        row_format=ROW_FORMAT,
        fingerprint_key_id=key_id(reading.pbx.settings.fingerprint_key),
        fingerprint=snapshot.fingerprint,
        pbx_fqdn=_fqdn(reading, state),
    )


def _fqdn(reading: Reading, state: PbxState) -> str | None:
    """The FQDN to keep: a PBX that was not asked, or did not say, is the one that was at this address before."""
    last = state.identity
    is_same = last is not None and last.base_url == reading.pbx.settings.base_url
    return reading.fqdn or (last.fqdn if last and is_same else None)


def _facts(reading: Reading, snapshot: Snapshot, before: Mapping[str, Any], changes: Sequence[Difference]) -> Facts:
    pbx = reading.pbx
    return Facts(
        pbx=pbx.name,
        base_url=pbx.settings.base_url,
        previous_base_url=before["base_url"],
        fqdn=reading.fqdn,
        previous_fqdn=before["pbx_fqdn"],
        scope=(pbx.settings.filter, pbx.settings.search),
        previous_scope=(before["filter"], before["search"]),
        devices=snapshot.devices,
        previous_devices=before["devices"],
        removed=sum(difference.kind == "gone" for difference in changes),
        max_removed_percent=pbx.max_removed_percent,
        max_removed_devices=pbx.max_removed_devices,
    )


def _refused(row: LedgerRow, refusing: Sequence[Objection]) -> SyncResult:
    error = refusal(row.pbx, refusing)
    row = replace(row, status="refused", reason=refusing[0].guard, detail=_sentences(str(error), row.detail))
    return SyncResult(row, error=error)


def _sentences(*texts: str | None) -> str:
    return ". ".join(text.rstrip(".") for text in texts if text) + "."
