"""Files that are written beside the published ones and then take their place, so that no reader meets half of one."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fasteners

from dlt_threecx.errors import DestinationError

__all__ = ["put", "staging"]

FOLDER_MODE = 0o755
_LEFTOVER = re.compile(r"\.threecx_bi-[0-9a-f]{8}\.new")


@contextmanager
def staging(folder: Path, wait_seconds: float) -> Iterator[Path]:
    """A private folder inside `folder` for new files, for one publication at a time. It is removed at the end.

    Those of publications that were killed are removed too. Raises DestinationError when another one does not end.
    """
    make_folder(folder)
    lock = fasteners.InterProcessLock(folder / ".threecx_bi.lock")
    if not lock.acquire(timeout=wait_seconds):
        raise DestinationError(
            f"publish into {folder}",
            f"another publication writes there, and did so for {wait_seconds:g} s",
            "The copy is as it was. Run again when the other has ended",
        )
    try:
        for path in folder.iterdir():
            if _LEFTOVER.fullmatch(path.name):
                shutil.rmtree(path)
        private = folder / f".threecx_bi-{secrets.token_hex(4)}.new"
        private.mkdir(mode=0o700)
        try:
            yield private
        finally:
            shutil.rmtree(private, ignore_errors=True)
    finally:
        lock.release()


def make_folder(folder: Path) -> None:
    """Creates a folder whose names anybody may list; who may read a file is a matter of its own mode."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(FOLDER_MODE)


def put(file: Path, target: Path, mode: int) -> None:
    """Puts a finished file in the place of `target`, in one step that also a power failure cannot halve."""
    make_folder(target.parent)
    file.chmod(mode)
    _flush(file)
    file.replace(target)
    if os.name == "posix":
        _flush(target.parent)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
