"""The dlt source: SIP devices of one 3CX, read completely or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common import logger
from dlt.extract import DltResource

from .client import Client
from .columns import DLT_COLUMNS
from .device import DeviceReader
from .page import Item
from .query import Query
from .settings import PAGE_SIZE, PLACEHOLDERS, Consistency, Settings
from .walk import walk

if TYPE_CHECKING:
    from dlt.common.schema.typing import TColumnSchema

__all__ = ["threecx_source"]

DeviceRow = dict[str, Any]
"""Column name → value: `pbx`, then `DLT_COLUMNS`."""

PBX = "default"
"""Name of the only PBX."""

_ROWS_PER_YIELD = 1000
_COLUMNS: dict[str, TColumnSchema] = {
    "pbx": {"data_type": "text", "nullable": False, "description": "name of the PBX, as given to the source"},
    **DLT_COLUMNS,
}


@dlt.source(name="threecx", section="threecx")
def threecx_source(
    base_url: str = dlt.config.value,
    client_id: dlt.TSecretStrValue | None = None,
    client_secret: dlt.TSecretStrValue | None = None,
    access_token: dlt.TSecretStrValue | None = None,
    fingerprint_key: dlt.TSecretStrValue | None = None,
    top: int | None = None,
    skip: int | None = None,
    search: str | None = None,
    filter: str | None = None,
    count: bool = True,
    orderby: str | None = None,
    select: str | None = None,
    expand: str | None = "DN",
    page_size: int = PAGE_SIZE,
    pages_in_flight: int = 4,
    max_walks: int = 3,
    consistency: Consistency = "once",
    timeout_seconds: float = 30.0,
    ca_file: str | None = None,
    verify_tls: bool = True,
    allow_http: bool = False,
    pbx: str = PBX,
) -> DltResource:
    """SIP devices of one 3CX as the resource `sip_devices`, read completely or not at all.

    Address and credentials come from the arguments or from dlt's configuration, section `sources.threecx`: give
    `client_id` and `client_secret` (the API key), or `access_token`.

    The eight OData options choose rows and properties: `top` and `skip` count devices, whatever the page size;
    `orderby`, `select` and `expand` are comma-separated. `$count` is always asked for, because it is part of the
    proof; with `count` the number is logged as well. `select` always reads `Id` too, as it is the key.

    Columns are `pbx` and those of `DLT_COLUMNS`; the key is `pbx` and `device_id`. `pbx` names the PBX, so that several
    can be loaded into one table. Secrets of the phones never reach dlt; with `fingerprint_key` a keyed hash
    of each is kept. Raises the errors of `errors.py`, each of which says what to do.
    """
    query = Query(top, skip, search, filter, True, orderby, select, expand)
    if query.select is not None and not query.has_key:
        query = Query(top, skip, search, filter, True, orderby, ("Id", *query.select), expand)
    settings = Settings(
        base_url,
        _given(client_id),
        _given(client_secret),
        _given(access_token),
        _given(fingerprint_key),
        page_size=page_size,
        pages_in_flight=pages_in_flight,
        max_walks=max_walks,
        consistency=consistency,
        timeout_seconds=timeout_seconds,
        ca_file=ca_file,
        verify_tls=verify_tls,
        allow_http=allow_http,
    )

    if not verify_tls and settings.base_url.startswith("https"):
        logger.warning(f"verify_tls = false: anybody between here and {settings.base_url} can read the API key")

    # The command threecx keeps the settings of several PBXs where dlt looks for this argument: [sources.threecx.pbx].
    name = PBX if pbx.startswith("{") else pbx

    @dlt.resource(name="sip_devices", primary_key=("pbx", "device_id"), columns=_COLUMNS, write_disposition="replace")
    def sip_devices() -> Iterator[list[DeviceRow]]:
        with closing(Client(settings)) as client:
            walked = walk(client, query, lambda: _DeviceRows(name, settings.fingerprint_key))
        if count:
            logger.info(f"{settings.base_url} reports {walked.count} devices for this query")
        rows = walked.rows.content
        for start in range(0, len(rows), _ROWS_PER_YIELD):
            yield rows[start : start + _ROWS_PER_YIELD]

    return sip_devices


# dlt looks for an argument in every outer section too, and at last in none: a variable TOP or FILTER in somebody's
# shell would cut each reading short. This section is never left out: `sources.threecx.top` is found, `top` is not.
threecx_source.ref.SPEC.__section__ = "threecx"


def _given(value: str | None) -> str | None:
    """None for the placeholder that `dlt init` writes for every secret, needed or not."""
    return None if value in PLACEHOLDERS else value


class _DeviceRows:
    """The rows of one walk as columns; secrets are gone before dlt sees a row."""

    def __init__(self, pbx: str, fingerprint_key: str | None) -> None:
        self.content: list[DeviceRow] = []
        self._pbx = pbx
        self._reader = DeviceReader(fingerprint_key)

    def add(self, items: list[Item]) -> None:
        rows = zip(*self._reader.columns(items), strict=True)
        self.content.extend(dict(zip(_COLUMNS, (self._pbx, *row), strict=True)) for row in rows)
