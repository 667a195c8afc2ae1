"""What a proof reads, and what it can find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Disagreement", "Log"]


class Log(Protocol):
    """The tables to verify, to read only."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Column names and rows."""


@dataclass(frozen=True)
class Disagreement:
    """What is not as it was written: the snapshot, and the device and field where they are known."""

    snapshot_id: str | None
    what: str
    device_id: int | None = None
    field: str | None = None
