"""What a history must say, worked out the slow way: whole rows of the API, kept and compared one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Row = dict[str, Any]

PATHS = {
    "mac": "Registrar.MAC",
    "vendor": "Registrar.Vendor",
    "model": "Registrar.Model",
    "firmware_version": "Registrar.FirmwareVersion",
    "firmware_available": "Registrar.FirmwareAvailable",
    "user_agent": "Registrar.UserAgent",
    "ip_address": "Registrar.IpAddress",
    "capabilities": "Registrar.Capabilities",
    "dn_id": "DN.Id",
    "dn_number": "DN.Number",
    "dn_name": "DN.Name",
    "dn_type": "DN.Type",
    "dn_hidden": "DN.Hidden",
    "dn_tags": "DN.Tags",
    "online": "Online",
    "hot_desking": "HotDesking",
    "firmware_category": "Category",
    "assigned_firmware": "AssignedFirmware",
    "custom_firmware": "CustomFirmware",
    "firmware_latest_id": "Registrar.FirmwareLatestId",
    "firmware_outdated": "Registrar.FirmwareOutdated",
    "registrar_id": "Registrar.Id",
    "is_dect_device": "Registrar.IsDectDevice",
    "is_router": "Registrar.IsRouter",
    "model_mismatch": "Registrar.ModelMismatch",
    "prov_type": "Registrar.ProvType",
    "rps_capable": "Registrar.RpsCapable",
    "rps_expires_at": "Registrar.RpsExpirationUTC",
    "sbc_name": "Registrar.SbcName",
    "sbc_display_name": "Registrar.SbcDisplayName",
    "template_model": "Registrar.TemplateModel",
}
"""Column → where the API has it; the columns that hold no secret."""


def columns(item: Mapping[str, Any]) -> Row:
    """The columns of one row of the API."""
    row = {name: None if (value := _at(item, path)) == "" else value for name, path in PATHS.items()}
    if isinstance(row["firmware_available"], bool):
        row["firmware_available"] = "true" if row["firmware_available"] else "false"
    tags = row["dn_tags"]
    row["dn_tags"] = json.dumps(sorted(tags), ensure_ascii=False, separators=(",", ":")) if tags else None
    if row["rps_expires_at"] is not None:
        row["rps_expires_at"] = datetime.fromisoformat(row["rps_expires_at"])
    return row


def stored(row: Mapping[str, Any]) -> Row:
    """The same columns of a row of the history."""
    return {name: row[name] for name in PATHS}


class Model:
    """A history without hashes, ledgers or differences."""

    def __init__(self) -> None:
        self.there: dict[int, Row] = {}
        self.gone: set[int] = set()

    def day(self, items: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, list[str]]]:
        """Device, change and changed fields that this reading must leave, by device."""
        now = {item["Id"]: columns(item) for item in items}
        changes: list[tuple[int, str, list[str]]] = []
        for device in sorted(now.keys() | self.there.keys()):
            if device not in now:
                changes.append((device, "removed", []))
            elif device not in self.there:
                changes.append((device, "returned" if device in self.gone else "added", []))
            elif fields := [name for name in PATHS if self.there[device][name] != now[device][name]]:
                changes.append((device, "refreshed" if fields == ["online"] else "changed", fields))
        self.gone = (self.gone | self.there.keys()) - now.keys()
        self.there = now
        return changes


def _at(item: Mapping[str, Any], path: str) -> Any:
    value: Any = item
    for name in path.split("."):
        value = (value or {}).get(name)
    return value
