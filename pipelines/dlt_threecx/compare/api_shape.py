"""The shape of the API as one PBX serves it: property path → JSON type.

An update of the PBX may add properties, move them or give them another type. That is a change of the API, not of a
thousand phones. The ledger keeps, for each PBX, the type in which every property was seen last; the properties of
20.0.4 to 20.0.10 count as seen from the start, because the API leaves nulls out. A row of the ledger has the shape only
when it is another than before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from dlt_threecx.source.columns import COLUMNS

__all__ = ["ABSENT", "BASELINE", "Shape", "merged", "moved", "shape_to_keep"]

Shape = Mapping[str, str]

ABSENT = "absent"
"""The type of a property that was served once and is no longer."""

_BASELINE_COLUMNS = frozenset({
    "mac", "vendor", "model", "firmware_version", "firmware_available", "user_agent", "ip_address", "capabilities",
    "dn_id", "dn_number", "dn_name", "dn_type", "dn_hidden", "dn_tags",
    "phone_web_password_fp", "prov_link_fp", "interface_link_fp",
})  # fmt: skip
_JSON_TYPES = {
    "text": "string",
    "integer": "integer",
    "boolean": "boolean",
    "json": "array",
    "secret": "string",
    "time": "string",
}

BASELINE: Shape = {
    path: _JSON_TYPES[column.type]
    for column in COLUMNS
    if column.name in _BASELINE_COLUMNS
    for path in (column.path, *column.later)
}
"""What 20.0.4 to 20.0.10 serve, and where early releases had the same properties."""


def moved(known: Shape, seen: Shape) -> frozenset[str]:
    """Paths whose type is another than before, or that were never there; `seen` is the shape of one snapshot.

    A property that is missing from a whole snapshot is no news, as nulls are left out. Only when a boolean, which is
    never null, is gone altogether has the PBX gone back to an older release: then all that it lacks has moved.
    """
    known = {**BASELINE, **known}
    news = {path for path, kind in seen.items() if known.get(path) != kind}
    later = {path: kind for path, kind in known.items() if kind not in (ABSENT, BASELINE.get(path))}
    gone = later.keys() - seen.keys()
    if seen and any(later[path] == "boolean" for path in gone):
        news |= gone
    return frozenset(news)


def merged(known: Shape, seen: Shape) -> dict[str, str]:
    """The shape after a snapshot."""
    gone = {path: BASELINE.get(path, ABSENT) for path in moved(known, seen) - seen.keys()}
    return dict(sorted({**known, **seen, **gone}.items()))


def shape_to_keep(known: Shape, seen: Shape) -> str | None:
    """What the ledger keeps of the shape after a snapshot, as JSON: nothing when it is as before."""
    shape = merged(known, seen)
    return None if shape == known else json.dumps(shape, separators=(",", ":"))
