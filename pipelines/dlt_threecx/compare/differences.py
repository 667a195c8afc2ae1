"""Previous state + snapshot → versions. Pure: rows in, rows out.

First pass: both sides as streams of (device_id, row_version) in order of device_id; only devices that differ come out.
Second pass: the columns of those few, to say what really changed in each.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from dlt_threecx.integrity.row_hash import canonical
from dlt_threecx.snapshot.snapshot import Seen
from dlt_threecx.source.columns import COLUMNS
from dlt_threecx.tables import DEVICE_COLUMNS, Change

__all__ = ["Difference", "Known", "Rules", "classified", "differences"]

_PATHS = {column.name: (column.path, *column.later) for column in COLUMNS}
_SECRETS = frozenset(column.name for column in COLUMNS if column.type == "secret")


class Known(NamedTuple):
    """The last version of a device that the history holds."""

    device_id: int
    row_version: str
    is_removed: bool


class Difference(NamedTuple):
    """A device that is not as it was. `position` is None when it is gone."""

    device_id: int
    kind: Literal["added", "returned", "gone", "differs"]
    position: int | None


def differences(known: Iterable[Known], seen: Iterable[Seen]) -> Iterator[Difference]:
    """Merges two streams, both ascending by device_id without doubles."""
    known_devices = iter(known)
    old = next(known_devices, None)
    for device in seen:
        while old is not None and old.device_id < device.device_id:
            if not old.is_removed:
                yield Difference(old.device_id, "gone", None)
            old = next(known_devices, None)
        if old is None or old.device_id > device.device_id:
            yield Difference(device.device_id, "added", device.position)
            continue
        if old.is_removed:
            yield Difference(device.device_id, "returned", device.position)
        elif old.row_version != device.row_version:
            yield Difference(device.device_id, "differs", device.position)
        old = next(known_devices, None)
    while old is not None:
        if not old.is_removed:
            yield Difference(old.device_id, "gone", None)
        old = next(known_devices, None)


@dataclass(frozen=True)
class Rules:
    """Which differences are not changes of the device itself."""

    moved: frozenset[str] = frozenset()
    """Property paths whose place or type the API has changed since the last snapshot."""
    volatile: Collection[str] = ("online",)
    key_changed: bool = False
    """The fingerprint key is another one: so are all fingerprints, and a difference means nothing."""
    format_changed: bool = False
    """The last snapshot was hashed in another format: every row_version differs."""


def classified(old: Mapping[str, Any], new: Mapping[str, Any], rules: Rules) -> tuple[Change, list[str]]:
    """The kind of difference between two rows of the same device, and the fields that really changed.

    `changed`: a tracked field changed. `refreshed`: only volatile fields differ. `rebaselined`: the API, the key or the
    format of the hash moved, so the row has to be stored again; the device did not change.
    """
    differing = list(_changed_fields(old, new))
    fields = [name for name in differing if not _is_moved(name, rules)]
    if any(name not in rules.volatile for name in fields):
        return "changed", fields
    if fields == differing and fields and not rules.format_changed:
        return "refreshed", fields
    return "rebaselined", fields


def _changed_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for column in DEVICE_COLUMNS:
        name = column.name
        if name != "extra":
            before, after = canonical(old[name]), canonical(new[name])
            if before != after or type(before) is not type(after):
                yield name
            continue
        before, after = json.loads(old[name] or "{}"), json.loads(new[name] or "{}")
        # As JSON: in Python 1 and true would be the same.
        yield from (
            f"extra.{key}"
            for key in sorted({*before, *after})
            if json.dumps(before.get(key)) != json.dumps(after.get(key))
        )


def _is_moved(name: str, rules: Rules) -> bool:
    if name.startswith("extra."):
        return name.removeprefix("extra.") in rules.moved
    if name in _SECRETS and rules.key_changed:
        return True
    return any(path in rules.moved for path in _PATHS[name])
