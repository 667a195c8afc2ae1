"""Ways to read a PBX in a test: our own client with little patience, over real HTTP."""

from contextlib import closing
from typing import Any

from dlt_threecx.simulator import Simulator
from dlt_threecx.source.client import Client
from dlt_threecx.source.page import Item
from dlt_threecx.source.query import Query
from dlt_threecx.source.settings import Settings
from dlt_threecx.source.walk import Walked, walk

ALL = Query(expand="DN")
QUICK: dict[str, Any] = {"timeout_seconds": 5, "backoff_seconds": 0.001}


class Items:
    """A sink that keeps the rows as they are."""

    def __init__(self) -> None:
        self.content: list[Item] = []

    def add(self, items: list[Item], /) -> None:
        self.content.extend(items)


def settings_of(pbx: Simulator, **settings: Any) -> Settings:
    return Settings(pbx.base_url, **{**QUICK, **_credentials(pbx), **settings})


def read(pbx: Simulator, query: Query = ALL, **settings: Any) -> Walked[Items]:
    with closing(Client(settings_of(pbx, **settings))) as client:
        return walk(client, query, Items)


def rows(pbx: Simulator, query: Query = ALL, **settings: Any) -> list[Item]:
    return read(pbx, query, **settings).rows.content


def _credentials(pbx: Simulator) -> dict[str, str]:
    return {"client_id": pbx.client_id, "client_secret": pbx.client_secret}
