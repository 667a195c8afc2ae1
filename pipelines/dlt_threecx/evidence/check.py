"""Checks this bundle with nothing but Python 3.

Run it in the unpacked folder: python3 check.py
It does what README.txt explains. Read it before you rely on it. It needs no network and writes nothing.
"""

import csv
import hashlib
import json
import sys
from collections import defaultdict
from pathlib import Path

Row = dict[str, str]
FOLDER = Path(__file__).parent
BOOLEANS = {"true": True, "false": False}
ROW_FORMAT = 1


def sha256(text: str) -> str:
    """64 hex digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def number(text: str) -> int:
    """The first 128 bits of the hash."""
    return int(sha256(text)[:32], 16)


def table(*names: str) -> list[Row]:
    """The rows of a CSV file."""
    csv.field_size_limit(2**31 - 1)
    with FOLDER.joinpath(*names).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def row_version(device: Row, types: dict[str, str]) -> str:
    """The hash of a device's columns that are not empty."""
    values: dict[str, object] = {}
    for name, text in device.items():
        if name in types and text != "":
            values[name] = BOOLEANS[text] if types[name] == "bool" else int(text) if types[name] == "bigint" else text
    return sha256(json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


class Pbx:
    """The files of one PBX, gone through reading by reading; `wrong` says what does not agree."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.wrong: list[str] = []
        self.chain = "0" * 64
        self.total = 0
        self.present: dict[str, str] = {}
        """The row_version of every device that is there."""

    def check(self, types: dict[str, str], head: str) -> None:
        """Checks all files."""
        versions: dict[str, list[Row]] = defaultdict(list)
        for version in table(self.folder, "versions.csv"):
            versions[version["snapshot_id"]].append(version)
        for row in table(self.folder, "ledger.csv"):
            self.attempt(row, versions.pop(row["snapshot_id"], []))
        self.wrong.extend(f"versions.csv: ledger.csv has no {name}" for name in versions)
        if self.chain != head:
            self.wrong.append("heads.csv: the head is not the end of the chain")
        self.devices(types)

    def attempt(self, row: Row, versions: list[Row]) -> None:
        """One line of the ledger, and the versions of its reading."""
        content = json.loads(row["text"])
        seal = 0
        for one in versions:
            names = ("device_id", "change", "row_version", "tracked_version", "changed_fields")
            seal += number(":".join(one[name] for name in names))
            device = one["device_id"]
            if device in self.present:
                self.total -= number(f"{device}:{self.present.pop(device)}")
            if one["change"] != "removed":
                self.present[device] = one["row_version"]
                self.total += number(f"{device}:{one['row_version']}")
        chain = sha256(f"{self.chain}{seal % 2**128:032x}{row['text']}")
        if chain != row["chain"] or content["snapshot_id"] != row["snapshot_id"]:
            self.wrong.append(f"ledger.csv, {row['snapshot_id']}: it, its versions or a line before it were changed")
        self.chain = row["chain"]
        if content["status"] == "complete":
            said = (content["fingerprint"], content["devices"])
            if (f"{self.total % 2**128:032x}", len(self.present)) != said:
                self.wrong.append(f"ledger.csv, {row['snapshot_id']}: the devices do not add up to the fingerprint")

    def devices(self, types: dict[str, str]) -> None:
        """The list itself: those of the last reading, with the columns that were read."""
        devices = table(self.folder, "devices.csv")
        if {device["device_id"]: device["row_version"] for device in devices} != self.present:
            self.wrong.append("devices.csv: these are not the devices of the last complete reading")
        for device in devices:
            if device["row_format"] == str(ROW_FORMAT) and row_version(device, types) != device["row_version"]:
                self.wrong.append(f"devices.csv, device {device['device_id']}: these columns were not read so")


def main() -> int:
    """Prints a line for each problem and for each PBX; 1 when something was edited."""
    wrong = []
    for line in (FOLDER / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() != digest:
            wrong.append(f"SHA256SUMS: {name} is not the file that was packed")
    types = {column["column"]: column["type"] for column in table("columns.csv")}
    for row in table("heads.csv"):
        pbx = Pbx(row["folder"])
        pbx.check(types, row["head"])
        wrong.extend(f"{row['folder']}/{problem}" for problem in pbx.wrong)
        if not pbx.wrong:
            sys.stdout.write(f"{row['pbx']}: nothing was edited. Head of the chain: {row['head']}\n")
    for problem in wrong:
        sys.stdout.write(f"NOT AS IT WAS: {problem}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
