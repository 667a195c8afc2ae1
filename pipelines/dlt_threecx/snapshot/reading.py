"""What a reading of one PBX is, and what reads PBXs. How they are read stands in `read_all.py`."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from dlt_threecx.settings.config import Config, PbxConfig
from dlt_threecx.snapshot.known_rows import KnownFile
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.source.errors import ThreecxError

__all__ = ["NO_OFFSET", "Identity", "Progress", "ReadAll", "Reading", "unforeseen", "with_nearest_clock"]

NO_OFFSET = timedelta()


class Progress(Protocol):
    """Called with the rows read so far and the rows in all of each PBX; with 0 of 0 when it failed."""

    def __call__(self, pbx: str, rows: int, total: int, /) -> None: ...


class Identity(NamedTuple):
    """Which PBX it was that a snapshot was taken of."""

    base_url: str
    version: str | None
    fqdn: str | None


@dataclass(frozen=True)
class Reading:
    """One PBX after its walk."""

    pbx: PbxConfig
    started_at: datetime
    seconds: float
    requests: int
    version: str | None
    outcome: Snapshot | ThreecxError
    clock_skew: timedelta | None = None
    """How far the PBX's clock is ahead of this machine's; None when it named no time."""
    fqdn: str | None = None
    """The PBX's own name; None where it does not say, or was not asked because it is the one that is known."""


def with_nearest_clock(readings: Sequence[Reading]) -> list[Reading]:
    """A PBX that failed without naming a time gets that of the PBX whose clock is nearest to this machine's."""
    nearest = min((r.clock_skew for r in readings if r.clock_skew is not None), key=abs, default=None)
    return [
        replace(reading, clock_skew=nearest)
        if reading.clock_skew is None and isinstance(reading.outcome, ThreecxError)
        else reading
        for reading in readings
    ]


class ReadAll(Protocol):
    """Reads every PBX of the settings, into files of a folder."""

    def __call__(
        self,
        config: Config,
        folder: Path,
        progress: Progress | None,
        clock_offset: timedelta,
        known: Mapping[str, Identity],
        files: Mapping[str, KnownFile],
        /,
    ) -> list[Reading]:
        """Every PBX, in their order; an error of one is its outcome, not an exception.

        `known` are the PBXs of which the last snapshots were taken, and `files` what was kept of them. `clock_offset`
        is added to all times: a simulated PBX may live on another day.
        """


def unforeseen(error: Exception, asked: str, do: str) -> ThreecxError:
    """An error that nobody foresaw. Its own words are left out: they may quote what the PBX sent."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    failure = ThreecxError(
        asked,
        f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}",
        f"Nothing was loaded. {do}",
    )
    failure.__cause__ = error
    return failure
