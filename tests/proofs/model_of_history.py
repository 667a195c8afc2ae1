"""What the views must say after some full snapshots, worked out with dictionaries; nothing here is from the product."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from tests.sync.model import PATHS, columns

Row = dict[str, Any]

SECRETS = {
    "phone_web_password_fp": ("PhoneWebPassword", "Registrar.PhoneWebPassword"),
    "prov_link_fp": ("ProvLink", "Registrar.ProvLink"),
    "interface_link_fp": ("Registrar.InterfaceLink",),
}
NAMES = (*PATHS, *SECRETS)
FIRST = {
    "Registrar": "MAC Vendor Model FirmwareVersion FirmwareAvailable UserAgent IpAddress PhoneWebPassword ProvLink "
    "InterfaceLink",
    "DN": "Number Name Type",
    "": "PhoneWebPassword ProvLink",
}
"""The texts that releases 20.0.4 to 20.0.10 and earlier ones have."""
FIRST_TYPES = {f"{of}.{name}".lstrip("."): "str" for of, names in FIRST.items() for name in names.split()} | {
    "Registrar.Capabilities": "int",
    "DN.Id": "int",
    "DN.Hidden": "bool",
    "DN.Tags": "list",
}
OWN = "Brand"
"""A property that has no column."""


class Version(NamedTuple):
    """One device after one snapshot in which it was not as before."""

    at: datetime
    change: str
    fields: tuple[str, ...]
    row: Row


@dataclass
class HistoryModel:
    """The history of one PBX."""

    types: dict[str, str] = field(default_factory=lambda: dict(FIRST_TYPES))
    """Path → the JSON type that it was last seen in."""
    key: str | None = None
    times: list[datetime] = field(default_factory=list)
    there: dict[int, Row] = field(default_factory=dict)
    log: dict[int, list[Version]] = field(default_factory=dict)

    def snapshot(self, at: datetime, key: str | None, items: Sequence[Mapping[str, Any]]) -> None:
        """Takes in a complete snapshot."""
        moved = self._moved(items) if self.times else self._moved(items) and set()
        if self.times and key != self.key:
            moved |= {path for paths in SECRETS.values() for path in paths}
        now = {item["Id"]: _row(item, key) for item in items}
        for device in now.keys() | self.there.keys():
            version = self._version(device, now.get(device), moved)
            if version:
                self.log.setdefault(device, []).append(Version(at, *version))
        self.times.append(at)
        self.there, self.key = now, key

    def _version(self, device: int, new: Row | None, moved: set[str]) -> tuple[str, tuple[str, ...], Row] | None:
        old = self.there.get(device)
        if new is None:
            return "removed", (), old or {}
        if old is None:
            return "returned" if device in self.log else "added", (), new
        differing = [name for name in (*NAMES, f"extra.{OWN}") if old[name] != new[name]]
        real = [name for name in differing if not moved & set(_paths(name))]
        if set(real) - {"online"}:
            return "changed", tuple(real), new
        if real and real == differing:
            return "refreshed", tuple(real), new
        return ("rebaselined", tuple(real), new) if differing else None

    def _moved(self, items: Sequence[Mapping[str, Any]]) -> set[str]:
        """Paths that are new or have another type, and after a downgrade those that the older release lacks."""
        seen: dict[str, set[str]] = {}
        for item in items:
            for path, value in _leaves(item):
                seen.setdefault(path, set()).add(type(value).__name__)
        now = {path: "|".join(sorted(kinds)) for path, kinds in seen.items()}
        moved = {path for path, kind in now.items() if self.types.get(path) != kind}
        newer = {path: kind for path, kind in self.types.items() if kind not in ("gone", FIRST_TYPES.get(path))}
        missing = newer.keys() - now.keys()
        if now and any(newer[path] == "bool" for path in missing):
            moved |= missing
            self.types |= {path: FIRST_TYPES.get(path, "gone") for path in missing}
        self.types |= now
        return moved

    def devices(self) -> dict[int, tuple[Any, ...]]:
        """Device → its row, first_seen_at and last_changed_at."""
        found = {}
        for device, row in self.there.items():
            log = self.log[device]
            changed = [version.at for version in log if version.change in ("added", "changed", "returned")]
            found[device] = (row, log[0].at, max(changed))
        return found

    def intervals(self) -> list[tuple[Any, ...]]:
        """device, valid_from, valid_to, opened_by, closed_by, row."""
        found = []
        for device, log in self.log.items():
            marks = [version for version in log if version.change != "refreshed"]
            for mark, after in zip(marks, [*marks[1:], None], strict=True):
                if mark.change != "removed":
                    end = (after.at, mark.change, after.change) if after else (None, mark.change, None)
                    found.append((device, mark.at, *end, mark.row))
        return found

    def changes(self) -> list[tuple[Any, ...]]:
        """changed_at, device, change, field, old and new value."""
        found: list[tuple[Any, ...]] = []
        for device, log in self.log.items():
            for before, version in zip([None, *log], log, strict=False):
                if version.change in ("changed", "refreshed") and before:
                    for name in version.fields:
                        values = _text(before.row[name]), _text(version.row[name])
                        found.append((version.at, device, version.change, name, *values))
                elif version.change != "rebaselined":
                    found.append((version.at, device, version.change, None, None, None))
        return found


def _row(item: Mapping[str, Any], key: str | None) -> Row:
    row = columns(item)
    for name, paths in SECRETS.items():
        values = [value for path in paths if (value := dict(_leaves(item)).get(path))]
        row[name] = (
            hmac.new(key.encode(), values[0].encode(), hashlib.sha256).hexdigest()[:16] if values and key else None
        )
    row[f"extra.{OWN}"] = item.get(OWN)
    return row


def _leaves(item: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for name, value in item.items():
        if name == "Id" or value is None or "@" in name:
            continue
        if name in ("DN", "Registrar"):
            found += [(f"{name}.{inner}", one) for inner, one in value.items() if one is not None and "@" not in inner]
        else:
            found.append((name, value))
    return found


def _paths(name: str) -> tuple[str, ...]:
    if name.startswith("extra."):
        return (name.removeprefix("extra."),)
    return SECRETS.get(name) or (PATHS[name],)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps(value)
