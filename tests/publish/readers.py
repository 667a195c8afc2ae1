"""Programs of their own for tests of the published copy: readers, and one that publishes and is killed.

`read FILE STOP`: opens the copy again and again until STOP exists. Prints how often, and how many states it saw.
`keep FILE -`: opens it once, and asks for each line on stdin. Prints the same.
`die DB FOLDER`: publishes for each line on stdin, in a child that is killed after that many seconds.
An answer that is not of one piece ends a reader with a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import duckdb

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.publish.publication import publish

_PIECES = """
    select
        (select count(*) from threecx.devices),
        (select sum(devices) from threecx.pbx_status),
        (select count(*) from threecx.device_history where is_current),
        (select count(*) from threecx.device_changes),
        (select count(*) from threecx.publication)
"""


def read(file: Path, turns: Iterable[object], *, keep: bool) -> None:
    """Asks at every turn, and leaves the processor to whoever else wants it."""
    os.nice(19)
    answers, seen = 0, set()
    connection = duckdb.connect(str(file), read_only=True)
    for _ in turns:
        if not keep:
            connection.close()
            connection = duckdb.connect(str(file), read_only=True)
        devices, reported, current, changes, one = connection.execute(_PIECES).fetchall()[0]
        assert (devices, devices, 1) == (reported, current, one), (devices, reported, current, one)
        seen.add(changes)
        answers += 1
    print(answers, len(seen))


def publish_and_die(location: HistoryLocation, folder: Path) -> None:
    """Publishes, and is killed."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            publish(location, folder, parquet=True)
            os._exit(0)
        time.sleep(float(line))
        os.kill(child, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    first, second = Path(sys.argv[2]), Path(sys.argv[3])
    if sys.argv[1] == "die":
        publish_and_die(HistoryLocation(first, project=first.parent), second)
    elif sys.argv[1] == "keep":
        read(first, sys.stdin, keep=True)
    else:
        read(first, iter(second.exists, True), keep=False)
