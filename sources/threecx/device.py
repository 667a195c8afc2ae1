"""One `SipDevices` row of the API as one row of columns, its secrets removed.

Nothing is dropped: what has no column of its own, or not the type of its column, goes into `extra`. Values that are
null, or properties that are missing (the API leaves nulls out), are None.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from .errors import ProtocolError

__all__ = [
    "COLUMNS",
    "DLT_COLUMNS",
    "SECRET_NAME",
    "Column",
    "DeviceReader",
    "fingerprint_of",
    "without_secrets",
]

ColumnType = Literal["text", "integer", "boolean", "time", "json", "secret"]


class Column(NamedTuple):
    """A column and where its value comes from; `later` paths are other places that some releases put it in."""

    name: str
    path: str
    type: ColumnType
    meaning: str
    later: tuple[str, ...] = ()


COLUMNS: tuple[Column, ...] = (
    Column("mac", "Registrar.MAC", "text", "MAC address, twelve upper-case hex digits"),
    Column("vendor", "Registrar.Vendor", "text", "maker of the phone"),
    Column("model", "Registrar.Model", "text", "model of the phone"),
    Column("firmware_version", "Registrar.FirmwareVersion", "text", "running firmware"),
    Column(
        "firmware_available",
        "Registrar.FirmwareAvailable",
        "text",
        "newer firmware that the PBX could push; true or false in later releases",
    ),
    Column("user_agent", "Registrar.UserAgent", "text", "SIP User-Agent"),
    Column("ip_address", "Registrar.IpAddress", "text", "registered address"),
    Column("capabilities", "Registrar.Capabilities", "integer", "bit field, its meaning is not published"),
    Column("dn_id", "DN.Id", "integer", "Id of the extension or other number that the device belongs to"),
    Column("dn_number", "DN.Number", "text", "that number"),
    Column("dn_name", "DN.Name", "text", "its name"),
    Column("dn_type", "DN.Type", "text", "its kind: Extension, Fax, ExternalLine …"),
    Column("dn_hidden", "DN.Hidden", "boolean", "whether it is hidden"),
    Column("dn_tags", "DN.Tags", "json", "JSON list of its tags"),
    Column("online", "Online", "boolean", "whether the phone is registered; volatile"),
    Column("hot_desking", "HotDesking", "boolean", "whether hot desking is on"),
    Column("firmware_category", "Category", "text", "firmware category"),
    Column("assigned_firmware", "AssignedFirmware", "text", "firmware assigned to this device"),
    Column("custom_firmware", "CustomFirmware", "boolean", "whether that firmware is custom"),
    Column("firmware_latest_id", "Registrar.FirmwareLatestId", "text", "newest firmware for the model"),
    Column("firmware_outdated", "Registrar.FirmwareOutdated", "boolean", "whether the running firmware is older"),
    Column("registrar_id", "Registrar.Id", "integer", "Id of the registrar entry"),
    Column("is_dect_device", "Registrar.IsDectDevice", "boolean", "whether it is a DECT handset or base"),
    Column("is_router", "Registrar.IsRouter", "boolean", "whether it is a router phone"),
    Column(
        "model_mismatch",
        "Registrar.ModelMismatch",
        "boolean",
        "whether the phone is another model than its template",
    ),
    Column(
        "prov_type",
        "Registrar.ProvType",
        "text",
        "how it is provisioned: LocalLan, RemoteExt, RemoteExtSipProxyMgr, SBC",
    ),
    Column("rps_capable", "Registrar.RpsCapable", "boolean", "whether the maker's redirection service knows it"),
    Column("rps_expires_at", "Registrar.RpsExpirationUTC", "time", "end of its entry there"),
    Column("sbc_name", "Registrar.SbcName", "text", "SBC that it sits behind"),
    Column("sbc_display_name", "Registrar.SbcDisplayName", "text", "name of that SBC"),
    Column("template_model", "Registrar.TemplateModel", "text", "model of its template"),
    Column(
        "phone_web_password_fp",
        "PhoneWebPassword",
        "secret",
        "keyed fingerprint of the web password",
        ("Registrar.PhoneWebPassword",),
    ),
    Column(
        "prov_link_fp",
        "ProvLink",
        "secret",
        "keyed fingerprint of the provisioning link",
        ("Registrar.ProvLink",),
    ),
    Column(
        "interface_link_fp",
        "Registrar.InterfaceLink",
        "secret",
        "keyed fingerprint of the link to its web page",
    ),
)
"""The device columns, in the order of a row; `device_id` goes before them and `extra` after."""

EXTRA = len(COLUMNS) + 1
"""Where `extra` stands in a row; `device_id` is first."""

_DLT_TYPES = {
    "text": "text",
    "integer": "bigint",
    "boolean": "bool",
    "time": "timestamp",
    "json": "text",
    "secret": "text",
}

DLT_COLUMNS: dict[str, dict[str, Any]] = {
    "device_id": {"data_type": "bigint", "nullable": False},
    **{column.name: {"data_type": _DLT_TYPES[column.type]} for column in COLUMNS},
    "extra": {"data_type": "text"},
}
"""Name and dlt hints of every column of a row, in order."""

SECRET_NAME = re.compile("password|secret|token|pin|key|link", re.IGNORECASE)
"""A property whose name holds one of these is a secret, wherever the API puts it."""

_TYPE_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_NOT_HEX = re.compile(r"[\s:.\-]")
_HEX12 = re.compile(r"[0-9A-Fa-f]{12}")
_PLAIN_MAC = re.compile(r"[0-9A-F]{12}")


class _Slot(NamedTuple):
    column: int
    type: ColumnType
    path: str


def _slots() -> dict[str, dict[str, _Slot]]:
    """Object name ("" for the row itself) → property name → where its value goes."""
    slots: dict[str, dict[str, _Slot]] = {"": {}, "DN": {}, "Registrar": {}}
    for index, column in enumerate(COLUMNS, start=1):
        for path in (column.path, *column.later):
            parent, _, name = path.rpartition(".")
            slots[parent][name] = _Slot(index, column.type, path)
    return slots


_SLOTS = _slots()


class DeviceReader:
    """Turns rows of the API into rows of columns.

    `shape` collects what it has met: property path → JSON type (`string`, `integer`, …; `boolean|string` when rows
    differ). Secrets leave a keyed fingerprint when there is a key, else nothing.
    """

    def __init__(self, fingerprint_key: str | None = None) -> None:
        self.shape: dict[str, str] = {}
        self._key = fingerprint_key.encode() if fingerprint_key else None

    def row(self, item: dict[str, Any]) -> list[Any]:
        """`[device_id, *COLUMNS, extra]` of one row of the API. Raises ProtocolError when it cannot be read."""
        row: list[Any] = [None] * (EXTRA + 1)
        extra: dict[str, Any] = {}
        try:
            row[0] = item["Id"]
            self._read("", item, row, extra)
            if extra:
                row[EXTRA] = json.dumps(extra, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        except (KeyError, RecursionError) as error:
            raise ProtocolError(
                "GET /xapi/v1/SipDevices",
                f"the device with Id {item.get('Id')} cannot be read ({type(error).__name__})",
                "Nothing was loaded. Report this with the PBX's version",
            ) from error
        return row

    # One loop, not many small functions: it runs for every property of every device.
    def _read(  # noqa: C901
        self, parent: str, item: dict[str, Any], row: list[Any], extra: dict[str, Any]
    ) -> None:
        slots, shape = _SLOTS[parent], self.shape
        for name, value in item.items():
            if value is None:
                continue
            slot = slots.get(name)
            if slot is None:
                self._read_unknown(parent, name, value, row, extra)
                continue
            index, column_type, path = slot
            kind = _TYPE_NAMES[value.__class__]
            if shape.get(path) != kind:
                self._note(path, kind)
            if column_type == "text":
                if kind == "string":
                    row[index] = value if index != 1 else normal_mac(value)
                elif kind in ("array", "object"):
                    extra[path] = without_secrets(value)
                else:
                    row[index] = json.dumps(value)
            elif column_type == "secret":
                if row[index] is None or not parent:
                    row[index] = fingerprint_of(value, self._key)
            elif column_type == kind:
                row[index] = value
                if kind == "integer" and not -(2**63) <= value < 2**63:
                    row[index], extra[path] = None, value
            else:
                converted = _converted(column_type, value)
                if converted is None:
                    extra[path] = without_secrets(value)
                row[index] = converted

    def _read_unknown(self, parent: str, name: str, value: Any, row: list[Any], extra: dict[str, Any]) -> None:
        path = f"{parent}.{name}" if parent else name
        if path == "Id" or "@" in name:
            return
        kind = _TYPE_NAMES[value.__class__]
        if kind == "object" and path in _SLOTS:
            self._read(path, value, row, extra)
            return
        self._note(path, kind)
        if not SECRET_NAME.search(name):
            extra[path] = without_secrets(value)

    def _note(self, path: str, kind: str) -> None:
        known = self.shape.get(path)
        self.shape[path] = kind if known is None else "|".join(sorted({*known.split("|"), kind}))


def normal_mac(text: str) -> str:
    """Twelve upper-case hex digits; a text that is no MAC address stays as it is."""
    if _PLAIN_MAC.fullmatch(text):
        return text
    digits = _NOT_HEX.sub("", text)
    return digits.upper() if _HEX12.fullmatch(digits) else text


def without_secrets(value: Any) -> Any:
    """The value without properties that are secrets by name, at any depth."""
    if isinstance(value, dict):
        return {name: without_secrets(v) for name, v in value.items() if not SECRET_NAME.search(name)}
    if isinstance(value, list):
        return [without_secrets(v) for v in value]
    return value


def fingerprint_of(secret: Any, key: bytes | None) -> str | None:
    """First 16 hex digits of HMAC-SHA-256; None without a key or for an empty secret."""
    if key is None or secret == "":
        return None
    text = secret if isinstance(secret, str) else json.dumps(secret, sort_keys=True)
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:16]


def _converted(column_type: ColumnType, value: Any) -> Any:
    """A value of another JSON type than its column's, where nothing is lost by it; else None."""
    if column_type == "json" and isinstance(value, list):
        return json.dumps(without_secrets(value), ensure_ascii=False, separators=(",", ":"))
    if column_type == "integer" and isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if column_type == "time" and isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            return None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return None
