"""Loads ledger rows and versions into the destination with dlt, and finishes what an earlier run left.

A package counts when dlt has written its row into `_dlt_loads`, which it does last; until then no view shows it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.destination.exceptions import DestinationException
from dlt.pipeline.exceptions import PipelineStepFailed

from dlt_threecx.compare.previous import PbxState
from dlt_threecx.compare.versions_file import VersionsFile
from dlt_threecx.destinations.base import Destination
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.integrity.ledger import LedgerRow
from dlt_threecx.loading.previous_state import pbx_states
from dlt_threecx.loading.unfinished import drop_packages, sweep, tables_to_load
from dlt_threecx.loading.work_folder import WorkFolder
from dlt_threecx.settings.config import TableFormat
from dlt_threecx.tables import LEDGER, TABLES, VERSIONS, TableColumn, dlt_hints

__all__ = ["Loader"]

PIPELINE = "threecx"


class Loader:
    """A dlt pipeline whose files live in the work folder, and nowhere else."""

    def __init__(self, destination: Destination, work: WorkFolder, table_format: TableFormat) -> None:
        self.destination = destination
        self.finished: frozenset[str] = frozenset()
        """The snapshots of an earlier run that finish_pending has loaded."""
        self._table_format = table_format
        self._has_versions = destination.has_table("device_versions")
        self._announcement = work.announcement
        sweep(work.pipelines / PIPELINE, destination.has_package)
        self._pipeline = dlt.pipeline(
            PIPELINE,
            pipelines_dir=str(work.pipelines),
            destination=destination.factory(),
            dataset_name=destination.dataset,
        )

    def finish_pending(self) -> None:
        """Loads what an earlier run had proven but could not load, if there is anything that still fits the history."""
        folder = Path(self._pipeline.working_dir)
        # With an announcement that cannot be read nobody knows what the package continues: it is given up.
        announced = self._announcement.read()
        heads, snapshot_ids = announced or ({}, [])
        fits = announced is not None and self._fits(heads)
        if not fits:
            drop_packages(folder)
        # Rows of a load that was cut off: no view shows them, and now they may come again.
        self.destination.remove_uncommitted(snapshot_ids, tables_to_load(folder) if fits else TABLES)
        if self._pipeline.has_pending_data:
            self._load("a package that an earlier run left")
            self.finished = frozenset(snapshot_ids)
        self._announcement.remove()

    def _fits(self, heads: Mapping[str, str | None]) -> bool:
        """Whether a package waits that dlt can finish, and nobody else has gone on with one of its PBXs meanwhile."""
        # Killed in the very first run before the schema was noted, dlt would pass over the package without a word.
        if not self._pipeline.has_pending_data or not self._pipeline.schema_names:
            return False
        states = pbx_states(self.destination, list(heads))
        return all(states[pbx].chain == head for pbx, head in heads.items())

    def load(self, ledger: Sequence[LedgerRow], versions: VersionsFile, states: Mapping[str, PbxState]) -> None:
        """Loads one package: all or nothing, as far as any view shows. `states` are those that it continues."""

        def snapshots() -> Iterator[list[dict[str, Any]]]:
            yield [row.values() for row in ledger]

        def device_versions() -> Iterator[Any]:
            if self.destination.takes_files:
                yield dlt.mark.with_file_import(str(versions.path), "parquet", versions.rows)
            else:
                yield from map(
                    pa.Table.from_batches, ([batch] for batch in pq.ParquetFile(versions.path).iter_batches())
                )

        resources = [self._resource("snapshots", LEDGER, snapshots)]
        # The views need both tables, even after a first run that failed.
        if versions.rows or not self._has_versions:
            resources.append(self._resource("device_versions", VERSIONS, device_versions))
        self._announcement.write(
            {row.pbx: states[row.pbx].chain for row in ledger}, [row.snapshot_id for row in ledger]
        )
        self._load("the package of this run", resources)
        self._announcement.remove()

    def _resource(self, name: str, columns: tuple[TableColumn, ...], rows: Any) -> Any:
        resource = dlt.resource(
            rows,
            name=name,
            columns=dlt_hints(columns),
            primary_key=[column.name for column in columns if column.key],
            write_disposition="append",
        )
        if self.destination.file_format and self._table_format != "parquet":
            resource.apply_hints(table_format=self._table_format)
        return resource

    def _load(self, what: str, resources: Sequence[Any] = ()) -> None:
        """Takes resources into a new package, if there are any, and loads all packages."""
        try:
            if resources:
                self._pipeline.extract(resources, loader_file_format=self.destination.file_format)
            self._pipeline.normalize(workers=1)
            self._pipeline.load(workers=1)
        except (PipelineStepFailed, DestinationException) as error:
            root = _root(error)
            if isinstance(root, KeyboardInterrupt):
                # dlt makes an error of Ctrl-C and SIGTERM.
                raise root from None
            raise DestinationError(
                f"load of {what}",
                f"the destination failed ({first_line(root)})",
                "No view shows any of it. Repair the destination and run again: that finishes this load first. "
                f"To give it up, delete {self._pipeline.working_dir}",
            ) from error
        self.destination.refresh()
        # dlt keeps a record of every finished package; over the years that would fill the disk. `dlt pipeline … info`
        # needs the folder.
        loaded = Path(self._pipeline.working_dir, "load", "loaded")
        shutil.rmtree(loaded, ignore_errors=True)
        loaded.mkdir(exist_ok=True)


def _root(error: BaseException) -> BaseException:
    """The error that dlt's own ones stand around: what the destination said itself."""
    inner = getattr(error, "client_exception", None) or error.__cause__
    return _root(inner) if inner else error
