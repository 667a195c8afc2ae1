"""Reads PBXs, several at once, each into a snapshot or an error of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType

from dlt_threecx.settings.config import Config, PbxConfig
from dlt_threecx.snapshot.forked import EndedError
from dlt_threecx.snapshot.known_rows import KnownFile, RowDecoder
from dlt_threecx.snapshot.reading import NO_OFFSET, Identity, Progress, Reading, unforeseen
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.snapshot.take_snapshot import take_snapshot
from dlt_threecx.source.auth import LiveTokens
from dlt_threecx.source.client import Client
from dlt_threecx.source.errors import ThreecxError

__all__ = ["read_all"]


def read_all(
    config: Config,
    folder: Path,
    progress: Progress | None = None,
    clock_offset: timedelta = NO_OFFSET,
    known: Mapping[str, Identity] = MappingProxyType({}),
    files: Mapping[str, KnownFile] = MappingProxyType({}),
    *,
    forks: bool = False,
) -> list[Reading]:
    """As ReadAll says, in threads of this process, which may make copies of itself if it `forks`."""
    tokens = LiveTokens()

    def read(pbx: PbxConfig) -> Reading:
        reading = _read(
            pbx,
            folder,
            config.run.volatile,
            progress,
            tokens,
            known.get(pbx.name),
            files.get(pbx.name),
            forks=forks,
        )
        return _moved(reading, clock_offset) if clock_offset else reading

    pbxs: Sequence[PbxConfig] = list(config.pbxs.values())
    if len(pbxs) == 1:
        return [read(pbxs[0])]
    with ThreadPoolExecutor(config.parallel) as pool:
        return list(pool.map(read, pbxs))


def _moved(reading: Reading, offset: timedelta) -> Reading:
    outcome = reading.outcome
    if isinstance(outcome, Snapshot):
        outcome = replace(outcome, taken_at=outcome.taken_at + offset)
    return replace(reading, started_at=reading.started_at + offset, outcome=outcome)


def _read(
    pbx: PbxConfig,
    folder: Path,
    volatile: tuple[str, ...],
    progress: Progress | None,
    tokens: LiveTokens,
    known: Identity | None,
    file: KnownFile | None,
    *,
    forks: bool,
) -> Reading:
    started_at, began = datetime.now(UTC), time.monotonic()
    decoder = RowDecoder.of(pbx, volatile, file)
    with closing(Client(pbx.settings, decoder, tokens)) as client:
        outcome: Snapshot | ThreecxError
        requests = 0
        try:
            hear = partial(progress, pbx.name) if progress else None
            outcome = take_snapshot(pbx, client, folder, volatile, hear, decoder, forks=forks)
            requests = client.requests
            if not _is_known(pbx, client, known):
                client.ask_system()
        except (EndedError, OSError):
            # Memory or the disk is full, or the like: that is not this PBX's fault.
            raise
        except ThreecxError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - one PBX never ends the run of the others
            outcome = unforeseen(error, "reading the PBX", "This is a bug: report it with the PBX's version")
        if isinstance(outcome, ThreecxError) and progress:
            progress(pbx.name, 0, 0)
        requests = requests or client.requests
        seconds = round(time.monotonic() - began, 3)
        return Reading(pbx, started_at, seconds, requests, client.version, outcome, client.clock_skew, client.fqdn)


def _is_known(pbx: PbxConfig, client: Client, known: Identity | None) -> bool:
    """Whether it is most likely the PBX of the last snapshot, so that its name need not be asked for once more."""
    return (
        known is not None
        and None not in known
        and (known.base_url, known.version) == (pbx.settings.base_url, client.version)
    )
