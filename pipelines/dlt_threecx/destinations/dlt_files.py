"""dlt's own destination of files, without the second that it waits for each file that needs no work."""

from __future__ import annotations

from typing import Any

from dlt.common.destination.client import HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.destinations.impl.filesystem.factory import filesystem
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient
from dlt.destinations.job_impl import FinalizedLoadJob, FinalizedLoadJobWithFollowupJobs

__all__ = ["Files"]


class _Done(RunnableLoadJob):
    """A file that needs no work. dlt's own job for it does not report that it has ended: dlt looks after a second."""

    def run(self) -> None:
        """Does nothing."""


class _DoneWithFollowup(HasFollowupJobs, _Done):
    """The same, for a file that goes into a table of Delta Lake or Iceberg by another job."""


_AT_ONCE: dict[type[LoadJob], type[LoadJob]] = {
    FinalizedLoadJob: _Done,
    FinalizedLoadJobWithFollowupJobs: _DoneWithFollowup,
}


class _Client(FilesystemClient):
    def get_load_job_class(self, table: Any, file_path: str) -> type[LoadJob]:
        found = super().get_load_job_class(table, file_path)
        return _AT_ONCE.get(found, found)


class Files(filesystem):
    """A folder or a bucket."""

    @property
    def destination_type(self) -> str:
        """What dlt notes in the state of the pipeline: its own destination, which its tools can open."""
        return "dlt.destinations.filesystem"

    @property
    def client_class(self) -> type[FilesystemClient]:
        return super().client_class if self.is_hf else _Client
