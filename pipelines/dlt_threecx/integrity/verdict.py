"""What a proof finds: a verdict for each PBX, and the first thing that disagrees."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Disagreement", "Verdict"]


@dataclass(frozen=True)
class Disagreement:
    """What is not as it was written: the snapshot, and the device and field where they are known."""

    snapshot_id: str | None
    what: str
    device_id: int | None = None
    field: str | None = None


@dataclass
class Verdict:
    """What was found in the history of a PBX; `disagreement` is the first one, None when all agrees."""

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
