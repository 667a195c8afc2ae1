"""The OData types that each release of the API has."""

from __future__ import annotations

__all__ = ["PEER_TYPES", "SHAPES", "TYPES", "VERSIONS", "Properties"]


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
