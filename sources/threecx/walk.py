"""The proven walk: one pass over all pages that holds every row once, or is thrown away.

Plain `$skip`/`$top` paging loses rows when the collection changes between two pages. So each page after the first
starts one row early, and these must agree: that row is the last one of the page before, the count is the same on
every page, as many distinct rows came as it says, and the last page had room for more. A walk in which they do not is
thrown away as a whole.

Why that is enough: in the order of `Id`, a page that begins with the row L holds all rows there are from L to its own
last row, and a page with room to spare all rows from L on. So the pages together leave no gap, whenever each was read:
a device that was there all the time is there. In another order a device is safe unless its own place in that order
changes while it is read.

With `twice`, each row was seen before and after the moment between the two walks, and the count says that there was no
other: the reading is the state of that moment. Only a row that changed and changed back between the two looks at it
escapes that; no client can see such a row without a version number, and the API has none.
"""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Thread
from typing import Generic, Protocol, TypeVar

from .client import Client
from .errors import DriftError, ProtocolError, QueryError
from .page import INT32, PATH, Drifted, Item, Page, device_id_of, page_of
from .query import Query

__all__ = ["Sink", "Walked", "walk"]

WORTH_A_THREAD_SECONDS = 0.002
"""A PBX that is waited for shorter than this is read one page at a time: threads would only slow that down."""

_CAP = re.compile(r"limit of '(\d+)' for Top")


class Sink(Protocol):
    """Takes the rows of one walk. Each walk has its own sink."""

    @property
    def content(self) -> object:
        """Equal for two sinks that hold the same rows; used only with `twice`."""

    def add(self, items: list[Item], /) -> None:
        """Takes some more rows, in order."""


SinkT = TypeVar("SinkT", bound=Sink)


@dataclass(frozen=True)
class Walked(Generic[SinkT]):
    """A proven reading, and how many pages and walks it took."""

    rows: SinkT
    count: int | None
    """What the PBX says: how many rows match, whatever `top` and `skip`."""
    taken_at: datetime
    pages: int
    walks: int
    page_size: int


class _Repeated(Drifted):
    """Two rows of a walk have the same Id: the list moved, or two devices share an Id."""

    def __init__(self, device_id: int, row: int) -> None:
        self.place = device_id, row
        super().__init__(f"Id {device_id} came twice, the second time at row {row}")


def walk(
    client: Client,
    query: Query,
    start: Callable[[], SinkT],
    progress: Callable[[int, int], None] | None = None,
) -> Walked[SinkT]:
    """All rows of `query`, proven, in a sink made by `start`; `progress` is called with the rows so far and in all.

    Raises DriftError after `max_walks` walks that could not be proven, ProtocolError when the same Id came twice at
    the same place in all of them, and whatever the client raises.
    """
    settings = client.settings
    page_size = settings.page_size
    previous: tuple[SinkT, datetime] | None = None
    fault, walks = "", 0
    repeated: list[tuple[int, int]] = []
    while walks < settings.max_walks:
        attempt = _Attempt(client, query, page_size)
        rows = start()
        try:
            for items in attempt.new_rows():
                rows.add(items)
                if progress is not None:
                    progress(attempt.received, attempt.wanted)
        except Drifted as drifted:
            walks, previous, fault = walks + 1, None, str(drifted)
            if isinstance(drifted, _Repeated):
                repeated.append(drifted.place)
            continue
        except QueryError as error:
            page_size = _smaller_cap(error, attempt.page_size)
            continue
        walks += 1
        taken_at = datetime.now(UTC)
        if settings.consistency == "twice":
            if previous is None or previous[0].content != rows.content:
                previous, fault = (rows, taken_at), "two walks in a row gave different rows"
                continue
            rows, taken_at = previous
        return Walked(rows, attempt.count, taken_at, attempt.pages, walks, attempt.page_size)
    asked = f"GET /xapi/v1/{PATH}, {walks} walks over all pages"
    if len(repeated) == walks > 1 and len(places := set(repeated)) == 1:
        [(device_id, row)] = places
        raise ProtocolError(
            asked,
            f"Id {device_id} came twice in each, always the second time at row {row}",
            "Nothing was loaded. The list does not move: in this 3CX several devices have one Id. Set filter to leave "
            "them out, and report it with the PBX's version",
        )
    raise DriftError(
        asked,
        f"none could be proven complete: {fault}",
        "Nothing was loaded. Run again when fewer devices change; max_walks allows more walks",
    )


def _smaller_cap(error: QueryError, page_size: int) -> int:
    """The page size that a 400 names. xAPI: "The limit of '100' for Top query has been exceeded. …"."""
    found = _CAP.search(error.got)
    if found and 2 <= int(found[1]) < page_size:
        return int(found[1])
    raise error


class _Attempt:
    """One walk in progress."""

    def __init__(self, client: Client, query: Query, page_size: int) -> None:
        self._client = client
        self._is_id_asked = query.has_key
        select = query.select if query.has_key else ("Id", *(query.select or ()))
        self._query = replace(query, count=True, orderby=query.total_order, select=select)
        self._last_id = INT32.start - 1
        self._seen: set[int] = set()
        self._is_done = False
        self.page_size = page_size
        self.received = self.wanted = self.pages = 0
        self.count: int | None = None
        self._shortest_wait = math.inf
        """Seconds in which there was nothing to do, at the fastest page."""

    def new_rows(self) -> Iterator[list[Item]]:
        """The rows page by page, each checked against the one before; raises Drifted."""
        top, skip = self._query.top, self._query.skip or 0
        first = self._page(skip, self.page_size)
        self.count = first.count
        self.wanted = max(0, first.count - skip)
        if top is not None:
            self.wanted = min(self.wanted, top)
        yield self._accept(first, overlap=False)
        if self._is_done:
            return
        # Fewer rows than asked for: the PBX has a lower cap of its own.
        self.page_size = size = min(self.page_size, self.received)
        for page in self._pages(skip, size):
            yield self._accept(page, overlap=True)

    def _pages(self, skip: int, size: int) -> Iterator[Page]:
        """The remaining pages, one after the other when the PBX is near."""
        # The first page had to connect; the second shows how far away the PBX is.
        yield self._page(skip + self.received - 1, size)
        if self._shortest_wait > WORTH_A_THREAD_SECONDS:
            yield from self._pages_ahead(skip, size)
            return
        while not self._is_done:
            yield self._page(skip + self.received - 1, size)

    def _pages_ahead(self, skip: int, size: int) -> Iterator[Page]:
        """The remaining pages in order, several asked for at once."""
        ahead: deque[tuple[int, Future[Page]]] = deque()
        end = skip + self.wanted
        while not self._is_done:
            expected = skip + self.received - 1
            if not ahead or ahead[0][0] != expected:
                # A page was shorter than asked for: what was asked ahead does not join it.
                ahead.clear()
                following = expected
            while len(ahead) < self._client.settings.pages_in_flight and (not ahead or following < end - 1):
                ahead.append((following, self._asked(following, size)))
                following += size - 1
            yield ahead.popleft()[1].result()

    def _asked(self, skip: int, size: int) -> Future[Page]:
        """A page that is being asked for, in a thread of its own. A walk that ends early does not wait for it."""
        future: Future[Page] = Future()

        def ask() -> None:
            try:
                future.set_result(self._page(skip, size))
            except BaseException as error:  # noqa: BLE001 - raised again where the page is wanted
                future.set_exception(error)

        Thread(target=ask, daemon=True).start()
        return future

    def _page(self, skip: int, top: int) -> Page:
        if self._query.top is not None:
            top = min(top, (self._query.skip or 0) + self._query.top - skip)
        began, worked = time.monotonic(), time.thread_time()
        body = self._client.get(PATH, self._query.page(skip=skip, top=top).encoded())
        waited = time.monotonic() - began - (time.thread_time() - worked)
        self._shortest_wait = min(self._shortest_wait, waited)
        return page_of(body, top, self._client.settings.base_url, self._client.quoted)

    def _accept(self, page: Page, *, overlap: bool) -> list[Item]:
        """The rows of a page that are new. Raises Drifted when it does not fit what came before."""
        self.pages += 1
        if page.count != self.count:
            raise Drifted(f"the count went from {self.count} to {page.count}")
        items = page.items
        quote, before = self._client.quoted, self.received - overlap
        ids = [device_id_of(item, row, quote) for row, item in enumerate(items, start=before + 1)]
        if overlap:
            if not ids or ids[0] != self._last_id:
                raise Drifted(f"the page after row {self.received} does not join it")
            items, ids = items[1:], ids[1:]
        if not items and self.received < self.wanted:
            raise Drifted(f"the rows ended at {self.received} of {self.wanted}")
        self._check_ids(ids)
        self.received += len(items)
        if self.received > self.wanted:
            raise Drifted(f"{self.received} rows came where {self.wanted} were announced")
        # A full last page proves nothing: count and rows of one answer may be of different moments.
        self._is_done = self.received == self.wanted and (not page.is_full or self.received == self._query.top)
        return items if self._is_id_asked else [_without_id(item) for item in items]

    def _check_ids(self, ids: list[int]) -> None:
        """Checks that each Id comes once. In the order of Id this needs no memory of all Ids."""
        is_by_id = self._query.is_by_id
        for row, device_id in enumerate(ids, start=self.received + 1):
            if is_by_id:
                if device_id < self._last_id:
                    raise Drifted(f"Id {device_id} came after Id {self._last_id}")
                if device_id == self._last_id:
                    raise _Repeated(device_id, row)
            elif device_id in self._seen:
                raise _Repeated(device_id, row)
            else:
                self._seen.add(device_id)
            self._last_id = device_id


def _without_id(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != "Id"}
