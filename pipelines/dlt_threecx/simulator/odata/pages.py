"""Answers a query over a fleet with one page of rows."""

from collections.abc import Callable
from typing import Any

from dlt_threecx.simulator.fleet.fleet import Fleet
from dlt_threecx.simulator.fleet.new_device import Row
from dlt_threecx.simulator.fleet.releases import served, served_dn
from dlt_threecx.simulator.json_text import compact
from dlt_threecx.simulator.odata.filters import predicate, search_predicate, sorters
from dlt_threecx.simulator.odata.options import Query
from dlt_threecx.simulator.odata.projection import Projection, projection

__all__ = ["Pages"]

_KEPT_SELECTIONS = 8
_BY_ID = (None, "Id", "Id asc")


class Pages:
    """The pages of one fleet."""

    def __init__(self, fleet: Fleet, cap: int) -> None:
        """`cap`: rows on a page that asks for no `$top`."""
        self._fleet = fleet
        self._cap = cap
        self._selections: dict[tuple[Any, ...], list[Row]] = {}

    def body(self, query: Query, base_url: str) -> bytes:
        """`{"@odata.context": "…", "@odata.count": 500, "value": [{"Id": 12, …}, …]}`.

        Raises ODataError for a name that the shape does not have, or an expression that makes no sense.
        """
        fleet = self._fleet
        asked = projection(query.select, query.expand, fleet.shape)
        stop = query.skip + (self._cap if query.top is None else query.top)
        if query.filter is None and query.search is None and query.orderby in _BY_ID:
            count, rows = len(fleet), fleet.rows(query.skip, stop)
        else:
            selection = self._selection(query)
            count, rows = len(selection), selection[query.skip : stop]
        head: Row = {"@odata.context": f"{base_url}/xapi/v1/$metadata#SipDevices{asked.context}"}
        head |= {"@odata.count": count} if query.with_count else {}
        return b"".join((compact(head)[:-1], b',"value":[', b",".join(self._fragments(rows, asked)), b"]}"))

    def _fragments(self, rows: list[Row], asked: Projection) -> list[bytes]:
        if asked.is_plain:
            return self._fleet.fragments(rows, "DN" in asked.expand)
        return [compact(asked.of(self._full(row))) for row in rows]

    def _full(self, row: Row) -> Row:
        """The row with everything that could be expanded in it."""
        dn = served_dn(row, with_groups=True)
        return served(row, self._fleet.shape) | ({} if dn is None else {"DN": dn})

    def _selection(self, query: Query) -> list[Row]:
        """All rows that match, in the order asked for; kept, as one walk asks for it page by page."""
        key = (self._fleet.version, query.filter, query.search, query.orderby)
        found = self._selections.get(key)
        if found is None:
            found = self._selected(query)
            if len(self._selections) >= _KEPT_SELECTIONS:
                del self._selections[next(iter(self._selections))]
            self._selections[key] = found
        return found

    def _selected(self, query: Query) -> list[Row]:
        shape = self._fleet.shape
        tests: list[Callable[[Row], bool]] = []
        if query.filter is not None:
            tests.append(predicate(query.filter, shape))
        if query.search is not None:
            tests.append(search_predicate(query.search))
        order = sorters(query.orderby or "Id", shape)
        pairs = [(row, full) for row in self._fleet.rows() for full in (self._full(row),)]
        pairs = [pair for pair in pairs if all(test(pair[1]) for test in tests)]
        # the last key first: sorting is stable, and Id decides what all keys leave open
        for key, down in reversed(order):
            pairs.sort(key=lambda pair, key=key: key(pair[1]), reverse=down)  # type: ignore[misc]
        return [row for row, _ in pairs]
