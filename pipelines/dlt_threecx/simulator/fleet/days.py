"""What a day does to a fleet, and what happens to it while somebody reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from dlt_threecx.simulator.fleet.new_device import Row, link_of
from dlt_threecx.simulator.fleet.phone_models import next_release, people, release_order
from dlt_threecx.simulator.fleet.roster import Roster

__all__ = ["Day", "change_something", "day"]

GO, COME, COME_BACK = 0.004, 0.004, 0.3
"""Share of the fleet that goes and that is new each day; share of the gone that comes back."""
NEW_ADDRESS, MOVE, ROTATE, RENAME, FLIP = 0.02, 0.005, 0.006, 0.003, 0.15
"""Share of the fleet to which each of these happens on a day."""
ROLL_OUT = 0.4
"""How likely a day sees a roll-out of firmware to half of a model's outdated phones."""
NEW_RELEASE = 0.1
"""How likely there is newer firmware for all of them on such a day, and no roll-out."""

_PEOPLE = people()

Ids = tuple[int, ...]


class Day(NamedTuple):
    """The Ids of the devices to which something happened; one may stand under several names."""

    number: int
    removed: Ids
    added: Ids
    returned: Ids
    upgraded: Ids
    """Run newer firmware now."""
    outdated: Ids
    """Newer firmware was released for them."""
    readdressed: Ids
    moved: Ids
    """Have another DN."""
    rotated: Ids
    """Have another web password."""
    renamed: Ids
    flipped: Ids
    """Went on or off line; shows in the `later` shape only."""


def day(roster: Roster, rng: Random) -> Day:
    """One day's changes. Phones that go, come or come back that day see nothing else of it."""
    back = _some(rng, sorted(roster.gone), COME_BACK)
    removed = _some(rng, roster.ids(), GO)
    for device_id in removed:
        roster.remove(device_id)
    stayed = roster.ids()

    def happens(share: float, change: Callable[[Roster, Random, int], bool]) -> Ids:
        return tuple(one for one in _some(rng, stayed, share) if change(roster, rng, one))

    upgraded, outdated = _rolled_out(roster, rng) if stayed and rng.random() < ROLL_OUT else ((), ())
    readdressed, moved = happens(NEW_ADDRESS, _readdress), happens(MOVE, _move)
    rotated, renamed, flipped = happens(ROTATE, _rotate), happens(RENAME, _rename), happens(FLIP, _flip)
    returned = tuple(one for one in back if one not in roster)
    for device_id in returned:
        roster.restore(device_id)
    added = tuple(roster.add()["Id"] for _ in range(_amount(rng, len(stayed) * COME)))
    return Day(
        *(roster.days, removed, added, returned, upgraded, outdated),
        *(readdressed, moved, rotated, renamed, flipped),
    )


def change_something(roster: Roster, rng: Random) -> None:
    """One change as it may fall between two pages: a new Id, a low Id used again, one less, or an edit."""
    ids = roster.ids()
    kind = rng.choice(("new", "low", "remove", "remove", "edit"))
    if kind == "new" or len(ids) < 2:
        roster.add()
    elif kind == "low":
        free = rng.randrange(1, ids[-1])
        roster.add(device_id=free if free not in roster else None)
    elif kind == "remove":
        roster.remove(rng.choice(ids))
    else:
        _rotate(roster, rng, rng.choice(ids))


def _amount(rng: Random, expected: float) -> int:
    return int(expected) + (rng.random() < expected % 1)


def _some(rng: Random, ids: Sequence[int], share: float) -> Ids:
    return tuple(sorted(rng.sample(ids, _amount(rng, len(ids) * share))))


def _readdress(roster: Roster, rng: Random, device_id: int) -> bool:
    registrar = roster.find(device_id)["Registrar"]
    if not registrar or not registrar.get("IpAddress") or "SBC" in registrar["IpAddress"]:
        return False
    address = roster.maker.ip_address()
    while address == registrar["IpAddress"]:
        address = roster.maker.ip_address()
    link = link_of(address, roster.maker.secret())
    roster.update(device_id, {"Registrar": {"IpAddress": address, "InterfaceLink": link}})
    return True


def _move(roster: Roster, rng: Random, device_id: int) -> bool:
    roster.update(device_id, {"DN": roster.maker.new_dn()})
    return True


def _rotate(roster: Roster, rng: Random, device_id: int) -> bool:
    roster.update(device_id, {"PhoneWebPassword": roster.maker.secret()})
    return True


def _rename(roster: Roster, rng: Random, device_id: int) -> bool:
    dn = roster.find(device_id)["DN"]
    if not dn or dn["Type"] != "Extension":
        return False
    roster.update(device_id, {"DN": {"Name": rng.choice([name for name in _PEOPLE if name != dn["Name"]])}})
    return True


def _flip(roster: Roster, rng: Random, device_id: int) -> bool:
    roster.update(device_id, {"Online": not roster.find(device_id)["Online"]})
    return True


def _rolled_out(roster: Roster, rng: Random) -> tuple[Ids, Ids]:
    """Half of a model's outdated phones get its newest firmware; now and then a newer one appears instead."""
    seen = [row for row in roster.rows() if row["Registrar"] and row["Registrar"]["FirmwareVersion"]]
    if not seen:
        return (), ()
    model = rng.choice(seen)["Registrar"]["Model"]
    phones = [row for row in seen if row["Registrar"]["Model"] == model]
    outdated = [row["Id"] for row in phones if row["Registrar"]["FirmwareAvailable"]]
    known = [row["Registrar"]["FirmwareAvailable"] or row["Registrar"]["FirmwareVersion"] for row in phones]
    newest = max(known, key=release_order)
    if not outdated or rng.random() < NEW_RELEASE:
        return (), _released(roster, next_release(newest), phones)
    upgraded = _some(rng, outdated, 0.5) or (rng.choice(outdated),)
    for device_id in upgraded:
        registrar = roster.find(device_id)["Registrar"]
        agent = (registrar["UserAgent"] or "").replace(registrar["FirmwareVersion"], newest)
        firmware = {"FirmwareVersion": newest, "FirmwareAvailable": None, "FirmwareOutdated": False}
        roster.update(device_id, {"Registrar": firmware | {"UserAgent": agent}})
    return upgraded, ()


def _released(roster: Roster, firmware: str, phones: Sequence[Row]) -> Ids:
    for row in phones:
        name = f"{row['Registrar']['Vendor']}-{row['Registrar']['Model']}-{firmware}"
        news = {"FirmwareAvailable": firmware, "FirmwareOutdated": True, "FirmwareLatestId": name}
        roster.update(row["Id"], {"Registrar": news})
    return tuple(row["Id"] for row in phones)
