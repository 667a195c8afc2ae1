"""The devices of a PBX, replayed snapshot after snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from dlt_threecx.integrity.join import Join, kept_row_part, kept_version_part
from dlt_threecx.integrity.ledger import SEAL_MODULUS, version_part
from dlt_threecx.integrity.log import SEALED, Row
from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, fingerprint_part
from dlt_threecx.integrity.verdict import Disagreement, Verdict
from dlt_threecx.tables import CHANGES

__all__ = ["Broken", "Replay", "Wrong"]

Wrong = tuple[str, int]
"""snapshot_id and device_id of the first version of a PBX whose columns do not hash to its row_version."""


class Broken(Exception):
    """Ends the replay of a PBX."""

    def __init__(self, snapshot_id: str, what: str, device_id: int | None = None) -> None:
        self.disagreement = Disagreement(snapshot_id, what, device_id)


class Replay:
    """The devices of a PBX, snapshot after snapshot."""

    def __init__(self, verdict: Verdict, wrong: Wrong | None) -> None:
        self.present: dict[int, int] = {}
        self._gone: dict[int, int] = {}
        self._sum = 0
        self._verdict = verdict
        self._wrong = wrong

    def begin(self, join: Join, kept: Iterable[tuple[Row, Iterator[Row]]]) -> None:
        """Begins with what an archive has left: rows of the ledger, and some versions of their snapshots."""
        found = 0
        for row, versions in kept:
            found += kept_row_part(row)
            for version in _once(versions):
                self._version(row, version, is_kept=True)
                found += kept_version_part(row["snapshot_id"], (version[name] for name in SEALED))
                self._verdict.versions += 1
        if f"{found % SEAL_MODULUS:032x}" != join.archived.kept:
            raise Broken(join.snapshot_id, "what stayed here of the time before the archive is not what was left")
        self.meet(join)
        self._verdict.first_at = self._verdict.last_at = join.at
        self._verdict.begins = join

    def meet(self, join: Join) -> None:
        """Compares the devices that are there now with those of a join."""
        if len(self.present) != join.devices:
            raise Broken(join.snapshot_id, f"the join says {join.devices} devices, the log has {len(self.present)}")
        if f"{self._sum % FINGERPRINT_MODULUS:032x}" != join.fingerprint:
            raise Broken(join.snapshot_id, "the devices before the join do not add up to its fingerprint")

    def snapshot(self, row: Row, versions: Iterator[Row]) -> int:
        """Replays the versions of one complete snapshot; returns their seal."""
        snapshot_id, counts, seal = row["snapshot_id"], Counter[str](), 0
        for version in _once(versions):
            self._version(row, version)
            counts[version["change"]] += 1
            seal += version_part(*(version[name] for name in SEALED))
        for name in CHANGES:
            if counts[name] != row[name]:
                raise Broken(snapshot_id, f"the ledger says {row[name]} {name}, the log has {counts[name]}")
        if len(self.present) != row["devices"]:
            raise Broken(snapshot_id, f"the ledger says {row['devices']} devices, the log has {len(self.present)}")
        if f"{self._sum % FINGERPRINT_MODULUS:032x}" != row["fingerprint"]:
            raise Broken(snapshot_id, "the devices do not add up to the fingerprint of the snapshot")
        self._verdict.snapshots += 1
        self._verdict.versions += counts.total()
        self._verdict.first_at = self._verdict.first_at or row["taken_at"]
        self._verdict.last_at = row["taken_at"]
        return seal

    def _version(self, row: Row, version: Row, *, is_kept: bool = False) -> None:
        snapshot_id, device_id, change = row["snapshot_id"], version["device_id"], version["change"]
        if self._wrong == (snapshot_id, device_id):
            raise Broken(snapshot_id, "the device's columns are not those that were read", device_id)
        if version["observed_at"] != row["taken_at"]:
            raise Broken(snapshot_id, "observed_at is not the time of the snapshot", device_id)
        part = fingerprint_part(device_id, version["row_version"])
        before = self.present.get(device_id)
        gone = self._gone.get(device_id)
        if not is_kept and not _fits(change, before, gone, part):
            raise Broken(snapshot_id, f"'{change}' does not follow from the version before it", device_id)
        if before is not None:
            self._sum -= before
        if change == "removed":
            self._gone[device_id] = part
            self.present.pop(device_id, None)
        else:
            self._gone.pop(device_id, None)
            self.present[device_id] = part
            self._sum += part


def _once(versions: Iterator[Row]) -> Iterator[Row]:
    """A load that was repeated may have doubled a row; the views show it once."""
    return (version for version, _ in groupby(versions))


def _fits(change: str, before: int | None, gone: int | None, part: int) -> bool:
    """Whether a change may follow: `before` is the device when it is there, `gone` when it was removed."""
    if change == "added":
        return before is None and gone is None
    if change == "returned":
        return gone is not None
    if change == "removed":
        return before == part
    return before is not None
