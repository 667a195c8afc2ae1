"""What can stand on a desk: phone models with their firmware, and the names of the people who sit there."""

import re
from typing import NamedTuple

__all__ = ["ATA", "DESK_MODELS", "GATEWAY", "GROUPS", "PLACES", "PhoneModel", "next_release", "people", "release_order"]


class PhoneModel(NamedTuple):
    """One model; `releases` go from the oldest firmware that is still found to the newest."""

    vendor: str
    model: str
    mac_prefixes: tuple[str, ...]
    releases: tuple[str, ...]
    agent: str
    """Format of the SIP User-Agent, with `{model}` and `{firmware}`."""
    weight: int
    """How often it is bought, in relation to the others."""
    dect: bool = False

    def user_agent(self, firmware: str) -> str:
        """Such as `Yealink SIP-T54W 96.86.0.100`."""
        return self.agent.format(model=self.model, firmware=firmware)


_YEALINK = ("805EC0", "805E0C", "249AD8", "44DBD2")
_YEALINK_AGENT = "Yealink SIP-{model} {firmware}"
_YEALINK_DECT_AGENT = "Yealink {model} {firmware}"
_GRANDSTREAM = ("000B82", "C074AD", "EC74D7")
_GRANDSTREAM_AGENT = "Grandstream {model} {firmware}"
_FANVIL_AGENT = "Fanvil {model} {firmware}"
_SNOM_AGENT = "snom{model}/{firmware}"

DESK_MODELS = (
    PhoneModel("Yealink", "T54W", _YEALINK, ("96.86.0.45", "96.86.0.70", "96.86.0.100"), _YEALINK_AGENT, 24),
    PhoneModel("Yealink", "T46U", _YEALINK, ("108.86.0.45", "108.86.0.90"), _YEALINK_AGENT, 16),
    PhoneModel("Yealink", "T31P", _YEALINK, ("124.85.0.40", "124.86.0.75"), _YEALINK_AGENT, 12),
    PhoneModel("Yealink", "W80B", _YEALINK, ("103.83.0.80", "103.83.0.130"), _YEALINK_DECT_AGENT, 3, True),
    PhoneModel("Fanvil", "X4U", ("0C383E",), ("2.12.1", "2.12.16.7", "2.12.19"), _FANVIL_AGENT, 10),
    PhoneModel("Fanvil", "V64", ("0C383E",), ("2.8.10", "2.12.7"), _FANVIL_AGENT, 6),
    PhoneModel("Snom", "D785", ("000413",), ("10.1.159.12", "10.1.175.16"), _SNOM_AGENT, 9),
    PhoneModel("Snom", "D865", ("000413",), ("10.1.148.1", "10.1.184.15"), _SNOM_AGENT, 5),
    PhoneModel("Grandstream", "GRP2614", _GRANDSTREAM, ("1.0.5.67", "1.0.11.6"), _GRANDSTREAM_AGENT, 7),
    PhoneModel("Gigaset", "N870 IP PRO", ("7C2F80", "589EC6"), ("2.39.0", "2.57.0"), "{model}/{firmware}", 3, True),
    PhoneModel("Htek", "UC926", ("001FC1",), ("2.42.6.5.38", "2.42.6.5.53"), "Htek {model} V{firmware}", 2),
)

ATA = PhoneModel("Grandstream", "HT802", _GRANDSTREAM, ("1.0.43.11", "1.0.51.1"), _GRANDSTREAM_AGENT, 0)
"""Carries a fax machine."""

GATEWAY = PhoneModel("Patton", "SN4141", ("00A0BA",), ("3.20.1-22074", "3.22.0-23061"), "Patton {model} {firmware}", 0)
"""Carries a trunk."""

_FIRST_NAMES = (
    *("Ada", "Bruno", "Chloé", "David", "Elif", "Fatma", "Grace", "Håkon", "Inês", "Jürgen", "Karel"),
    *("Łukasz", "María", "Noor", "Øyvind", "Priya", "Quentin", "Rosa", "Søren", "Tamás", "Ursula", "Zoë"),
    *("Μαρία", "Ольга", "美咲", "नेहा"),
)
_LAST_NAMES = (
    *("Almeida", "Bauer", "Çelik", "D'Angelo", "Eriksen", "Fischer", "García", "Horvát", "Ivanova", "Jansen"),
    *("Köhler", "Larsen", "Müller", "Novák", "O'Brien", "Petrov", "Quist", "Rossi", "Schröder", "Türk"),
    *("van der Berg", "Weiß", "Yılmaz", "Zieliński", "Παππάς", "佐藤"),
)
PLACES = (
    "Reception / Lobby",
    "Küche 2. OG",
    'Warehouse "East"',
    "Boardroom & Bar",
    "Lift, car 3",
    "Salle n° 4",
)
GROUPS = ("DEFAULT", "Sales", "Support", "Logistics", "Atelier Zürich")


def people() -> list[str]:
    """Every first name with every last name, `Zoë O'Brien`."""
    return [f"{first} {last}" for last in _LAST_NAMES for first in _FIRST_NAMES]


def next_release(firmware: str) -> str:
    """The release after this one: `10.1.175.16` becomes `10.1.175.21`."""
    digits = len(firmware) - len(firmware.rstrip("0123456789"))
    return f"{firmware[:-digits]}{int(firmware[-digits:]) + 5}"


def release_order(firmware: str) -> list[int]:
    """Sorts releases from old to new: `2.12.19` comes after `2.12.7`."""
    return [int(number) for number in re.findall(r"\d+", firmware)]
