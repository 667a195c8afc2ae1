"""Chain heads, appended to a file of the user's choice after every run: whoever keeps it can prove later edits."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from dlt_threecx.integrity.ledger import LedgerRow

__all__ = ["append_heads"]

_log = logging.getLogger(__name__)


def append_heads(file: Path, rows: Iterable[LedgerRow]) -> None:
    """Appends `TIME PBX SNAPSHOT_ID HEAD` for each attempt.

    The history is loaded already: a file that cannot be written is a warning.
    """
    lines = (f"{row.started_at:%Y-%m-%dT%H:%M:%SZ} {row.pbx} {row.snapshot_id} {row.chain}\n" for row in rows)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as heads:
            heads.write("".join(lines))
    except OSError as error:
        _log.warning("heads_file %s: %s. The heads of this run are not in it", file, error.strerror)
