"""Rows of a lake's files, kept in the work folder: of many files in one, a part.

A file of a lake is never changed once it is there, but a reader pays for each. So a sync reads each only once, and
keeps its rows. A part counts while it is the file that was written and the lake still has every file that it is made
of; else these are read again. Deleting the folder is harmless while no history is open. `verify` never looks into it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import duckdb

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.tables import LOADS

__all__ = ["Part", "Parts", "files_beside", "in_batches", "rows_of", "sql_list"]

_LEAST = 16
"""Fewer files than these are not worth a part: they are read each time."""
_MOST = 250
"""No more files than these are read at once: each takes a third of a MB while it is open."""
_OPEN_SECONDS = 24 * 60 * 60
"""A part stays for so long after it has gone into another."""


@dataclass(frozen=True)
class Part:
    """The rows of some files of a table."""

    path: str
    digest: str
    files: list[str]


class Parts:
    """The parts of one table."""

    def __init__(self, location: HistoryLocation, table: str) -> None:
        # The same from every working folder.
        self._folder, self._table = location.work_folder.absolute() / "lake", table
        self._index = self._folder / f"{table}.json"

    def of(self, files: Collection[str]) -> list[Part]:
        """The parts that count while the table has these files."""
        there = set(files)
        return [
            part
            for part in self._noted()
            if there.issuperset(part.files) and Path(part.path).is_file() and _is_whole(Path(part.path), part.digest)
        ]

    def grown(
        self, files: Sequence[str], connection: duckdb.DuckDBPyConnection, relation: Callable[[Sequence[str]], str]
    ) -> list[Part]:
        """The same, after the files that were in none have become parts. `relation` is the SQL that reads files.

        Only for whoever holds the work folder.
        """
        parts = self.of(files)
        rest = files_beside(parts, files)
        if len(rest) < _LEAST:
            return parts
        self._folder.mkdir(exist_ok=True, mode=0o700)
        for new in in_batches(rest):
            # A part takes in those before it that are no larger: so there are few, and a row is seldom copied.
            taken: list[Part] = []
            while parts and len(parts[-1].files) <= len(new) + sum(len(part.files) for part in taken):
                taken.insert(0, parts.pop())
            sql = f"select * from {relation(new)}"  # noqa: S608  files are quoted
            if taken:
                sql = f"{rows_of(taken)} union all by name {sql}"
            files_of_all = [*(file for part in taken for file in part.files), *new]
            if (written := self._written(connection, sql, files_of_all)) is None:
                parts += taken
                break
            parts.append(written)
        self._note(parts)
        return parts

    def _written(self, connection: duckdb.DuckDBPyConnection, sql: str, files: list[str]) -> Part | None:
        """The rows of a query as a part; None when dlt has not yet written all of a file of its own."""
        path = self._folder / f"{self._table}.new"
        (rows,) = connection.execute(f"copy ({sql}) to {_quoted(str(path))} (format parquet)").fetchall()[0]
        if self._table == LOADS and rows != len(files):
            return None
        digest = _digest_of(path)
        return Part(str(path.replace(self._folder / f"{self._table}-{digest}.parquet")), digest, files)

    def _noted(self) -> list[Part]:
        try:
            return [Part(**part) for part in json.loads(self._index.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []

    def _note(self, parts: Sequence[Part]) -> None:
        half_written = self._index.with_suffix(".new")
        half_written.write_text(json.dumps([asdict(part) for part in parts]), encoding="utf-8")
        half_written.replace(self._index)
        # A history that is open reads what the index named when it was opened.
        wanted = {part.path for part in parts}
        for path in self._folder.glob(f"{self._table}-*.parquet"):
            if str(path) in wanted:
                path.touch()
            elif time.time() - path.stat().st_mtime > _OPEN_SECONDS:
                path.unlink()


@lru_cache
def _is_whole(part: Path, digest: str) -> bool:
    """Whether this is the part that was written. A process looks at each once."""
    try:
        return _digest_of(part) == digest
    except OSError:
        return False


def _digest_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").hexdigest()[:32]


def rows_of(parts: Sequence[Part]) -> str:
    """SQL: the rows of parts."""
    return f"select * from read_parquet({sql_list(part.path for part in parts)}, union_by_name = true)"  # noqa: S608


def files_beside(parts: Sequence[Part], files: Sequence[str]) -> list[str]:
    """The files that are in no part."""
    kept = {file for part in parts for file in part.files}
    return [file for file in files if file not in kept]


def in_batches(files: Sequence[str]) -> Iterator[Sequence[str]]:
    """The files, as many as can be read at once at a time."""
    return (files[start : start + _MOST] for start in range(0, len(files), _MOST))


def sql_list(texts: Iterable[str]) -> str:
    """The texts as a list of SQL."""
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
