"""One page of devices: what it must hold before its rows count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .errors import ProtocolError

__all__ = ["INT32", "PATH", "Drifted", "Item", "Page", "device_id_of", "page_of"]

Item = dict[str, Any]
"""One row as the API sends it."""

PATH = "SipDevices"
INT32 = range(-(2**31), 2**31)
"""xAPI: what an `Id` can be."""

_PORTS = {"http": 80, "https": 443}
_COUNTS = range(2**63)


class Drifted(Exception):
    """The pages of one walk contradict each other. Those of the next one may agree."""


@dataclass(frozen=True)
class Page:
    """`{"@odata.count": 500, "value": [{"Id": 1, …}, …]}`."""

    items: list[Item]
    count: int
    is_full: bool
    """Whether as many rows came as were asked for, so that there may be more."""


def page_of(body: dict[str, Any], asked: int, base_url: str, quote: Callable[[str], str]) -> Page:
    """The page that an answer holds; `asked` is how many rows were asked for.

    Raises Drifted when another walk may help, ProtocolError when none can. `quote` makes words of the PBX fit to print.
    """
    items, count, link = body.get("value"), body.get("@odata.count"), body.get("@odata.nextLink")
    if isinstance(link, str) and not _is_at_home(link, base_url):
        raise ProtocolError(
            f"GET /xapi/v1/{PATH}",
            "the answer points to another host for its next page (HTTP 200)",
            "It was not followed, to keep the token safe. Check that base_url is the PBX itself",
        )
    if not isinstance(items, list):
        raise Drifted("a page came without the list 'value'")
    if count is None:
        raise Drifted("a page came without '@odata.count'")
    if type(count) is not int or count not in _COUNTS:
        raise ProtocolError(
            f"GET /xapi/v1/{PATH}",
            f"'@odata.count' is {quote(repr(count))}, which counts nothing (HTTP 200)",
            "Nothing was loaded. Run again; if it stays, report it with the PBX's version",
        )
    return Page(items, count, len(items) >= asked)


def _is_at_home(link: str, base_url: str) -> bool:
    """Whether a link is relative, or leads to the origin of the PBX."""
    try:
        there, home = urlsplit(link), urlsplit(base_url)
        port = there.port or _PORTS.get(there.scheme)
    except ValueError:
        return False
    if not there.scheme and not there.netloc:
        return True
    return (there.scheme, there.hostname, port) == (home.scheme, home.hostname, home.port or _PORTS[home.scheme])


def device_id_of(item: Any, row: int, quote: Callable[[str], str]) -> int:
    """The `Id` of a row. Raises ProtocolError when it has none."""
    device_id = item.get("Id") if isinstance(item, dict) else None
    # Not isinstance: true is no number.
    if type(device_id) is int and device_id in INT32:
        return device_id
    fault = "no Id" if device_id is None else f"the unusable Id {quote(repr(device_id))}"
    raise ProtocolError(
        f"GET /xapi/v1/{PATH}",
        f"row {row} has {fault} (HTTP 200)",
        "Nothing was loaded. Run again; if it stays, report it with the PBX's version",
    )
