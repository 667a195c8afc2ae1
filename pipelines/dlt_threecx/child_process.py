"""A sync in a process of its own, for programs that have more to do than this.

The mode of new files (umask), and what dlt reads its settings from, hold for a whole process. In a child process they
can be what a sync needs, and the caller keeps its own.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dlt_threecx.compare.decide import Accepted, SyncResult
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.own_process import end, take_over
from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import Config
from dlt_threecx.snapshot.reader_process import reader
from dlt_threecx.source.errors import ExitCode, ThreecxError

__all__ = ["Job", "sync_in_child"]

_START = "from dlt_threecx.child_process import serve; serve()"

_turns: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
"""The lock of each work folder: threads of this process wait for each other as long as it takes."""


class Job(NamedTuple):
    """The arguments of `sync_pbxs`."""

    config: Config
    db: Path
    dataset: str
    accepted: Accepted


def sync_in_child(job: Job) -> list[SyncResult]:
    """Does the same as `sync_pbxs`, and raises the same errors. What is logged goes to stderr."""
    location = HistoryLocation(job.db, job.dataset, job.config.destination, job.config.project)
    with _turns[location.work_folder.absolute()]:
        # Secrets are in the job, so it goes through a pipe. -P: the working folder brings no modules.
        ended = subprocess.run(  # noqa: S603  this Python, and no shell
            [sys.executable, "-P", "-c", _START],
            input=pickle.dumps(job),
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(folder) for folder in sys.path)},  # noqa: PTH100
        )
    if ended.returncode != ExitCode.DONE:
        raise ThreecxError(
            "sync in a child process", f"it ended with {ended.returncode}", "Its last words are on stderr. Run again"
        )
    outcome: list[SyncResult] | ThreecxError = pickle.loads(ended.stdout)  # noqa: S301  our own child wrote it
    if isinstance(outcome, ThreecxError):
        raise outcome
    return outcome


def serve() -> None:
    """The child process: a job comes on stdin, and its outcome goes to stdout."""
    take_over()
    # Whatever else is printed must not get into the answer.
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        try:
            _answer(sys.stdin.buffer, answer)
        except KeyboardInterrupt:
            end(ExitCode.INTERRUPTED)
    end(ExitCode.DONE)


def _answer(job: BinaryIO, answer: BinaryIO) -> None:
    config, db, dataset, accepted = pickle.load(job)  # noqa: S301  the parent wrote it
    outcome: list[SyncResult] | ThreecxError
    try:
        with reader(len(config.pbxs)) as read:
            outcome = sync_pbxs(config, db=db, dataset=dataset, accepted=accepted, read=read)
    except ThreecxError as error:
        outcome = error
    pickle.dump(outcome, answer)
