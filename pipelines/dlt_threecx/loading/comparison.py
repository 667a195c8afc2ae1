"""Snapshots compared with the history: with what was kept of it where that can be believed, else with itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dlt_threecx.compare.differences import Difference, differences
from dlt_threecx.compare.previous import PbxState
from dlt_threecx.compare.versions_file import OldRows
from dlt_threecx.destinations.base import Destination
from dlt_threecx.loading.previous_state import LastVersion, device_rows, known_devices, last_versions
from dlt_threecx.loading.state_cache import Compared, StateCache
from dlt_threecx.snapshot.snapshot import Snapshot

__all__ = ["NOTHING", "Comparison", "comparisons"]


@dataclass(frozen=True)
class Comparison:
    """What differs, and the rows of the devices that differ or are gone."""

    differences: Iterable[Difference]
    rows: OldRows


def _no_rows(device_ids: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
    return {}


NOTHING = Comparison((), _no_rows)
"""Nothing differs."""


def comparisons(
    destination: Destination, cache: StateCache, states: Mapping[str, PbxState], snapshots: Mapping[str, Snapshot]
) -> Iterator[tuple[str, Comparison]]:
    """PBX by PBX, in any order; each is to be used up before the next. A first snapshot is compared with nothing."""
    believed: dict[str, Compared] = {}
    to_read: list[str] = []
    for name, snapshot in snapshots.items():
        state = states[name]
        if state.complete is None or state.has_content(snapshot.fingerprint, snapshot.devices):
            yield name, NOTHING
        elif (compared := cache.compared(name, state, snapshot)) is not None:
            believed[name] = compared
        else:
            to_read.append(name)
    in_question = [
        (name, difference.device_id)
        for name, compared in believed.items()
        for difference in compared.differences
        if difference.kind != "differs"
    ]
    last = last_versions(destination, in_question)
    for name, compared in believed.items():
        comparison = _resolved(destination, name, compared, last)
        if comparison is None:
            to_read.append(name)
        else:
            yield name, comparison
    read = set()
    for name, known in known_devices(destination, to_read):
        read.add(name)
        yield name, Comparison(differences(known, snapshots[name].seen()), partial(device_rows, destination, name))
    for name in to_read:
        if name not in read:
            yield name, Comparison(differences((), snapshots[name].seen()), _no_rows)


def _resolved(
    destination: Destination, pbx: str, compared: Compared, last: Mapping[tuple[str, int], LastVersion]
) -> Comparison | None:
    """The comparison, with `returned` where a device was there before; None when the destination says otherwise."""
    found: list[Difference] = []
    for difference in compared.differences:
        before = last.get((pbx, difference.device_id))
        if difference.kind == "added" and before is not None:
            if before.change != "removed":
                return None
            found.append(difference._replace(kind="returned"))
            continue
        if difference.kind == "gone" and (
            before is None
            or before.change == "removed"
            or before.row_version != compared.versions[difference.device_id]
        ):
            return None
        found.append(difference)

    def rows(device_ids: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
        kept = compared.rows(device_ids)
        if kept is None:
            return device_rows(destination, pbx, device_ids)
        for device_id, row in kept.items():
            if (before := last.get((pbx, device_id))) is not None:
                # The setting `volatile` may have been another when this version was written.
                row["tracked_version"] = before.tracked_version
        return kept

    return Comparison(found, rows)
