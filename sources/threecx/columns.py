"""The columns of a device: where each comes from, its type, and what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from dlt.common.data_types import TDataType
    from dlt.common.schema.typing import TColumnSchema

__all__ = ["COLUMNS", "DLT_COLUMNS", "Column", "ColumnType"]

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

_DLT_TYPES: dict[ColumnType, TDataType] = {
    "text": "text",
    "integer": "bigint",
    "boolean": "bool",
    "time": "timestamp",
    "json": "text",
    "secret": "text",
}

DLT_COLUMNS: dict[str, TColumnSchema] = {
    "device_id": {"data_type": "bigint", "nullable": False, "description": "Id of the device in its PBX"},
    **{column.name: {"data_type": _DLT_TYPES[column.type], "description": column.meaning} for column in COLUMNS},
    "extra": {
        "data_type": "text",
        "description": "JSON: properties without a column of their own, secrets by name removed",
    },
}
"""Name and dlt hints of every column that comes from the API, in order."""
