"""`python -m tests.benchmarks.fleet`: many PBXs in one run, beside one after the other and beside one PBX alone.

Times are of whole processes (`threecx sync`), memory is the peak of the process. Compare the figures of one run with
each other, not with those of another day.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dlt_threecx.settings.keys import variable

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from dlt_threecx.cli import main; main()"]


@dataclass(frozen=True)
class Measured:
    """One process: seconds, and the peak of its memory in MB."""

    seconds: float
    peak_mb: float


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


def synced(folder: Path, environ: dict[str, str], *options: str, **settings: int) -> Measured:
    """One `threecx sync` in a folder."""
    given = {variable(name): str(value) for name, value in settings.items()}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, "sync", *options], env={**environ, **given}, cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"threecx sync ended with {process.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024
    return Measured(time.perf_counter() - began, usage.ru_maxrss * scale / 2**20)


def _time(pbxs: int, devices: int, delay_ms: float) -> None:
    print(f"{pbxs} PBXs of {devices} devices, {delay_ms:g} ms per request")
    found: dict[tuple[str, int], Measured] = {}
    with simulated(pbxs, devices, delay_ms) as environ, tempfile.TemporaryDirectory() as warm:
        synced(Path(warm), environ, parallel=64)
        for parallel in (1, 8):
            with tempfile.TemporaryDirectory() as folder:
                for run in ("first load", "nothing changed"):
                    found[run, parallel] = synced(Path(folder), environ, parallel=parallel)
    for run in ("first load", "nothing changed"):
        for parallel in (1, 8):
            measured = found[run, parallel]
            ratio = "" if parallel == 1 else f"1/{found[run, 1].seconds / measured.seconds:.1f} of one after the other"
            print(f"  {run:<16} parallel = {parallel}  {measured.seconds:>7.2f} s {measured.peak_mb:>6.0f} MB  {ratio}")


def _memory(pbxs: int, devices: int) -> None:
    print(f"peak memory of {pbxs} PBXs of {devices} devices, beside one of them")
    found: dict[tuple[str, str], Measured] = {}
    with simulated(pbxs, devices, 0) as environ:
        for who, options in (("one", ["--pbx", "pbx0001"]), ("all", [])):
            with tempfile.TemporaryDirectory() as folder:
                for run in ("first load", "nothing changed"):
                    found[run, who] = synced(Path(folder), environ, *options)
    for run in ("first load", "nothing changed"):
        one, every = found[run, "one"], found[run, "all"]
        print(
            f"  {run:<16} {one.peak_mb:>6.0f} MB → {every.peak_mb:>6.0f} MB  {every.peak_mb / one.peak_mb:.2f} of it, "
            f"{every.seconds:.1f} s"
        )


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pbxs", type=int, default=200)
    parser.add_argument("--devices", type=int, default=100, help="of each PBX, for the time")
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--devices-for-memory", type=int, default=500, help="of each PBX, for the memory")
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    _time(arguments.pbxs, arguments.devices, arguments.delay_ms)
    print(flush=True)
    _memory(arguments.pbxs, arguments.devices_for_memory)


if __name__ == "__main__":
    main()
