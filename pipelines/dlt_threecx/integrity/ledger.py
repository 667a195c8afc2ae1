"""The ledger: one row per attempt and PBX, each bound to the one before it by a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dlt_threecx.integrity.row_hash import canonical_json
from dlt_threecx.tables import CHANGES, LEDGER, Change, Status

__all__ = ["GENESIS", "Head", "LedgerRow", "chained", "ledger_text", "new_snapshot_id", "not_before", "version_part"]

SEAL_MODULUS = 2**128
GENESIS = "0" * 64
"""What the first row of a PBX is chained to."""

_CHAINED = tuple(column.name for column in LEDGER if column.name != "chain")
_TICK = timedelta(microseconds=1)
_ID_TIME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One attempt; the meaning of each column stands in `tables.LEDGER`. Times are UTC."""

    pbx: str
    snapshot_id: str
    base_url: str
    status: Status
    started_at: datetime
    reason: str | None = None
    detail: str | None = None
    taken_at: datetime | None = None
    duration_seconds: float | None = None
    devices: int | None = None
    reported_count: int | None = None
    pages: int | None = None
    requests: int | None = None
    walks: int | None = None
    page_size: int | None = None
    consistency: str | None = None
    filter: str | None = None
    search: str | None = None
    added: int | None = None
    changed: int | None = None
    removed: int | None = None
    returned: int | None = None
    refreshed: int | None = None
    rebaselined: int | None = None
    accepted: str | None = None
    because: str | None = None
    pbx_version: str | None = None
    pbx_fqdn: str | None = None
    shape: str | None = None
    row_format: int | None = None
    fingerprint_key_id: str | None = None
    fingerprint: str | None = None
    previous_snapshot_id: str | None = None
    previous_root: str | None = None
    root: str | None = None
    chain: str = ""

    def with_counts(self, counts: Mapping[Change, int]) -> LedgerRow:
        """The row with how many versions of each kind were written."""
        found: dict[str, Any] = {change: counts.get(change, 0) for change in CHANGES}
        return replace(self, **found)

    def values(self) -> dict[str, Any]:
        """Column name → value."""
        return dict(vars(self))


@dataclass(frozen=True)
class Head:
    """One row of the ledger, by its name and its chain."""

    pbx: str
    snapshot_id: str
    chain: str


def version_part(device_id: int, change: str, row_version: str, tracked_version: str, changed_fields: str) -> int:
    """What one row of device_versions adds to the seal of its snapshot: a number below 2^128.

    The seal, a sum modulo 2^128, is kept nowhere but in the chain; row_version stands for the device columns.
    """
    text = f"{device_id}:{change}:{row_version}:{tracked_version}:{changed_fields}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def chained(previous_chain: str | None, row: Mapping[str, Any], seal: int = 0) -> str:
    """The chain of a ledger row: SHA-256, 64 hex digits, over the previous row's chain and this row's content.

    `seal` is the sum of the snapshot's versions. So a row of either table that is changed, missing or put in between
    breaks the chain from there on.
    """
    bound = f"{previous_chain or GENESIS}{seal % SEAL_MODULUS:032x}".encode()
    return hashlib.sha256(bound + ledger_text(row)).hexdigest()


def ledger_text(row: Mapping[str, Any]) -> bytes:
    """What the chain hashes of a ledger row: canonical JSON of its columns that are not null, without the chain."""
    return canonical_json({name: _plain(row[name]) for name in _CHAINED if row[name] is not None})


def new_snapshot_id(at: datetime, last_id: str | None = None) -> str:
    """Sorts by time, comes after the last one and is unique: `20261103T070000.123456Z-3f9a1c`."""
    at = not_before(at, None if last_id is None else _id_time(last_id))
    return f"{at.astimezone(UTC):{_ID_TIME}}-{secrets.token_hex(3)}"


def _id_time(snapshot_id: str) -> datetime | None:
    try:
        return datetime.strptime(snapshot_id.partition("-")[0], _ID_TIME).replace(tzinfo=UTC)
    except ValueError:
        # Somebody has changed it: verify tells.
        return None


def not_before(at: datetime, last: datetime | None) -> datetime:
    """`at`, or just after `last` when the clock was set back: times of the ledger never run backwards."""
    return at if last is None or at > last else last + _TICK


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def key_id(fingerprint_key: str | None) -> str | None:
    """Names a fingerprint key without giving it away: 8 hex digits."""
    if not fingerprint_key:
        return None
    return hmac.digest(fingerprint_key.encode(), b"dlt-threecx fingerprint key", hashlib.sha256).hex()[:8]
