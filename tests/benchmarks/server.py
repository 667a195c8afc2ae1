"""A simulated 3CX in a process of its own, its pages rendered beforehand: `python -m tests.benchmarks.server 1000 0`.

Prints its address, client id and secret. A line on stdin lets one device in a hundred change; the end of stdin ends it.
"""

import sys

from dlt_threecx.simulator import Fleet, Simulator


def main() -> None:
    """Serves until stdin ends."""
    devices, delay_seconds = int(sys.argv[1]), float(sys.argv[2])
    fleet = Fleet(devices=devices, seed=1)
    fleet.fragments(fleet.rows(), True)
    with Simulator(fleet, delay_seconds=delay_seconds) as pbx:
        print(pbx.base_url, pbx.client_id, pbx.client_secret, flush=True)
        for number, _ in enumerate(sys.stdin):
            for device_id in fleet.ids()[::100]:
                fleet.update(device_id, {"Registrar": {"FirmwareVersion": f"99.{number}"}})
            fleet.fragments(fleet.rows(), True)
            print("changed", flush=True)


if __name__ == "__main__":
    main()
