"""How often a device that was there all the time is missed while a collection changes: ours beside two others.

Run by `make prove`. All three read the same collections under the same random changes. Prints a table.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import urlencode

import pytest
import requests
from dlt.sources.helpers.rest_client.paginators import OffsetPaginator

from dlt_threecx.source.errors import DriftError
from dlt_threecx.source.query import Query
from dlt_threecx.source.walk import walk
from tests.source.moving import Editor, Moving, initial
from tests.source.reading import Items

READINGS = 2000
"""Per row of the table."""
DEVICES = 300
RATES = {"quiet": 0.01, "busy": 0.1}
"""Changes on average before each page, and again between its count and its rows."""
PAGE_SIZE, MAX_WALKS = 20, 10

Read = Callable[[Moving], list[int]]


@dataclass
class Tally:
    """What became of the readings of one reader."""

    refused: int = 0
    lossy: int = 0
    doubled: int = 0
    pages: int = 0


def proven(client: Moving) -> list[int]:
    return [item["Id"] for item in walk(client, Query(), Items).rows.content]


def plain(client: Moving) -> list[int]:
    """`$skip`/`$top` until a page comes that is not full."""
    found: list[int] = []
    while True:
        page = client.get("SipDevices", f"$top={PAGE_SIZE}&$skip={len(found)}")["value"]
        found += [item["Id"] for item in page]
        if len(page) < PAGE_SIZE:
            return found


def by_dlt(client: Moving) -> list[int]:
    """dlt's own paginator, with the count as the total."""
    paginator = OffsetPaginator(PAGE_SIZE, offset_param="$skip", limit_param="$top", total_path="'@odata.count'")
    request = requests.Request("GET", "http://127.0.0.1", params={})
    paginator.init_request(request)
    found: list[int] = []
    while paginator.has_next_page:
        body = client.get("SipDevices", urlencode(request.params))
        found += [item["Id"] for item in body["value"]]
        response = requests.Response()
        response._content = json.dumps(body).encode()
        paginator.update_state(response, body["value"])
        paginator.update_request(request)
    return found


def tally(read: Read, rate: float, consistency: str = "once", readings: int = READINGS) -> Tally:
    result = Tally()
    for seed in range(readings):
        random = Random(f"{seed}/{rate}")
        client = Moving(
            initial(random, DEVICES),
            Editor(random).bursts(rate / 2),
            page_size=PAGE_SIZE,
            max_walks=MAX_WALKS,
            consistency=consistency,
        )
        try:
            found = read(client)
        except DriftError:
            result.refused += 1
        else:
            result.lossy += not client.always_there <= set(found)
            result.doubled += len(set(found)) < len(found)
        result.pages += client.pages
    return result


@pytest.mark.parametrize(("name", "rate"), RATES.items())
def test_no_device_is_missed(name: str, rate: float, capsys: pytest.CaptureFixture[str]) -> None:
    tallies = {
        "proven walk": tally(proven, rate),
        "proven walk, twice": tally(proven, rate, "twice"),
        "plain $skip/$top": tally(plain, rate),
        "dlt OffsetPaginator": tally(by_dlt, rate),
    }
    with capsys.disabled():
        print(f"\n{name}: {rate} changes per page, {DEVICES} devices, {READINGS} readings")
        print(f"  {'':20} {'missed one':>12} {'doubled one':>12} {'refused':>9} {'pages each':>11}")
        for reader, one in tallies.items():
            print(f"  {reader:20} {one.lossy:12} {one.doubled:12} {one.refused:9} {one.pages / READINGS:11.1f}")
    for reader in ("proven walk", "proven walk, twice"):
        assert (tallies[reader].lossy, tallies[reader].doubled) == (0, 0)
    assert tallies["plain $skip/$top"].lossy
    assert tallies["dlt OffsetPaginator"].lossy
