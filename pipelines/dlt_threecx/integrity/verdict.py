"""What a proof finds: a verdict for each PBX, and the first thing that disagrees."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from dlt_threecx.integrity.join import Join

__all__ = ["Disagreement", "Verdict"]


@dataclass(frozen=True)
class Disagreement:
    """What is not as it was written: the snapshot, and the device and field where they are known."""

    snapshot_id: str | None
    what: str
    device_id: int | None = None
    field: str | None = None
    do: str = "Compare with a backup of the destination"


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
    begins: Join | None = None
    """Where the history begins, when what was before it is in an archive."""
    joins: list[Join] = field(default_factory=list, repr=False)
    """Where an archive and what follows it were found to meet."""
