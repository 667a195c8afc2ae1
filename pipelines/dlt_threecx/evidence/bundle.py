"""One bundle: the files that it holds, made from the history up to a time."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlt_threecx.destinations.base import History
from dlt_threecx.integrity.ledger import ledger_text
from dlt_threecx.integrity.row_hash import canonical
from dlt_threecx.integrity.verdict import Verdict
from dlt_threecx.tables import DEVICE_COLUMNS, LEDGER, finished_loads

__all__ = ["PbxEvidence", "bundle_files", "read_evidence", "write_bundle"]

_FOLDER = Path(__file__).parent
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")
_LEDGER_NAMES = tuple(column.name for column in LEDGER)
_DEVICE_NAMES = tuple(column.name for column in DEVICE_COLUMNS)
_VERSION_NAMES = ("snapshot_id", "device_id", "change", "row_version", "tracked_version", "changed_fields")
_ATTEMPTS = f"""
    select distinct {", ".join(f"s.{name}" for name in _LEDGER_NAMES)} from snapshots s
    where s._dlt_load_id in {finished_loads("")} and s.status <> 'joined' and s.pbx = ? and s.snapshot_id <= (
        select max(e.snapshot_id) from snapshots e where e.pbx = s.pbx and coalesce(e.taken_at, e.started_at) <= ?
    )
    order by s.snapshot_id
"""  # noqa: S608  names of columns are constants
_VERSIONS = f"""
    select distinct {", ".join(f"v.{name}" for name in (*_VERSION_NAMES, *_DEVICE_NAMES))} from device_versions v
    join complete_snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
    where v.pbx = ? and s.taken_at <= ?
    order by v.snapshot_id, v.device_id
"""  # noqa: S608  names of columns are constants

Row = Mapping[str, Any]


@dataclass
class PbxEvidence:
    """What the history has of one PBX up to a time."""

    pbx: str
    verdict: Verdict
    attempts: Sequence[Row]
    versions: list[Row] = field(default_factory=list)
    """Every version, without the device columns."""
    devices: dict[int, Row] = field(default_factory=dict)
    """The last version of each device that was there at the end."""

    @property
    def reading(self) -> Row | None:
        """The last complete attempt."""
        return next((row for row in reversed(self.attempts) if row["status"] == "complete"), None)


def read_evidence(history: History, pbx: str, at: datetime, verdict: Verdict) -> PbxEvidence:
    """Reads the attempts and versions of a PBX up to a time."""
    attempts = [dict(zip(_LEDGER_NAMES, row, strict=True)) for row in history.rows(_ATTEMPTS, [pbx, at])[1]]
    found = PbxEvidence(pbx, verdict, attempts)
    formats = {row["snapshot_id"]: row["row_format"] for row in attempts}
    for values in history.rows(_VERSIONS, [pbx, at])[1]:
        version = dict(zip(_VERSION_NAMES, values, strict=False))
        found.versions.append(version)
        if version["change"] == "removed":
            found.devices.pop(version["device_id"], None)
        else:
            columns = zip(_DEVICE_NAMES, values[len(_VERSION_NAMES) :], strict=True)
            row_format = formats.get(version["snapshot_id"])
            found.devices[version["device_id"]] = version | {"row_format": row_format} | dict(columns)
    return found


def bundle_files(evidence: Sequence[PbxEvidence], at: datetime, made_at: datetime, version: str) -> dict[str, bytes]:
    """Name → content of every file of the bundle."""
    folders = {one.pbx: _folder_name(one.pbx) for one in evidence}
    files = {
        "README.txt": _readme(evidence, at, made_at, version).encode(),
        "check.py": (_FOLDER / "check.py").read_bytes(),
        "columns.csv": _csv(("column", "type", "meaning"), (column[:3] for column in DEVICE_COLUMNS)),
        "heads.csv": _csv(
            ("pbx", "folder", "last_attempt_at", "head"),
            (
                (one.pbx, folders[one.pbx], _text(one.attempts[-1]["started_at"]), one.attempts[-1]["chain"])
                for one in evidence
            ),
        ),
    }
    for one in evidence:
        files |= {f"{folders[one.pbx]}/{name}": content for name, content in _pbx_files(one)}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return files | {"SHA256SUMS": sums.encode()}


def write_bundle(file: Path, files: Mapping[str, bytes]) -> None:
    """Writes the ZIP file whole, or leaves what was there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    unfinished.replace(file)


def _pbx_files(one: PbxEvidence) -> Iterator[tuple[str, bytes]]:
    columns = ("device_id", "row_version", "row_format", *_DEVICE_NAMES)
    yield "devices.csv", _csv(columns, ([_text(row[name]) for name in columns] for row in one.devices.values()))
    yield "versions.csv", _csv(_VERSION_NAMES, ([row[name] for name in _VERSION_NAMES] for row in one.versions))
    yield (
        "ledger.csv",
        _csv(
            ("snapshot_id", "chain", "text"),
            ((row["snapshot_id"], row["chain"], ledger_text(row).decode()) for row in one.attempts),
        ),
    )
    reading = json.loads(ledger_text(one.reading)) if one.reading else None
    yield "reading.json", (json.dumps(reading, indent=2, ensure_ascii=False) + "\n").encode()


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode()


def _text(value: Any) -> str:
    """The value as the hash of a device has it; nothing for null."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(canonical(value))


def _readme(evidence: Sequence[PbxEvidence], at: datetime, made_at: datetime, version: str) -> str:
    return (
        (_FOLDER / "README.txt")
        .read_text(encoding="utf-8")
        .format(
            at=f"{at:%Y-%m-%d %H:%M:%S}",
            made_at=f"{made_at:%Y-%m-%d %H:%M:%S}",
            version=version,
            readings="\n".join(map(_reading_line, evidence)),
            verdicts="\n".join(map(_verdict_line, evidence)),
        )
    )


def _reading_line(one: PbxEvidence) -> str:
    row = one.reading
    if row is None:
        return f"  {one.pbx}: no complete reading up to then"
    parts = [
        f"{row['devices']} devices",
        f"the PBX counted {row['reported_count']}",
        f"{row['pages']} pages of {row['page_size']}",
        f"walks: {row['walks']}",
        f"consistency: {row['consistency']}",
    ]
    parts += [f"filter: {row['filter']}"] if row["filter"] else []
    parts += [f"accepted: {row['accepted']}, because: {row['because']}"] if row["accepted"] else []
    return f"  {one.pbx}: read on {row['taken_at'].astimezone(UTC):%Y-%m-%d %H:%M:%S}, {', '.join(parts)}"


def _verdict_line(one: PbxEvidence) -> str:
    verdict, wrong = one.verdict, one.verdict.disagreement
    if wrong is None:
        counts = f"{verdict.attempts} attempts, {verdict.snapshots} complete, {verdict.versions} versions"
        return f"  {one.pbx}: nothing was edited. {counts}"
    place = [f"snapshot {wrong.snapshot_id}"] if wrong.snapshot_id else []
    place += [f"device {wrong.device_id}"] if wrong.device_id is not None else []
    return f"  {one.pbx}: NOT AS IT WAS WRITTEN. {', '.join([*place, wrong.what])}"


def _folder_name(pbx: str) -> str:
    """The name of a PBX as a folder: `.` and `..` are none."""
    name = _NO_FILE_NAME.sub("_", pbx)
    return f"_{name}" if name.startswith(".") else name
