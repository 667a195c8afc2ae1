"""Hashes over a device's columns that stay the same for as long as the device does.

`row_version` is SHA-256 over JSON of the columns that are not null, in the order of their names. Texts count as they
are stored, those that hold JSON too: the reader writes each JSON value in one way only. The hash is our own, so that no
release of a library can change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from dlt_threecx.tables import DEVICE_COLUMNS

__all__ = ["ROW_FORMAT", "DeviceHash", "canonical", "canonical_json", "fingerprint_part"]

ROW_FORMAT = 1
"""Number of the format below. With another number every device is rebaselined, and none counts as changed."""

FINGERPRINT_MODULUS = 2**128

_NAMES = tuple(column.name for column in DEVICE_COLUMNS)
_BY_NAME = sorted(range(len(_NAMES)), key=_NAMES.__getitem__)
_TIMES = frozenset(column.name for column in DEVICE_COLUMNS if column.type == "timestamp")


def canonical(value: Any) -> Any:
    """The value of a device column as it is compared and hashed: None, text, number or boolean."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and nothing that is optional."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class DeviceHash:
    """Hashes devices, a page at a time."""

    def __init__(self, volatile: Collection[str]) -> None:
        self._volatile = frozenset(volatile)

    def of(self, columns: Sequence[Sequence[Any]]) -> tuple[list[str], list[str]]:
        """`row_version` and `tracked_version` of every device, 64 hex digits each; `columns` are DEVICE_COLUMNS."""
        by_name = {
            _NAMES[index]: _canonical_column(_NAMES[index], columns[index])
            for index in _BY_NAME
            if columns[index].count(None) < len(columns[index])
        }
        by_name = by_name or {_NAMES[0]: columns[0]}
        row_versions: list[str] = []
        tracked_versions: list[str] = []
        for row in zip(*by_name.values(), strict=True):
            values = {name: v for name, v in zip(by_name, row, strict=True) if v is not None}
            row_version = tracked = _sha256(values)
            if not self._volatile.isdisjoint(values):
                tracked = _sha256({name: v for name, v in values.items() if name not in self._volatile})
            row_versions.append(row_version)
            tracked_versions.append(tracked)
        return row_versions, tracked_versions


def _canonical_column(name: str, values: Sequence[Any]) -> Sequence[Any]:
    return [canonical(value) for value in values] if name in _TIMES else values


def _sha256(values: dict[str, Any]) -> str:
    # The names come in order already.
    return hashlib.sha256(orjson.dumps(values)).hexdigest()


def fingerprint_part(device_id: int, row_version: str) -> int:
    """What one device adds to the fingerprint of a snapshot: a number below 2^128."""
    return int.from_bytes(hashlib.sha256(f"{device_id}:{row_version}".encode()).digest()[:16], "big")
