"""The three shapes in which 3CX releases have served a SipDevice, and how a row looks in each."""

from collections.abc import Mapping
from typing import Any

from .catalogue import GROUPS
from .device import Row
from .odata import ODataError

__all__ = ["PEER_TYPES", "SHAPES", "TYPES", "VERSIONS", "Properties", "property_type", "served", "served_dn"]

SHAPES = ("early", "20.0.4", "later")
"""In the order in which a PBX is upgraded through them."""

VERSIONS = {"early": "20.0.0.1620", "20.0.4": "20.0.4.725", "later": "20.0.11.1006"}
"""What `X-3CX-Version` says in each shape. The numbers are made up."""

PEER_TYPES = (
    *("None", "Extension", "Queue", "RingGroup", "IVR", "Fax", "Conference", "SpecialMenu", "Parking"),
    *("ExternalLine", "Group", "RoutePoint"),
)

Properties = dict[str, str]
"""Property name to its OData type."""

_DEVICE: Properties = {"Id": "Edm.Int32", "Registrar": "Pbx.PhoneRegistrar", "DN": "Pbx.Peer"}
_SECRETS: Properties = {"PhoneWebPassword": "Edm.String", "ProvLink": "Edm.String"}
_DEVICE_LATER: Properties = {
    "Online": "Edm.Boolean",
    "HotDesking": "Edm.Boolean",
    "Category": "Edm.String",
    "AssignedFirmware": "Edm.String",
    "CustomFirmware": "Edm.Boolean",
}
_REGISTRAR: Properties = {
    "MAC": "Edm.String",
    "Vendor": "Edm.String",
    "Model": "Edm.String",
    "FirmwareVersion": "Edm.String",
    "FirmwareAvailable": "Edm.String",
    "UserAgent": "Edm.String",
    "IpAddress": "Edm.String",
    "InterfaceLink": "Edm.String",
    "Capabilities": "Edm.Int32",
}
_REGISTRAR_LATER: Properties = {
    "FirmwareAvailable": "Edm.Boolean",
    "Id": "Edm.Int32",
    "FirmwareLatestId": "Edm.String",
    "FirmwareOutdated": "Edm.Boolean",
    "IsDectDevice": "Edm.Boolean",
    "IsRouter": "Edm.Boolean",
    "ModelMismatch": "Edm.Boolean",
    "ProvLink": "Edm.String",
    "ProvType": "Edm.String",
    "RpsCapable": "Edm.Boolean",
    "RpsExpirationUTC": "Edm.DateTimeOffset",
    "SbcName": "Edm.String",
    "SbcDisplayName": "Edm.String",
    "TemplateModel": "Edm.String",
}
_SHARED: dict[str, Properties] = {
    "Pbx.Peer": {
        "Id": "Edm.Int32",
        "Number": "Edm.String",
        "Name": "Edm.String",
        "Type": "Pbx.PeerType",
        "Hidden": "Edm.Boolean",
        "Tags": "Collection(Pbx.UserTag)",
        "MemberOf": "Collection(Pbx.PeerGroup)",
    },
    "Pbx.PeerGroup": {
        "GroupID": "Edm.Int32",
        "Name": "Edm.String",
        "Number": "Edm.String",
        "RoleName": "Edm.String",
        "IsPrimary": "Edm.Boolean",
    },
}

TYPES: dict[str, dict[str, Properties]] = {
    "early": _SHARED | {"Pbx.SipDevice": _DEVICE, "Pbx.PhoneRegistrar": _REGISTRAR | _SECRETS},
    "20.0.4": _SHARED | {"Pbx.SipDevice": _DEVICE | _SECRETS, "Pbx.PhoneRegistrar": _REGISTRAR},
    "later": _SHARED
    | {
        "Pbx.SipDevice": _DEVICE | _SECRETS | _DEVICE_LATER,
        "Pbx.PhoneRegistrar": _REGISTRAR | _REGISTRAR_LATER,
    },
}
"""Shape to type to properties: what `$select`, `$filter`, `$orderby` and `$expand` may name."""

_HIDDEN_OF_DEVICE = {
    "early": frozenset(("DN", *_SECRETS, *_DEVICE_LATER)),
    "20.0.4": frozenset(("DN", *_DEVICE_LATER)),
    "later": frozenset(("DN",)),
}
_HIDDEN_OF_REGISTRAR = {
    "early": frozenset(_REGISTRAR_LATER.keys() - _REGISTRAR.keys()),
    "20.0.4": frozenset(_REGISTRAR_LATER.keys() - _REGISTRAR.keys()),
    "later": frozenset[str](),
}


def property_type(types: Mapping[str, Properties], owner: str, name: str) -> str:
    """The type of a property. ODataError if the owner has none of this name."""
    found = types.get(owner, {}).get(name)
    if found is None:
        raise ODataError(f"Could not find a property named '{name}' on type '{owner}'.")
    return found


def served(row: Row, shape: str) -> Row:
    """The row as JSON shows it in this shape, without `DN`: nulls left out, unknown properties kept."""
    hidden = _HIDDEN_OF_DEVICE[shape]
    out = {name: value for name, value in row.items() if value is not None and name not in hidden}
    if row.get("Registrar") is not None:
        out["Registrar"] = _registrar(row, shape)
    return out


def served_dn(row: Row, with_groups: bool = False) -> Row | None:
    """The row's `DN` as `$expand=DN` shows it; `MemberOf` needs an expand of its own."""
    dn: Mapping[str, Any] | None = row.get("DN")
    if dn is None:
        return None
    out = {name: value for name, value in dn.items() if value is not None}
    if with_groups:
        out.setdefault("MemberOf", _groups(dn))
    return out


def _registrar(row: Row, shape: str) -> Row:
    hidden = _HIDDEN_OF_REGISTRAR[shape]
    registrar: Row = row["Registrar"]
    out = {name: value for name, value in registrar.items() if value is not None and name not in hidden}
    inside = {"early": ("PhoneWebPassword", "ProvLink"), "later": ("ProvLink",)}.get(shape, ())
    for name in inside:
        if row.get(name) is not None:
            out.setdefault(name, row[name])
    if shape == "later":
        out["FirmwareAvailable"] = bool(registrar.get("FirmwareAvailable"))
    return out


def _groups(dn: Mapping[str, Any]) -> list[Row]:
    if dn.get("Type") != "Extension":
        return []
    chosen = int(dn["Id"]) % len(GROUPS)
    return [
        {
            "GroupID": 28 + chosen,
            "Name": GROUPS[chosen],
            "Number": f"GRP{chosen:04}",
            "RoleName": "users",
            "IsPrimary": True,
        }
    ]
