"""Faults in which a page looks right and is wrong."""

import json
from collections.abc import Callable
from typing import Any

from dlt_threecx.simulator.faults.fault import Act, Visit, fault
from dlt_threecx.simulator.json_text import compact
from dlt_threecx.simulator.messages import Response, json_response

__all__: list[str] = []

_NESTED_ARRAYS = 300

Page = dict[str, Any]
"""A page's body: `{"@odata.context": …, "@odata.count": …, "value": [ … ]}`."""


def _lie(alter: Callable[[Page, Visit], object]) -> Act:
    """Registers a fault that changes the normal page."""

    def act(visit: Visit) -> Response:
        honest = visit.honest()
        if honest.status != 200:
            return honest
        page: Page = json.loads(honest.body)
        alter(page, visit)
        return json_response(compact(page))

    act.__name__, act.__doc__ = alter.__name__, alter.__doc__
    return fault()(act)


@_lie
def value_missing(page: Page, visit: Visit) -> None:
    """The page has no `value`."""
    del page["value"]


@_lie
def value_null(page: Page, visit: Visit) -> None:
    """`value` is null."""
    page["value"] = None


@_lie
def value_not_list(page: Page, visit: Visit) -> None:
    """`value` is an object."""
    page["value"] = {"Id": 1}


@_lie
def count_missing(page: Page, visit: Visit) -> None:
    """The page has no `@odata.count`, although it was asked for."""
    page.pop("@odata.count", None)


@_lie
def count_wrong(page: Page, visit: Visit) -> None:
    """`@odata.count` is one too many on every page."""
    page["@odata.count"] = page.get("@odata.count", 0) + 1


@_lie
def count_changing(page: Page, visit: Visit) -> None:
    """`@odata.count` is another on every page."""
    page["@odata.count"] = page.get("@odata.count", 0) + visit.number


@_lie
def count_negative(page: Page, visit: Visit) -> None:
    """`@odata.count` is -7."""
    page["@odata.count"] = -7


@_lie
def count_fraction(page: Page, visit: Visit) -> None:
    """`@odata.count` has a fraction."""
    page["@odata.count"] = page.get("@odata.count", 0) + 0.5


@_lie
def repeated_row(page: Page, visit: Visit) -> None:
    """Every page brings its first row twice, in place of its last."""
    rows = page["value"]
    page["value"] = rows[:1] + rows[:-1] if len(rows) > 1 else rows


@_lie
def row_out_of_order(page: Page, visit: Visit) -> None:
    """Two rows in the middle of every page have changed places."""
    rows = page["value"]
    middle = len(rows) // 2
    if middle:
        rows[middle - 1], rows[middle] = rows[middle], rows[middle - 1]


@_lie
def page_cap(page: Page, visit: Visit) -> None:
    """Half the rows that were asked for, but two at least, and no word about it."""
    asked = dict(visit.call.pairs).get("$top", str(visit.pbx.page_cap))
    del page["value"][max(2, int(asked) // 2) :]


@_lie
def id_missing(page: Page, visit: Visit) -> None:
    """A row in the middle of the page has no `Id`."""
    for row in _middle(page):
        row.pop("Id", None)


@_lie
def id_text(page: Page, visit: Visit) -> None:
    """The `Id` of a row in the middle of the page is text."""
    for row in _middle(page):
        row["Id"] = str(row.get("Id"))


@_lie
def id_too_large(page: Page, visit: Visit) -> None:
    """The `Id` of the page's last row is 9007199254740993, more than int32 and than a double can hold."""
    for row in page["value"][-1:]:
        row["Id"] = 9007199254740993


@_lie
def nested_property(page: Page, visit: Visit) -> None:
    """The page's last row has a property that is 300 arrays, one in the other."""
    for row in page["value"][-1:]:
        row["Nested"] = json.loads("[" * _NESTED_ARRAYS + "]" * _NESTED_ARRAYS)


@fault()
def duplicate_keys(visit: Visit) -> Response:
    """The last row of the page has `Registrar` twice, with another MAC the second time."""
    honest = visit.honest()
    if not honest.body.endswith(b"}]}"):
        return honest
    return honest._replace(body=honest.body[:-3] + b',"Registrar":{"MAC":"000000000000"}}]}')


def _middle(page: Page) -> list[Page]:
    """The row in the middle, if there is one."""
    at = len(page["value"]) // 2
    rows: list[Page] = page["value"][at : at + 1]
    return rows
