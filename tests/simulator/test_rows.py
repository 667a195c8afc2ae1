"""Rows have the properties and JSON types that 3CX publishes, in each shape, and look real."""

import json
from collections import Counter
from typing import Any

import pytest

from dlt_threecx.simulator import SHAPES, Fleet, Simulator
from tests.simulator.client import Client

REGISTRAR: dict[str, type] = {
    "Capabilities": int,
    "FirmwareAvailable": str,
    "FirmwareVersion": str,
    "InterfaceLink": str,
    "IpAddress": str,
    "MAC": str,
    "Model": str,
    "UserAgent": str,
    "Vendor": str,
}
SECRETS: dict[str, type] = {"PhoneWebPassword": str, "ProvLink": str}
DEVICE: dict[str, type] = {"Id": int, "Registrar": dict, "DN": dict}
DEVICE_LATER: dict[str, type] = {
    "Online": bool,
    "HotDesking": bool,
    "Category": str,
    "AssignedFirmware": str,
    "CustomFirmware": bool,
}
REGISTRAR_LATER: dict[str, type] = {
    "Id": int,
    "FirmwareAvailable": bool,
    "FirmwareLatestId": str,
    "FirmwareOutdated": bool,
    "IsDectDevice": bool,
    "IsRouter": bool,
    "ModelMismatch": bool,
    "ProvLink": str,
    "ProvType": str,
    "RpsCapable": bool,
    "RpsExpirationUTC": str,
    "SbcName": str,
    "SbcDisplayName": str,
    "TemplateModel": str,
}
DN: dict[str, type] = {"Id": int, "Number": str, "Name": str, "Type": str, "Hidden": bool, "Tags": list}
PEER_TYPES = [
    "None",
    "Extension",
    "Queue",
    "RingGroup",
    "IVR",
    "Fax",
    "Conference",
    "SpecialMenu",
    "Parking",
    "ExternalLine",
    "Group",
    "RoutePoint",
]
USER_TAGS = ["MS", "Teams", "Google", "WakeUp", "FaxServer", "Principal", "WeakID", "WeakPass", "WM", "AI"]
PUBLISHED = {
    "early": (DEVICE, REGISTRAR | SECRETS),
    "20.0.4": (DEVICE | SECRETS, REGISTRAR),
    "later": (DEVICE | SECRETS | DEVICE_LATER, REGISTRAR | REGISTRAR_LATER),
}


def walk(client: Client, **options: object) -> list[dict[str, Any]]:
    first = client.rows(top=100, expand="DN", **options)
    return first + client.rows(top=100, skip=100, expand="DN", **options)


def seen_types(rows: list[dict[str, Any]]) -> dict[str, set[type]]:
    seen: dict[str, set[type]] = {}
    for row in rows:
        for name, value in row.items():
            seen.setdefault(name, set()).add(type(value))
    return seen


@pytest.mark.parametrize("shape", SHAPES)
def test_every_published_property_and_no_other_is_served_in_its_json_type(shape: str) -> None:
    with Simulator(Fleet(devices=150, seed=7, shape=shape)) as simulator:
        rows = walk(Client(simulator).authorize())
    device, registrar = PUBLISHED[shape]
    assert seen_types(rows) == {name: {kind} for name, kind in device.items()}
    registrars = [row["Registrar"] for row in rows if "Registrar" in row]
    assert seen_types(registrars) == {name: {kind} for name, kind in registrar.items()}
    lines = [row["DN"] for row in rows if "DN" in row]
    assert seen_types(lines) == {name: {kind} for name, kind in DN.items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_nulls_are_left_out(shape: str) -> None:
    with Simulator(Fleet(devices=150, seed=7, shape=shape)) as simulator:
        text = json.dumps(walk(Client(simulator).authorize()))
    assert "null" not in text


def test_enumerations_are_published_names(client: Client) -> None:
    lines = [row["DN"] for row in walk(client) if "DN" in row]
    assert {line["Type"] for line in lines} <= set(PEER_TYPES)
    assert {tag for line in lines for tag in line["Tags"]} <= set(USER_TAGS)


def test_ids_are_int32_unique_and_ascending(client: Client) -> None:
    ids = [row["Id"] for row in walk(client)]
    assert ids == sorted(set(ids))
    assert 0 < ids[0] < ids[-1] < 1 << 31


def test_the_list_holds_more_than_plain_phones(client: Client) -> None:
    rows = walk(client)
    kinds = Counter(row["DN"]["Type"] if "DN" in row else "no DN" for row in rows)
    assert min(kinds[kind] for kind in ("Fax", "ExternalLine", "no DN")) >= 1
    assert kinds["Extension"] > 100
    assert any("Registrar" not in row for row in rows)
    assert any("Registrar" in row and "IpAddress" not in row["Registrar"] for row in rows)


def test_phones_look_real(client: Client) -> None:
    registrars = [row["Registrar"] for row in walk(client) if row.get("Registrar", {}).get("FirmwareVersion")]
    assert len({phone["Vendor"] for phone in registrars}) >= 5
    assert len({phone["MAC"] for phone in registrars}) == len(registrars)
    for phone in registrars:
        assert phone["FirmwareVersion"] in phone["UserAgent"]
        assert phone["Model"] in phone["UserAgent"]
        assert len(bytes.fromhex(phone["MAC"])) == 6
        assert phone["IpAddress"].startswith(("10.", "SBC "))
    assert 0 < sum("SBC" in phone["IpAddress"] for phone in registrars) < len(registrars) / 5


def test_what_a_real_list_holds_beside_phones_is_there() -> None:
    rows = Fleet(500, shape="later").served()
    apps = [row["Registrar"] for row in rows if row.get("Registrar", {}).get("Model") == "3CX App"]
    assert [(app["MAC"], app["IpAddress"]) for app in apps] == [("", "")] * 5
    assert {row["Category"] for row in rows} == {"None", "TcxTested", "VendorTested"}
    assert {"Queue", "RingGroup", "IVR", "Parking", "Fax", "Extension"} <= {
        row["DN"]["Type"] for row in rows if "DN" in row
    }


def test_names_are_not_only_ascii_and_some_hold_a_quote() -> None:
    names = [row["DN"]["Name"] for row in Fleet(500).rows() if row["DN"]]
    assert any(not name.isascii() for name in names)
    assert any("'" in name for name in names)
    assert any('"' in name for name in names)


def test_every_secret_says_so_and_some_phones_share_a_password() -> None:
    rows = Fleet(500).rows()
    passwords = Counter(row["PhoneWebPassword"] for row in rows if row["PhoneWebPassword"])
    links = [row["ProvLink"] for row in rows if row["ProvLink"]]
    pages = [row["Registrar"]["InterfaceLink"] for row in rows if row["Registrar"]]
    assert all(password.startswith("pw-secret-") for password in passwords)
    assert max(passwords.values()) > 10
    assert all(link.startswith("https://") and "/provisioning/pw-secret-" in link for link in links)
    assert all(not page or "/?token=pw-secret-" in page for page in pages)
    assert sum(not page for page in pages) < 15


def test_early_releases_keep_the_secrets_inside_the_registrar() -> None:
    fleet = Fleet(devices=3, shape="early")
    (kept, *_), (early, *_) = fleet.rows(), fleet.served()
    assert "PhoneWebPassword" not in early
    assert early["Registrar"]["PhoneWebPassword"] == kept["PhoneWebPassword"]
    assert early["Registrar"]["ProvLink"] == kept["ProvLink"]


def test_later_releases_say_only_whether_firmware_is_available() -> None:
    fleet = Fleet(devices=3, shape="later")
    fleet.update(fleet.ids()[0], {"Registrar": {"FirmwareAvailable": "9.9"}})
    fleet.update(fleet.ids()[1], {"Registrar": {"FirmwareAvailable": None}})
    first, second, _ = fleet.served()
    assert first["Registrar"]["FirmwareAvailable"] is True
    assert second["Registrar"]["FirmwareAvailable"] is False
    assert first["Registrar"]["ProvLink"] == first["ProvLink"]


def test_an_upgrade_changes_the_shape_of_every_row_and_the_version_but_no_device(
    simulator: Simulator, fleet: Fleet, client: Client
) -> None:
    before = fleet.ids()
    versions = set()
    for shape in SHAPES:
        fleet.shape = shape
        response, body = client.raw("GET", "/xapi/v1/SipDevices?$top=1")
        versions.add(response.headers["X-3CX-Version"])
        assert ("Online" in json.loads(body)["value"][0]) is (shape == "later")
    assert len(versions) == 3
    assert all(version.startswith("20.0.") for version in versions)
    assert fleet.ids() == before


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there are: early, 20\.0\.4, later"):
        Fleet(devices=1, shape="21")


def test_a_property_that_nobody_knows_is_served_where_it_was_put(fleet: Fleet, client: Client) -> None:
    fleet.update(fleet.ids()[0], {"Colour": "red", "Registrar": {"SipPin": "pw-secret-pin"}})
    (row,) = client.rows(top=1)
    assert (row["Colour"], row["Registrar"]["SipPin"]) == ("red", "pw-secret-pin")
