"""One SipDevice row as the simulator keeps it, before a shape says what of it is served."""

from random import Random
from typing import Any

from dlt_threecx.simulator.fleet.phone_models import ATA, DESK_MODELS, GATEWAY, PLACES, PhoneModel, people

__all__ = ["Maker", "Row", "blank_registrar", "link_of"]

Row = dict[str, Any]
"""Every property of every shape, null where it has no value:
`{"Id": 12, "PhoneWebPassword": …, "ProvLink": …, "Online": …, "Registrar": {…} | None, "DN": {…} | None}`."""

_WEIGHTS = [model.weight for model in DESK_MODELS]
_PEOPLE = people()
_REGISTRAR = (
    *("MAC", "Vendor", "Model", "FirmwareVersion", "FirmwareAvailable", "UserAgent", "IpAddress"),
    *("InterfaceLink", "Capabilities", "Id", "FirmwareLatestId", "FirmwareOutdated", "IsDectDevice"),
    *("IsRouter", "ModelMismatch", "ProvType", "RpsCapable", "RpsExpirationUTC", "SbcName"),
    *("SbcDisplayName", "TemplateModel"),
)
_TAGS: tuple[tuple[str, ...], ...] = ((),) * 12 + (
    ("WeakPass",),
    ("Principal",),
    ("Teams", "MS"),
    ("WakeUp",),
)
_CATEGORIES = ("TcxTested", "TcxTested", "VendorTested", "None")
_SYSTEM_LINES = ("Queue", "RingGroup", "IVR", "Parking")


def link_of(ip_address: str, token: str) -> str:
    """The phone's web page. The real one can carry access data, so this one does."""
    return f"http://{ip_address}/?token={token}"


def blank_registrar() -> Row:
    """What is known of a phone that was never seen: nothing."""
    return dict.fromkeys(_REGISTRAR)


def softphone() -> Row:
    """What is known of an app: no address of its own, and empty texts where a phone has values."""
    empty = dict.fromkeys(("MAC", "FirmwareVersion", "IpAddress", "InterfaceLink"), "")
    named = {"Vendor": "3CX", "Model": "3CX App", "UserAgent": "3CX Mobile Client", "Capabilities": 0}
    return blank_registrar() | empty | named


class Maker:
    """Makes devices that look real, each from the next numbers of one seeded generator."""

    def __init__(self, rng: Random, expected: int) -> None:
        """`expected`: the size of the fleet; extensions get as many digits as it needs."""
        self._rng = rng
        self._made = 0
        self._seen_of_prefix: dict[str, int] = {}
        self._first_number = 100
        while self._first_number * 8 < expected:
            self._first_number *= 10
        self._mac_step = rng.randrange(1, 1 << 23) * 2 + 1

    def device(self, device_id: int) -> Row:
        """The next device.

        Fax adapters, trunks, phones without DN, unseen phones, softphones and system lines stand at fixed places.
        """
        index = self._made
        self._made += 1
        place = index % 100
        if place == 23:
            model = ATA
        elif place == 41:
            model = GATEWAY
        else:
            model = self._rng.choices(DESK_MODELS, _WEIGHTS)[0]
        row = self._full(device_id, index, model)
        if place == 7:
            row["DN"] = None
        elif place == 59:
            row["Registrar"] = blank_registrar() | {"MAC": row["Registrar"]["MAC"], "Vendor": model.vendor}
            row["Online"] = False
        elif place == 83:
            row["Registrar"] = row["PhoneWebPassword"] = None
            row["Online"] = False
        elif place == 91:
            row["Registrar"] = softphone()
            row["PhoneWebPassword"] = row["ProvLink"] = ""
        elif place == 94:
            row["Registrar"] = row["PhoneWebPassword"] = row["ProvLink"] = None
            kind = _SYSTEM_LINES[index // 100 % len(_SYSTEM_LINES)]
            row["DN"] |= {"Name": f"{kind} {index}", "Type": kind, "Tags": []}
        return row

    def dn(self, index: int, model: PhoneModel) -> Row:
        """A new line with the next number; which kind of line, the model says."""
        rng = self._rng
        name = rng.choice(_PEOPLE) if index % 29 else rng.choice(PLACES)
        kind = "Extension"
        if model is ATA:
            name, kind = f"Fax {index}", "Fax"
        elif model is GATEWAY:
            name, kind = f"Trunk {index}", "ExternalLine"
        return {
            "Id": 1000 + index,
            "Number": str(self._first_number + index),
            "Name": name,
            "Type": kind,
            "Hidden": index % 97 == 96,
            "Tags": list(rng.choice(_TAGS)) if kind == "Extension" else [],
        }

    def new_dn(self) -> Row:
        """A line that no device had before."""
        index = self._made
        self._made += 1
        return self.dn(index, DESK_MODELS[0])

    def ip_address(self) -> str:
        """A private address."""
        bits = self._rng.getrandbits(22)
        return f"10.{bits >> 16}.{(bits >> 8) & 255}.{1 + (bits & 255) % 254}"

    def secret(self) -> str:
        """Never a real one; every secret of the simulator can be found by its first letters."""
        return f"pw-secret-{self._rng.getrandbits(48):012x}"

    def _mac(self, model: PhoneModel) -> str:
        prefix = self._rng.choice(model.mac_prefixes)
        seen = self._seen_of_prefix.get(prefix, 0)
        self._seen_of_prefix[prefix] = seen + 1
        # an odd step visits all 2**24 numbers once, so no address comes twice
        return f"{prefix}{(seen + 1) * self._mac_step % (1 << 24):06X}"

    def _full(self, device_id: int, index: int, model: PhoneModel) -> Row:
        rng = self._rng
        mac, ip_address, newest = self._mac(model), self.ip_address(), model.releases[-1]
        firmware = rng.choice(model.releases)
        behind_sbc = index % 10 == 4
        password = "pw-secret-shared" if rng.random() < 0.15 else self.secret()
        return {
            "Id": device_id,
            "PhoneWebPassword": password,
            "ProvLink": f"https://pbx.example.com/provisioning/{self.secret()}/cfg{mac.lower()}",
            "Online": rng.random() < 0.9,
            "HotDesking": index % 41 == 40,
            "Category": rng.choice(_CATEGORIES),
            "AssignedFirmware": newest if index % 17 == 16 else None,
            "CustomFirmware": False,
            "Registrar": {
                "MAC": mac,
                "Vendor": model.vendor,
                "Model": model.model,
                "FirmwareVersion": firmware,
                "FirmwareAvailable": None if firmware == newest else newest,
                "UserAgent": model.user_agent(firmware),
                "IpAddress": f"SBC sbc{index % 3}" if behind_sbc else ip_address,
                "InterfaceLink": link_of(ip_address, self.secret()),
                "Capabilities": 0 if model is GATEWAY else 7,
                "Id": 5000 + index,
                "FirmwareLatestId": f"{model.vendor}-{model.model}-{newest}",
                "FirmwareOutdated": firmware != newest,
                "IsDectDevice": model.dect,
                "IsRouter": model is GATEWAY,
                "ModelMismatch": False,
                "ProvType": "SBC" if behind_sbc else "LocalLan",
                "RpsCapable": model.vendor in ("Yealink", "Fanvil", "Snom"),
                "RpsExpirationUTC": "2027-03-01T00:00:00Z" if index % 13 == 12 else None,
                "SbcName": f"sbc{index % 3}" if behind_sbc else None,
                "SbcDisplayName": f"Branch {index % 3}" if behind_sbc else None,
                "TemplateModel": model.model,
            },
            "DN": self.dn(index, model),
        }
