"""dlt's own destination of files. It shows none before it is whole, and does not wait a second for one without work."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from dlt.common.destination.client import HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.destinations.impl.filesystem.factory import filesystem
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient, FilesystemLoadJob
from dlt.destinations.job_impl import FinalizedLoadJob, FinalizedLoadJobWithFollowupJobs

__all__ = ["PART", "Files"]

PART = ".part"
"""How the name of a file ends while it is being copied."""


class _Done(RunnableLoadJob):
    """A file that needs no work. dlt's own job for it does not report that it has ended: dlt looks after a second."""

    def run(self) -> None:
        """Does nothing."""


class _DoneWithFollowup(HasFollowupJobs, _Done):
    """The same, for a file that goes into a table of Delta Lake or Iceberg by another job."""


class _Copied(FilesystemLoadJob):
    """A file of a folder has its name when it is whole: a run may be killed, and others read meanwhile."""

    def run(self) -> None:
        if not self._job_client.config.is_local_filesystem:
            super().run()
            return
        there = Path(self.make_remote_path())
        there.parent.mkdir(parents=True, exist_ok=True)
        # Not beside the others: whoever reads the table reads all files of its folder.
        begun = Path(self._job_client.dataset_path, f"{there.name}{PART}")
        shutil.copyfile(self._file_path, begun)
        begun.replace(there)


_OURS: dict[type[LoadJob], type[LoadJob]] = {
    FinalizedLoadJob: _Done,
    FinalizedLoadJobWithFollowupJobs: _DoneWithFollowup,
    FilesystemLoadJob: _Copied,
}


class _Client(FilesystemClient):
    def get_load_job_class(self, table: Any, file_path: str) -> type[LoadJob]:
        found = super().get_load_job_class(table, file_path)
        return _OURS.get(found, found)


class Files(filesystem):
    """A folder or a bucket."""

    @property
    def destination_type(self) -> str:
        """What dlt notes in the state of the pipeline: its own destination, which its tools can open."""
        return "dlt.destinations.filesystem"

    @property
    def client_class(self) -> type[FilesystemClient]:
        return super().client_class if self.is_hf else _Client
