"""Hashes over a device's columns that stay the same for as long as the device does.

`row_version` is SHA-256 over canonical JSON of the columns that are not null: keys sorted, lists sorted, texts as
received, an empty text counts as null. It is our own, so that no release of a library can change it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from pipelines.threecx.tables import DEVICE_COLUMNS

__all__ = ["ROW_FORMAT", "DeviceHash", "canonical", "canonical_json", "fingerprint_part"]

ROW_FORMAT = 1
"""Number of the format below. With another number every device is recorded anew, and none counts as changed."""

FINGERPRINT_MODULUS = 2**128

_NAMES = tuple(column.name for column in DEVICE_COLUMNS)
_JSON_COLUMNS = frozenset({"dn_tags", "extra"})
_SORTED = sorted((name, index) for index, name in enumerate(_NAMES, start=1))


def canonical(name: str, value: Any) -> Any:
    """The value of a device column as it is compared and hashed: None, text, number, boolean, or a sorted list."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if name in _JSON_COLUMNS:
        return _sorted_lists(json.loads(value)) or None
    return value


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and nothing that is optional."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class DeviceHash:
    """Hashes rows `[device_id, *DEVICE_COLUMNS]`."""

    def __init__(self, volatile: Collection[str]) -> None:
        self._volatile = tuple((name, index) for name, index in _SORTED if name in volatile)

    def of(self, row: Sequence[Any]) -> tuple[str, str]:
        """`row_version` and `tracked_version`, 64 hex digits each."""
        values = {name: row[index] for name, index in _SORTED if row[index] is not None and row[index] != ""}
        for name in ("dn_tags", "extra", "rps_expires_at"):
            if name in values:
                values[name] = canonical(name, values[name])
                if values[name] is None:
                    del values[name]
        row_version = hashlib.sha256(orjson.dumps(values)).hexdigest()
        tracked = row_version
        if any(name in values for name, _ in self._volatile):
            for name, _ in self._volatile:
                values.pop(name, None)
            tracked = hashlib.sha256(orjson.dumps(values)).hexdigest()
        return row_version, tracked


def fingerprint_part(device_id: int, row_version: str) -> int:
    """What one device adds to the fingerprint of a snapshot: a number below 2^128."""
    return int.from_bytes(hashlib.sha256(f"{device_id}:{row_version}".encode()).digest()[:16], "big")


def _sorted_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted_lists(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted((_sorted_lists(inner) for inner in value), key=canonical_json)
    return value
