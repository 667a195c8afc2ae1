"""Writes rows in a copy of this process, while this one asks for the next pages and parses them."""

from __future__ import annotations

import marshal
import pickle
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import BinaryIO

from dlt_threecx.snapshot.device_writer import DeviceWriter, Written
from dlt_threecx.snapshot.forked import forked, told
from dlt_threecx.source.page import Item

__all__ = ["CopiedWriter"]


class CopiedWriter:
    """Goes on with what a writer has begun; nobody may use that one any more."""

    def __init__(self, writer: DeviceWriter) -> None:
        self._copy = forked(partial(_serve, writer))
        self._is_open = True

    def add(self, items: list[Item], rows: Sequence[int]) -> None:
        """As DeviceWriter has it; an error may come at a later page, or in the end."""
        # Marshal is faster, and goes as deep as the parser. The last row of a page may be more than a dict.
        page = marshal.dumps([*items[:-1], dict(items[-1])])
        try:
            self._copy.tell((page, rows))
        except BrokenPipeError:
            self._copy.hear()

    def finish(self) -> Written:
        """Completes the file. Raises what went wrong with any row."""
        # When it has ended, that is heard.
        with suppress(BrokenPipeError):
            self._copy.tell(None)
        written: Written = self._copy.hear()
        self.close()
        return written

    def close(self) -> None:
        """Leaves the file as it is, complete or not."""
        if self._is_open:
            self._is_open = False
            self._copy.end()


def _serve(writer: DeviceWriter, jobs: BinaryIO, answers: BinaryIO) -> None:
    outcome: Written | Exception
    try:
        while (told_page := pickle.load(jobs)) is not None:  # noqa: S301  the first process wrote it
            page, rows = told_page
            writer.add(marshal.loads(page), rows)  # noqa: S302
        outcome = writer.finish()
    except EOFError:
        raise
    except Exception as error:  # noqa: BLE001 - it is raised again in the first process
        outcome = told(error)
    pickle.dump(outcome, answers)
