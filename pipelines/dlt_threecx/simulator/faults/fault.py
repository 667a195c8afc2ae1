"""A fault: a function that answers instead of a PBX that works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from dlt_threecx.simulator.messages import Call, Response
from dlt_threecx.simulator.tokens import Tokens

__all__ = ["TABLE", "Act", "Fault", "Target", "Visit", "Where", "fault"]

Where = Literal["page", "token"]
"""Which requests a fault applies to: those for SipDevices, or those for a token."""


class Target(Protocol):
    """What a fault may touch of a PBX."""

    base_url: str
    tokens: Tokens

    @property
    def page_cap(self) -> int:
        """The largest `$top` that it takes."""

    def restart(self, requests: int = 3) -> None:
        """Kills all tokens, and answers this many requests with 503 and HTML."""


class Visit(NamedTuple):
    """One request that a fault applies to."""

    pbx: Target
    call: Call
    number: int
    """1 for the first such request."""
    honest: Callable[[], Response]
    """Returns what the PBX would have answered."""


Act = Callable[[Visit], Response]


class Fault(NamedTuple):
    """A named fault, when it begins and how long it lasts if nobody says otherwise."""

    description: str
    act: Act
    where: Where
    after: int
    times: int | None


TABLE: dict[str, Fault] = {}
"""Every fault by its name."""


def fault(where: Where = "page", *, after: int = 0, times: int | None = None) -> Callable[[Act], Act]:
    """Enters a function into the table: under its own name, described by its docstring's first line.

    It starts after this many requests and applies this many times; None: for ever.
    """

    def enter(act: Act) -> Act:
        description = (act.__doc__ or "").partition("\n")[0]
        TABLE[act.__name__] = Fault(description, act, where, after, times)
        return act

    return enter
