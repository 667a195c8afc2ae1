"""Takes a snapshot: walks through all pages of a PBX, and writes what they hold into a file of devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.snapshot.known_rows import RowDecoder
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.snapshot.walked_rows import UncertainError, WalkedRows
from dlt_threecx.source.client import Client
from dlt_threecx.source.columns import COLUMNS
from dlt_threecx.source.errors import LOOK, ProtocolError
from dlt_threecx.source.query import Query
from dlt_threecx.source.walk import walk

__all__ = ["take_snapshot"]

_KNOWN_PATHS = frozenset(path for column in COLUMNS for path in (column.path, *column.later))


def take_snapshot(
    pbx: PbxConfig,
    client: Client,
    folder: Path,
    volatile: tuple[str, ...],
    progress: Callable[[int, int], None] | None = None,
    decoder: RowDecoder | None = None,
    *,
    forks: bool = False,
) -> Snapshot:
    """Reads one PBX completely. Raises an error of the reader when the reading could not be proven.

    `decoder` is what the client decodes its answers with. `forks`: this process may make copies of itself.
    """
    decoder = decoder or RowDecoder()
    settings = pbx.settings
    spools: list[WalkedRows] = []

    def start() -> WalkedRows:
        # With `twice` the walk before is still needed; whatever is older is not.
        for spool in spools[:-1]:
            spool.close()
            spool.file.unlink(missing_ok=True)
        spools.append(WalkedRows(folder / f"{pbx.name}.{len(spools)}.arrow", pbx, volatile, decoder, forks=forks))
        return spools[-1]

    def heard(rows: int, wanted: int) -> None:
        spools[-1].expect(wanted - rows)
        if progress is not None:
            progress(rows, wanted)

    query = Query(search=settings.search, filter=settings.filter, count=True, orderby="Id", expand="DN")
    try:
        try:
            walked = walk(client, query, start, heard)
            shape = walked.rows.shape()
        except UncertainError:
            decoder.known = None
            walked = walk(client, query, start, heard)
            shape = walked.rows.shape()
    finally:
        for spool in spools:
            spool.close()
    rows = walked.rows
    # The names of properties go into the ledger.
    if client.holds_secret("\n".join(shape.keys() - _KNOWN_PATHS)):
        raise ProtocolError(
            "GET /xapi/v1/SipDevices", "the name of a property holds the API key or the token (HTTP 200)", LOOK
        )
    return Snapshot(
        file=rows.whole_file(),
        devices=rows.devices,
        fingerprint=rows.fingerprint,
        shape=shape,
        reported_count=walked.count,
        taken_at=walked.taken_at,
        pages=walked.pages,
        walks=walked.walks,
        page_size=walked.page_size,
        version=client.version,
        rows_read=rows.news,
    )
