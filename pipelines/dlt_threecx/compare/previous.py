"""What the destination held of a PBX before this run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlt_threecx.compare.differences import Difference
from dlt_threecx.integrity.row_hash import ROW_FORMAT
from dlt_threecx.snapshot.reading import Identity

__all__ = ["PbxState", "StoredPbx"]


@dataclass(frozen=True)
class PbxState:
    """The last attempt and the last complete snapshot of one PBX, as rows of the ledger; None when there is none."""

    last: Mapping[str, Any] | None = None
    complete: Mapping[str, Any] | None = None

    @property
    def last_at(self) -> datetime | None:
        """No later attempt may have an earlier time than this."""
        times = [row[name] for row in (self.last, self.complete) if row for name in ("started_at", "taken_at")]
        return max((at for at in times if at is not None), default=None)

    @property
    def last_complete_at(self) -> datetime | None:
        """The last complete snapshot."""
        return self.complete["taken_at"] if self.complete else None

    @property
    def identity(self) -> Identity | None:
        """The PBX of which the last complete snapshot was taken."""
        last = self.complete
        return Identity(last["base_url"], last["pbx_version"], last["pbx_fqdn"]) if last else None

    @property
    def last_id(self) -> str | None:
        """The last attempt."""
        return self.last["snapshot_id"] if self.last else None

    @property
    def chain(self) -> str | None:
        """Head of the chain."""
        return self.last["chain"] if self.last else None

    def has_content(self, fingerprint: str | None, devices: int | None) -> bool:
        """Whether the last complete snapshot held exactly these devices."""
        last = self.complete
        return last is not None and (last["fingerprint"], last["devices"], last["row_format"]) == (
            fingerprint,
            devices,
            ROW_FORMAT,
        )

    @property
    def snapshot_id(self) -> str | None:
        """The last complete snapshot."""
        return self.complete["snapshot_id"] if self.complete else None


@dataclass(frozen=True)
class StoredPbx:
    """What the destination holds of one PBX."""

    state: PbxState
    differences: Iterable[Difference]
    """What differs in the snapshot, ascending by device_id."""
    rows: Callable[[Sequence[int]], Mapping[int, Mapping[str, Any]]]
    """device_ids → the columns of their last versions."""
    before: PbxState
    """The state when the reading began. `state` is later when a run that was killed had to be finished first."""
    shape_text: str | None = None
    """The last `shape` in the ledger."""

    @property
    def shape(self) -> dict[str, str]:
        """Every property that was ever seen on this PBX, and its JSON type."""
        shape: dict[str, str] = json.loads(self.shape_text or "{}")
        return shape
