"""The devices of a simulated PBX as rows: made from a seed, edited, recorded."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from threading import RLock
from typing import Any

from dlt_threecx.simulator.fleet.new_device import Maker, Row, blank_registrar

__all__ = ["Roster"]

FIRST_ID = 12
"""Lower Ids have long been used up."""


def _id(row: Row) -> int:
    device_id: int = row["Id"]
    return device_id


class Roster:
    """Devices in the order of their `Id`; the same seed and the same calls make the same devices.

    A row that was returned is never changed afterwards: an edit puts a new row in the place of the old one.
    """

    def __init__(self, devices: int, seed: int, *, record: bool) -> None:
        """`record` keeps every state that the roster was in, see `states`."""
        self.seed = seed
        self.lock = RLock()
        self._size = devices
        self.days = 0
        """How many days have passed."""
        self.gone: dict[int, Row] = {}
        """Removed devices by Id, as they last were; some come back."""
        self.states: list[dict[int, Row]] = []
        """With `record`: the rows by Id at the start and after every change, oldest first."""
        self._record = record
        self._depth = 0
        self._opened = False
        self._version = 0
        self._content: _Content | None = None
        self.start_recording(record)

    @property
    def maker(self) -> Maker:
        """Makes further devices."""
        return self._grown().maker

    @property
    def _rows(self) -> list[Row]:
        return self._grown().rows

    def _grown(self) -> "_Content":
        """Maker and rows; made when first needed, as a thousand fleets take their time."""
        if self._content is None:
            with self.lock:
                if self._content is None:
                    self._content = _Content(self.seed, self._size)
        return self._content

    # read

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, device_id: int) -> bool:
        at = self._place(device_id)
        return at < len(self._rows) and _id(self._rows[at]) == device_id

    @property
    def items(self) -> list[Row]:
        """The rows themselves, all properties of all shapes, by Id. May be edited in place: keep the order.

        From the first look on nothing is cached, as every row may change at any moment; that makes pages
        some ten times slower. To only read, take `rows()`.
        """
        self._opened = True
        return self._rows

    @property
    def version(self) -> int:
        """A number that changes whenever an answer could change."""
        self._version += self._opened
        return self._version

    def rows(self, start: int = 0, stop: int | None = None) -> list[Row]:
        """The rows at these places, to read only."""
        return self._rows[start:stop]

    def ids(self) -> list[int]:
        """All Ids, ascending."""
        return [_id(row) for row in self._rows]

    def find(self, device_id: int) -> Row:
        """The device's row now, to read only. KeyError if it is not there."""
        if device_id not in self:
            raise KeyError(device_id)
        return self._rows[self._place(device_id)]

    # change

    def add(self, properties: Mapping[str, Any] | None = None, *, device_id: int | None = None) -> Row:
        """A new device, merged with the given properties; without an Id it gets the next one."""
        properties = dict(properties or {})
        chosen = properties.setdefault("Id", self._grown().last_id + 1 if device_id is None else device_id)
        row = _merged(self.maker.device(chosen), properties)
        self.put(row)
        return row

    def put(self, row: Row) -> None:
        """Adds a row as it is. ValueError if its Id is taken."""
        with self.changing():
            if _id(row) in self:
                raise ValueError(f"there is a device {_id(row)} already")
            self._rows.insert(self._place(_id(row)), row)
            content = self._grown()
            content.last_id = max(content.last_id, _id(row))
            self.gone.pop(_id(row), None)
            self._forget(_id(row))

    def update(self, device_id: int, properties: Mapping[str, Any]) -> Row:
        """Changes some properties; `Registrar` and `DN` are merged, so that only what is named changes."""
        with self.changing():
            row = _merged(self.find(device_id), properties)
            self._rows[self._place(device_id)] = row
            self._forget(device_id)
            return row

    def remove(self, device_id: int) -> Row:
        """Takes a device away; `restore` brings it back. KeyError if it is not there."""
        with self.changing():
            row = self.find(device_id)
            del self._rows[self._place(device_id)]
            self.gone[device_id] = row
            self._forget(device_id)
            return row

    def restore(self, device_id: int) -> Row:
        """Brings a removed device back under its Id, as it was."""
        row = self.gone[device_id]
        self.put(row)
        return row

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Holds readers off, and makes one state of all changes inside."""
        with self.lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._record and self._depth == 0:
                    self.states.append(self._state())

    # record

    def start_recording(self, on: bool = True) -> None:
        """Forgets earlier states and starts with the present one."""
        self._record = on
        self.states = [self._state()] if on else []

    def always_there(self) -> set[int]:
        """The Ids that were there in every recorded state."""
        return set.intersection(*map(set, self.states)) if self.states else set()

    def _state(self) -> dict[int, Row]:
        return {_id(row): row for row in self._rows}

    def _place(self, device_id: int) -> int:
        return bisect_left(self._rows, device_id, key=_id)

    def _forget(self, device_id: int) -> None:
        """Notes that a device is another one from now on."""
        self._version += 1


class _Content:
    """The devices that a seed makes."""

    def __init__(self, seed: int, devices: int) -> None:
        self.maker = Maker(Random(f"{seed}/devices"), devices)
        self.rows: list[Row] = []
        rng = Random(f"{seed}/ids")
        device_id = FIRST_ID - 1
        for index in range(devices):
            # gaps: other phones were there before
            device_id += 1 if rng.random() < 0.92 else rng.randrange(2, 6)
            row = self.maker.device(device_id)
            if index % 33 == 32 and self.rows[-1]["DN"]:
                # a second phone on the same extension
                row["DN"] = dict(self.rows[-1]["DN"])
            self.rows.append(row)
        self.last_id = device_id
        """The highest Id that was ever used."""


def _merged(row: Row, properties: Mapping[str, Any]) -> Row:
    merged = row | dict(properties)
    for name in ("Registrar", "DN"):
        change = properties.get(name)
        if change is not None:
            blank = blank_registrar() if name == "Registrar" else {}
            merged[name] = (row.get(name) or blank) | dict(change)
    return merged
