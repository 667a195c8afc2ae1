"""All faults by name, and which one is on."""

from typing import Literal

from dlt_threecx.simulator.faults import broken_bodies, error_statuses, other_hosts, wrong_pages  # noqa: F401 - importing them fills the table
from dlt_threecx.simulator.faults.fault import TABLE, Fault, Where

__all__ = ["FAULTS", "FaultPlan"]

FAULTS = {name: fault.description for name, fault in TABLE.items()}
"""Name to what it does, in one line."""


class FaultPlan:
    """The present fault, and to which requests it applies."""

    def __init__(self) -> None:
        """No fault at first."""
        self.name: str | None = None
        self._fault: Fault | None = None
        self._seen = 0
        self._after = 0
        self._times: int | None = None

    def set(
        self, name: str | None, after: int | None = None, times: int | Literal["default"] | None = "default"
    ) -> None:
        """Puts a fault in place of the present one; None takes it away. ValueError for an unknown name.

        It lets `after` requests pass and applies to `times` (None: for ever) of the next ones.
        """
        if name is not None and name not in TABLE:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(FAULTS)}")
        self.name = name
        self._fault = fault = None if name is None else TABLE[name]
        self._seen = 0
        if fault is not None:
            self._after = fault.after if after is None else after
            self._times = fault.times if times == "default" else times

    def next(self, where: Where) -> tuple[Fault | None, int]:
        """The fault for the request that has just come, and how often it has applied, this one included."""
        if self._fault is None or self._fault.where != where:
            return None, 0
        self._seen += 1
        number = self._seen - self._after
        strikes = number >= 1 and (self._times is None or number <= self._times)
        return (self._fault, number) if strikes else (None, 0)
