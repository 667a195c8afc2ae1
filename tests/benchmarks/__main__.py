"""`python -m tests.benchmarks`: a run of ours beside P, the generic dlt source with Parquet, and F, a bare floor.

Each takes its turn, several times; the figures are medians. Times are of whole processes, memory is their peak. These
machines are noisy: compare the figures of one run with each other, not with those of another day.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlt_threecx.settings.keys import variable
from tests.benchmarks.processes import ROOT, Measured, machine, measured

PEERS = {"threecx": "ours", "generic_parquet": "P", "floor": "F"}


class Server:
    """The simulated 3CX, and the environment in which `threecx` finds it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        url, client_id, client_secret = self._line().split()
        self.environ = {
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


def _days(peers: list[str], devices: int, delay_seconds: float) -> Iterator[tuple[str, str, Measured]]:
    """Run, peer and what it took: a first load, a run without a change, a run with 1 % changed."""
    with tempfile.TemporaryDirectory() as name, _server(devices, delay_seconds) as server:
        for run in ("first load", "nothing changed", "1 % changed"):
            if run == "1 % changed":
                server.change()
            for peer in peers:
                folder = Path(name, peer)
                folder.mkdir(exist_ok=True)
                command = [sys.executable, "-m", "tests.benchmarks.peers", peer, str(folder)]
                yield run, peer, measured(command, folder, server.environ)


def main() -> None:
    """Runs the peers in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--times", type=int, default=3, help="how often each runs; once at 100,000")
    parser.add_argument("--peers", nargs="+", default=list(PEERS), help="import_dlt and generic are others")
    arguments = parser.parse_args()
    print(f"{machine()}, {arguments.delay_ms:g} ms per request")
    print("P: the generic dlt source with Parquet. F: requests, orjson, Arrow and DuckDB, nothing else.")
    for devices in arguments.devices:
        found = defaultdict[tuple[str, str], list[Measured]](list)
        for _ in range(arguments.times if devices < 100_000 else 1):
            for run, peer, took in _days(arguments.peers, devices, arguments.delay_ms / 1000):
                found[run, peer].append(took)
        print(f"\n{devices:>9,} devices  {'':<16} {'seconds':>8} {'of CPU':>8} {'peak MB':>8}  ours takes")
        for (run, peer), times in found.items():
            seconds, cpu_seconds, peak_mb = _medians(times)
            ratio = ""
            if peer != "threecx" and "threecx" in arguments.peers:
                ours = _medians(found[run, "threecx"])
                ratio = f"{ours[0] / seconds:.2f} of {PEERS.get(peer, peer)}, {ours[2] / peak_mb:.2f} of its memory"
            print(
                f"  {run:<16} {PEERS.get(peer, peer):<16} {seconds:>8.2f} {cpu_seconds:>8.2f} {peak_mb:>8.0f}  {ratio}",
                flush=True,
            )


def _medians(times: list[Measured]) -> tuple[float, float, float]:
    return (
        statistics.median(one.seconds for one in times),
        statistics.median(one.cpu_seconds for one in times),
        statistics.median(one.peak_mb for one in times),
    )


if __name__ == "__main__":
    main()
