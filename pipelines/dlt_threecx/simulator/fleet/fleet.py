"""The devices of one simulated PBX as it serves them: in the shape of a release, kept ready as JSON."""

from collections.abc import Sequence
from random import Random

from dlt_threecx.simulator.fleet.days import Day, day
from dlt_threecx.simulator.fleet.new_device import Row
from dlt_threecx.simulator.fleet.releases import served, served_dn
from dlt_threecx.simulator.fleet.roster import Roster
from dlt_threecx.simulator.json_text import compact
from dlt_threecx.simulator.schema import SHAPES

__all__ = ["Fleet"]


class Fleet(Roster):
    """A roster in the shape of a release, which changes from day to day."""

    def __init__(self, devices: int = 500, seed: int = 1, shape: str = "20.0.4", *, record: bool = False) -> None:
        """`record` keeps every state that the fleet was in, see `states`."""
        super().__init__(devices, seed, record=record)
        self._fragments: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
        self.shape = shape

    @property
    def shape(self) -> str:
        """Which release's shape the rows are served in; set it to upgrade the PBX."""
        return self._shape

    @shape.setter
    def shape(self, shape: str) -> None:
        if shape not in SHAPES:
            raise ValueError(f"no shape {shape!r}; there are: {', '.join(SHAPES)}")
        with self.lock:
            self._shape = shape
            self._version += 1
            self._fragments = ({}, {})

    def served(self, expand_dn: bool = True) -> list[Row]:
        """Every row as JSON shows it in the present shape, by Id."""
        return [self._served(row, expand_dn) for row in self._rows]

    def fragments(self, rows: Sequence[Row], expand_dn: bool) -> list[bytes]:
        """The JSON text of these rows in the present shape."""
        if self._opened:
            return [compact(self._served(row, expand_dn)) for row in rows]
        cache = self._fragments[expand_dn]
        out = []
        for row in rows:
            fragment = cache.get(row["Id"])
            if fragment is None:
                fragment = cache[row["Id"]] = compact(self._served(row, expand_dn))
            out.append(fragment)
        return out

    def next_day(self) -> Day:
        """Lets a day pass: phones come, go and come back, firmware is rolled out, people move. Says what."""
        with self.changing():
            self.days += 1
            return day(self, Random(f"{self.seed}/day/{self.days}"))

    def _served(self, row: Row, expand_dn: bool) -> Row:
        out = served(row, self._shape)
        if expand_dn and (dn := served_dn(row)) is not None:
            out["DN"] = dn
        return out

    def _forget(self, device_id: int) -> None:
        super()._forget(device_id)
        for cache in self._fragments:
            cache.pop(device_id, None)
