"""Where a history goes on after an archive: its rows of status `join`, one for each PBX that the archive has.

A join has the head of the archived chain as its `chain`: the next row of the PBX is chained to that. Its `detail` says
which rows stayed (as a sum of hashes) and what the archived runs hashed to. All joins of one archive have the same
`root`, a hash over all of them, and the next run is bound to that root like to a run. Their `started_at` is the newest
one that the history had then: so the next run finds them among recent rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from dlt_threecx.integrity.ledger import SEAL_MODULUS, ledger_text
from dlt_threecx.integrity.row_hash import canonical_json

__all__ = ["Archived", "Join", "join_id", "join_of", "joins_root", "kept_row_part", "kept_version_part"]

_SUFFIX = "-join"


@dataclass(frozen=True)
class Archived:
    """What a join says of the archive, as JSON in its `detail`."""

    archive: str
    """Name of the file, without its folder."""
    before: str
    """The time that was asked for."""
    attempts: int
    versions: int
    """How many rows the archive took of this PBX."""
    kept: str
    """Sum over the rows of this PBX that stayed although they are older than the join: 32 hex digits."""
    runs: Mapping[str, str] = field(default_factory=dict)
    """Root → seal of the archived runs that runs of the history follow."""

    def text(self) -> str:
        """The JSON."""
        return canonical_json(asdict(self)).decode()


@dataclass(frozen=True)
class Join:
    """One row of status `join`."""

    pbx: str
    snapshot_id: str
    at: datetime
    """The last archived attempt."""
    head: str
    """The chain of the last archived row."""
    devices: int
    fingerprint: str
    archived: Archived


def join_id(snapshot_id: str) -> str:
    """Names a join: sorts just after the last archived attempt, and before the next one."""
    return snapshot_id.removesuffix(_SUFFIX) + _SUFFIX


def join_of(row: Mapping[str, Any]) -> Join:
    """The join in a row of the ledger. Raises ValueError when its detail is not what a join has."""
    try:
        archived = Archived(**json.loads(row["detail"] or ""))
    except TypeError as error:
        raise ValueError(str(error)) from error
    return Join(
        row["pbx"],
        row["snapshot_id"],
        row["taken_at"],
        row["chain"],
        row["devices"] or 0,
        row["fingerprint"] or "",
        archived,
    )


def joins_root(rows: Sequence[Mapping[str, Any]]) -> str:
    """The root of all joins of one archive: 64 hex digits over their content, whatever `root` says in them."""
    texts = sorted([ledger_text({**row, "root": None, "status": "join"}).decode(), row["chain"]] for row in rows)
    return hashlib.sha256(canonical_json(texts)).hexdigest()


def kept_row_part(row: Mapping[str, Any]) -> int:
    """What a row of the ledger that stayed adds to `kept`."""
    return _number(ledger_text(row) + str(row["chain"]).encode())


def kept_version_part(snapshot_id: str, sealed: Iterable[Any]) -> int:
    """What a version that stayed adds to `kept`; `sealed` are its values that a seal is made of."""
    return _number(":".join((snapshot_id, *map(str, sealed))).encode())


def _number(text: bytes) -> int:
    return int.from_bytes(hashlib.sha256(text).digest()[:16], "big") % SEAL_MODULUS
