"""`python -m tests.benchmarks.fleet`: many PBXs in one run, beside what the delays and the processor allow.

No run can be shorter than the delays of all requests divided by the PBXs that are read at once, nor than the work of
the processor; the larger of the two is what its time is compared with. Memory is the peak of the process, beside that
of a tenth of the PBXs. Compare the figures of one run with each other, not with those of another day.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dlt_threecx.settings.keys import variable
from tests.benchmarks.processes import COMMAND, ROOT, Measured, machine, measured

RUNS = ("first load", "nothing changed")
MOST_PARALLEL = 64
"""What `threecx sync` reads at once when nothing is set."""


@contextmanager
def simulated(pbxs: int, devices: int, delay_ms: float) -> Iterator[dict[str, str]]:
    """This number of PBXs in a process of their own, and the environment in which `threecx` finds them."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    options = ["--pbx", str(pbxs), "--devices", str(devices), "--delay-ms", str(delay_ms)]
    command = [*COMMAND, "simulate", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        last = variable("client_secret")
        while last not in environ:
            name, _, value = process.stdout.readline().removeprefix("export ").strip().partition("=")
            environ[name] = value
        try:
            yield environ
        finally:
            process.terminate()


def synced(folder: Path, environ: dict[str, str], *options: str) -> Measured:
    """One `threecx sync` in a folder."""
    return measured([*COMMAND, "sync", *options], folder, environ)


def _requests(folder: Path) -> int:
    """Requests of the last run: those that the ledger counts, one for a token and, the first time, one for a name."""
    with duckdb.connect(str(folder / "phones.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "select sum(requests), count(*) from phones.threecx.snapshots group by root order by max(started_at)"
        ).fetchall()
    pages, pbxs = map(int, rows[-1])
    return pages + pbxs * (2 if len(rows) == 1 else 1)


def _time(pbxs: int, devices: int, delay_ms: float) -> None:
    print(f"{pbxs:,} PBXs of {devices} devices, {delay_ms:g} ms per request")
    print(f"  {'run':<16} {'seconds':>8} {'delays':>8} {'processor':>10} {'ms a PBX':>9}  of the larger")
    with simulated(pbxs, devices, delay_ms) as environ, tempfile.TemporaryDirectory() as warm:
        synced(Path(warm), environ)
        with tempfile.TemporaryDirectory() as folder:
            for run in RUNS:
                took = synced(Path(folder), environ)
                delays = _requests(Path(folder)) * delay_ms / 1000 / min(pbxs, MOST_PARALLEL)
                least = max(delays, took.cpu_seconds)
                print(
                    f"  {run:<16} {took.seconds:>8.2f} {delays:>8.2f} {took.cpu_seconds:>10.2f}"
                    f" {took.cpu_seconds / pbxs * 1000:>9.1f}  {took.seconds / least:.2f}"
                )


def _memory(pbxs: int, devices: int) -> None:
    few = max(1, pbxs // 10)
    print(f"peak memory of {pbxs:,} PBXs of {devices} devices, beside {few:,} of them")
    found: dict[tuple[str, int], Measured] = {}
    for number in (few, pbxs):
        with simulated(number, devices, 0) as environ, tempfile.TemporaryDirectory() as folder:
            for run in RUNS:
                found[run, number] = synced(Path(folder), environ)
    for run in RUNS:
        one, every = found[run, few].peak_mb, found[run, pbxs].peak_mb
        print(f"  {run:<16} {one:>6.0f} MB → {every:>6.0f} MB  {every / one:.2f} of it")


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pbxs", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=100, help="of each PBX")
    parser.add_argument("--delay-ms", type=float, default=50)
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    _time(arguments.pbxs, arguments.devices, arguments.delay_ms)
    print(flush=True)
    _memory(arguments.pbxs, arguments.devices)


if __name__ == "__main__":
    main()
