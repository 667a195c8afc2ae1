"""Reads in other processes, while this one imports dlt: that takes as long as reading thousands of devices.

A few PBXs are read by one other process, a fleet by as many as there are processors: most of a reading is work, not
waiting. Each is a copy of this one, made before Python has a second thread. It gets ready, waits for the settings,
reads, answers, and ends. The settings with their secrets come through a pipe too.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from dlt_threecx.own_process import may_fork
from dlt_threecx.snapshot.forked import Forked, forked, told

if TYPE_CHECKING:
    # Only types: what these modules need is imported when the processes go on side by side.
    from dlt_threecx.settings.config import Config
    from dlt_threecx.snapshot.known_rows import KnownFile
    from dlt_threecx.snapshot.reading import Identity, Progress, ReadAll, Reading

__all__ = ["read_here", "reader"]

_PROGRESS_SECONDS = 0.1
"""The rows of a PBX are not told more often than this."""
_PBXS_EACH = 25
"""A process reads at least so many, if there are several."""


class _Rows(NamedTuple):
    """How far the reading of a PBX is."""

    pbx: str
    rows: int
    total: int


@contextmanager
def reader(pbxs: int = 1) -> Iterator[ReadAll]:
    """What reads this number of PBXs: other processes where they can be made, else this one."""
    if not may_fork():
        yield read_here
        return
    number = max(1, min(os.cpu_count() or 1, pbxs // _PBXS_EACH))
    with ExitStack() as started:
        processes: list[Forked] = []
        for _ in range(number):
            processes.append(forked(_serve, processes))
            started.callback(processes[-1].end)
        yield _Processes(processes)


def read_here(*job: Any) -> list[Reading]:
    """Reads in this process."""
    from dlt_threecx.snapshot.read_all import read_all  # imports requests

    return read_all(*job)


def _read(process: Forked, job: tuple[Any, ...], progress: Progress | None) -> list[Reading]:
    """What the process has read. Raises what it raises."""
    # When it has ended, that is heard.
    with suppress(BrokenPipeError):
        process.tell(job)
    while True:
        heard = process.hear()
        if isinstance(heard, _Rows) and progress is not None:
            progress(*heard)
        elif isinstance(heard, logging.LogRecord):
            logging.getLogger(heard.name).handle(heard)
        elif isinstance(heard, list):
            return heard


@dataclass
class _Processes:
    """Read once in the other processes. PBXs that have to be read again are read in this one."""

    processes: Sequence[Forked]
    are_used: bool = False

    def __call__(
        self,
        config: Config,
        folder: Path,
        progress: Progress | None,
        clock_offset: timedelta,
        known: Mapping[str, Identity],
        files: Mapping[str, KnownFile],
        /,
    ) -> list[Reading]:
        if self.are_used:
            return read_here(config, folder, progress, clock_offset, known, files)
        self.are_used = True
        parts = _parts(config, min(len(self.processes), config.parallel))
        with ThreadPoolExecutor(len(parts)) as pool:
            readings = [
                pool.submit(_read, process, (part, folder, progress is not None, clock_offset, known, files), progress)
                for process, part in zip(self.processes, parts, strict=False)
            ]
            try:
                by_name = {reading.pbx.name: reading for some in readings for reading in some.result()}
            except BaseException:
                for process in self.processes:
                    process.kill()
                raise
        return [by_name[name] for name in config.pbxs]


def _parts(config: Config, number: int) -> list[Config]:
    """The settings for some processes. PBXs that share a token, which each new one ends, stay together."""
    if number == 1:
        return [config]
    together: defaultdict[Any, list[str]] = defaultdict(list)
    for name, pbx in config.pbxs.items():
        together[pbx.settings.origin, pbx.settings.client_id].append(name)
    parts: list[list[str]] = [[] for _ in range(number)]
    for names in together.values():
        min(parts, key=len).extend(names)
    run = replace(config.run, parallel=config.parallel // number)
    return [replace(config, pbxs={name: config.pbxs[name] for name in names}, run=run) for names in parts if names]


def _serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """The other process, from its begin to its end."""
    # Ctrl-C and SIGTERM are for the first process, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.umask(0o077)
    from dlt_threecx.snapshot.read_all import read_all  # while the first process looks up what is known

    config, folder, wants_progress, *more = pickle.load(jobs)  # noqa: S301  the first process wrote it
    _end_with(jobs)
    answer = _Answer(answers)
    logging.getLogger().handlers = [answer]
    try:
        answer.send(read_all(config, folder, answer.rows if wants_progress else None, *more, forks=True))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - it is raised again in the first process
        answer.send(told(error))


def _end_with(jobs: BinaryIO) -> None:
    """Ends this process when the first one does: nothing else comes on that pipe. A thread would not be copied."""
    import fcntl  # not everywhere

    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(jobs, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(jobs, fcntl.F_SETFL, fcntl.fcntl(jobs, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([jobs], [], [], 0)[0]:
        os._exit(0)


class _Answer(logging.Handler):
    """Sends what is read, and what is logged, to the first process."""

    def __init__(self, told: BinaryIO) -> None:
        super().__init__()
        self._told = told
        self._turn = threading.Lock()
        self._next: dict[str, float] = {}

    def send(self, what: object) -> None:
        with self._turn:
            pickle.dump(what, self._told)
            self._told.flush()

    def rows(self, pbx: str, rows: int, total: int, /) -> None:
        now = time.monotonic()
        if rows >= total or now >= self._next.get(pbx, 0):
            self._next[pbx] = now + _PROGRESS_SECONDS
            self.send(_Rows(pbx, rows, total))

    def emit(self, record: logging.LogRecord) -> None:
        told = copy(record)
        # Its parts could be anything; the text is made of them.
        told.msg, told.args, told.exc_info = record.getMessage(), None, None
        self.send(told)
