"""A copy of this process that does one thing beside it, and ends when this one does, however that ends.

What goes to the copy and comes from it goes through two pipes.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from dlt_threecx.source.errors import ThreecxError

__all__ = ["EndedError", "Forked", "forked", "told"]

_ASKED = "reading in another process"


class EndedError(ThreecxError):
    """A copy has ended before it had done what it was to do."""


@dataclass(frozen=True)
class Forked:
    """The copy, seen from the process that made it."""

    child: int
    jobs: BinaryIO
    answers: BinaryIO

    def tell(self, what: object) -> None:
        """Gives it something to do. Raises BrokenPipeError when it has ended."""
        pickle.dump(what, self.jobs)
        self.jobs.flush()

    def hear(self) -> Any:
        """What it says next; an error that it says is raised. Raises EndedError when it has ended."""
        try:
            heard = pickle.load(self.answers)  # noqa: S301  our own process wrote it
        except (EOFError, pickle.UnpicklingError) as error:
            raise EndedError(
                _ASKED, "it was ended from outside, perhaps because memory ran out", "Nothing was loaded. Run again"
            ) from error
        if isinstance(heard, Exception):
            raise heard
        return heard

    def kill(self) -> None:
        """Ends it at once; whoever listens to it hears that."""
        os.kill(self.child, signal.SIGKILL)

    def end(self) -> None:
        """Ends it, and leaves nothing of it."""
        self.kill()
        os.waitpid(self.child, 0)
        self.answers.close()
        # It need not hear the rest.
        with suppress(BrokenPipeError):
            self.jobs.close()


def forked(serve: Callable[[BinaryIO, BinaryIO], None], others: Sequence[Forked] = ()) -> Forked:
    """Makes a copy, which calls `serve` with what leads to it and from it, and ends. Raises OSError when there is none.

    It closes what leads to `others`, so that each ends with this process alone.
    """
    jobs_out, jobs_in = os.pipe()
    answers_out, answers_in = os.pipe()
    try:
        child = os.fork()
    except OSError:
        for file in (jobs_out, jobs_in, answers_out, answers_in):
            os.close(file)
        raise
    if child == 0:
        try:
            of_others = (pipe.fileno() for other in others for pipe in (other.jobs, other.answers))
            for file in (jobs_in, answers_out, *of_others):
                os.close(file)
            with os.fdopen(jobs_out, "rb") as jobs, os.fdopen(answers_in, "wb") as answers:
                serve(jobs, answers)
        except (EOFError, BrokenPipeError):
            pass  # The first process has ended, or had nothing to do.
        finally:
            # Nothing of what the first process began is cleaned up twice.
            os._exit(0)
    os.close(jobs_out)
    os.close(answers_in)
    return Forked(child, os.fdopen(jobs_in, "wb"), os.fdopen(answers_out, "rb"))


def told(error: Exception) -> Exception:
    """An error as a copy says it: one that nobody foresaw might not come through."""
    if isinstance(error, ThreecxError | OSError):
        return error
    if isinstance(error, MemoryError):
        return EndedError(_ASKED, "memory ran out", "Nothing was loaded. Run again when more is free")
    from dlt_threecx.snapshot.reading import unforeseen

    return unforeseen(error, _ASKED, "This is a bug: report it")
