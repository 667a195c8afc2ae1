"""A collection that changes while it is read, in few numbers: pages straight from a list, no HTTP.

The walk is the real one; only the client is replaced by another that answers from memory, so that thousands of
interleavings take seconds. Each state of the collection maps Id to a value; a value never comes back once it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import parse_qs

from dlt_threecx.source.client import Client
from dlt_threecx.source.settings import Settings

State = dict[int, int]
"""Id → value."""
Edit = Callable[[State], None]


class Moving(Client):
    """A client whose PBX changes before each page, and between the count and the rows of one answer."""

    def __init__(self, state: State, edits: Iterator[list[Edit]], *, cap: int = 100, **settings: Any) -> None:
        super().__init__(Settings("http://127.0.0.1", access_token="t", **settings))
        self.state = dict(state)
        self.states = [dict(state)]
        self.pages = 0
        self._edits = edits
        self._rows = sorted(self.state.items())
        self._cap = cap

    @property
    def always_there(self) -> set[int]:
        """The Ids that were in every state from the first look to the last."""
        return set.intersection(*map(set, self.states))

    def get(self, path: str, query: str = "") -> dict[str, Any]:
        options = {name: values[-1] for name, values in parse_qs(query).items()}
        self.pages += 1
        self._change()
        count = len(self.state)
        self._change()
        skip, top = int(options.get("$skip", 0)), min(self._cap, int(options["$top"]))
        chosen = self._rows[skip : skip + top]
        return {"@odata.count": count, "value": [{"Id": key, "Value": value} for key, value in chosen]}

    def _change(self) -> None:
        for edit in next(self._edits, []):
            edit(self.state)
            self.states.append(dict(self.state))
            self._rows = sorted(self.state.items())


class Editor:
    """Random edits that never make a row again that was there before."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._fresh = 0

    def bursts(self, rate: float) -> Iterator[list[Edit]]:
        """For ever: the edits of one moment, `rate` on average."""
        while True:
            burst: list[Edit] = []
            while self._random.random() < rate / (1 + rate):
                burst.append(self._random.choice((self.insert, self.insert, self.remove, self.remove, self.change)))
            yield burst

    def insert(self, state: State) -> None:
        self._fresh += 1
        # Between the others as well as behind them: an Id may be used again.
        state[self._random.randrange(1000) * 1000 + self._fresh] = self._fresh

    def remove(self, state: State) -> None:
        if state:
            del state[self._random.choice(list(state))]

    def change(self, state: State) -> None:
        if state:
            self._fresh += 1
            state[self._random.choice(list(state))] = -self._fresh


def initial(random: Random, devices: int) -> State:
    return dict.fromkeys(random.sample(range(0, 1_000_000, 1000), devices), 0)
