"""`make bench`: ratios from one run, beside the generic dlt source and a bare floor.

Times are of whole processes, byte-compiled; memory is the peak of the process. These machines are noisy: compare the
figures of one run with each other, not with those of another day.
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


@dataclass(frozen=True)
class Measured:
    """One process: seconds, and the peak of its memory in MB."""

    seconds: float
    peak_mb: float


class Server:
    """The simulated 3CX, and the environment in which `threecx` finds it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        url, client_id, client_secret = self._line().split()
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "RUNTIME__LOG_LEVEL": "ERROR",
            variable("base_url"): url,
            variable("client_id"): client_id,
            variable("client_secret"): client_secret,
        }

    def change(self) -> None:
        """One device in a hundred changes."""
        assert self._process.stdin is not None
        self._process.stdin.write("change\n")
        self._process.stdin.flush()
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def _server(devices: int, delay_seconds: float) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.benchmarks.server", str(devices), str(delay_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


def _measured(peer: str, folder: Path, server: Server) -> Measured:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.peers", peer, str(folder)], env=server.environ, cwd=folder
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{peer} failed")
    scale = 1 if sys.platform == "darwin" else 1024
    return Measured(time.perf_counter() - began, usage.ru_maxrss * scale / 2**20)


def _days(peer: str, devices: int, delay_seconds: float) -> Iterator[tuple[str, Measured]]:
    """A first load, a run without a change, a run with 1 % changed."""
    with tempfile.TemporaryDirectory() as name, _server(devices, delay_seconds) as server:
        folder = Path(name)
        yield "first load", _measured(peer, folder, server)
        yield "nothing changed", _measured(peer, folder, server)
        server.change()
        yield "1 % changed", _measured(peer, folder, server)


def main() -> None:
    """Runs the peers one after the other and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument(
        "--without", nargs="*", default=[], help="peers to leave out: generic takes a minute at 100,000"
    )
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {arguments.delay_ms:g} ms per request\n")
    print(f"{'devices':>9}  {'run':<16} {'program':<16} {'seconds':>8} {'peak MB':>8}  threecx takes")
    for devices in arguments.devices:
        found: dict[tuple[str, str], Measured] = {}
        peers = [p for p in ("threecx", "generic_parquet", "generic", "floor") if p not in arguments.without]
        for peer in peers:
            for run, measured in _days(peer, devices, arguments.delay_ms / 1000):
                found[run, peer] = measured
        for (run, peer), measured in sorted(found.items(), key=lambda item: item[0][0]):
            ours = found[run, "threecx"]
            ratio = (
                f"{ours.seconds / measured.seconds:.2f} of its time, "
                f"{ours.peak_mb / measured.peak_mb:.2f} of its memory"
            )
            print(
                f"{devices:>9,}  {run:<16} {peer:<16} {measured.seconds:>8.2f} {measured.peak_mb:>8.0f}  "
                + ("" if peer == "threecx" else ratio),
                flush=True,
            )


if __name__ == "__main__":
    main()
