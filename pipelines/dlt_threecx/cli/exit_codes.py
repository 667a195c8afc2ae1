"""How a command ends: its exit code, and one line on stderr when something went wrong."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.lazy_group import OutputClosed
from dlt_threecx.source.errors import ExitCode, ThreecxError

__all__ = ["exit_code_of"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What the system says when a file or device takes no more."""


def exit_code_of(group: click.Group, args: Sequence[str] | None) -> int:
    """Runs the command; no exception leaves it."""
    signals: list[int] = []
    try:
        with _terminable(signals):
            code = group.main(args, prog_name="threecx", standalone_mode=False)
    except click.Abort as abort:
        # dlt has a handler of its own while it loads, which notes the signal in the same way.
        return _stopped(getattr(abort.__cause__, "signal_code", signal.SIGINT))
    except click.ClickException as error:
        stderr.error(_usage(error))
        return ExitCode.USAGE
    except ThreecxError as error:
        _trace()
        stderr.error(str(error))
        return error.exit_code
    except OutputClosed:
        _close_stdout()
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        # Ctrl-C before or after click's own care for it.
        return _stopped(signal.SIGINT)
    except Exception as error:  # noqa: BLE001 - the last resort: a bug is reported as one
        _trace()
        # Some libraries make another error of a signal: DuckDB while it asks, and what is interrupted in its import.
        return _stopped(signals[-1]) if signals else _unforeseen(error)
    return code if isinstance(code, int) else ExitCode.DONE


def _stopped(number: int) -> int:
    """Reports a signal that ended the command."""
    if number == signal.SIGTERM:
        stderr.error("stopped by SIGTERM: what was not loaded yet is not in the history. Run it again")
        return ExitCode.TERMINATED
    stderr.error("interrupted")
    return ExitCode.INTERRUPTED


def _unforeseen(error: Exception) -> int:
    """Reports an error that is none of ours."""
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        _close_stdout()
        stderr.error(f"stdout: it cannot be written ({error.strerror}). The answer is not complete")
        return ExitCode.DESTINATION
    stderr.error(_bug(error))
    return ExitCode.BUG


class _Terminated(KeyboardInterrupt):
    """SIGTERM arrived: everything ends as it does after Ctrl-C."""

    signal_code = signal.SIGTERM


@contextmanager
def _terminable(signals: list[int]) -> Iterator[None]:
    """Inside, SIGTERM is an exception, so that files are closed and locks are released; notes it, and Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        raise _Terminated

    def interrupt(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can receive signals.
        yield
        return
    handlers = {signal.SIGTERM: stop}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handlers[signal.SIGINT] = interrupt
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _usage(error: click.ClickException) -> str:
    if not isinstance(error, click.UsageError):
        return error.format_message()
    where = error.ctx.command_path if error.ctx else "threecx"
    return f"{error.format_message()} See: {where} --help"


def _bug(error: Exception) -> str:
    """Names the kind and place of a bug, not its words: they may hold anything."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}. This is a bug: please report it with what --debug shows"


def _trace() -> None:
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        traceback.print_exc(file=sys.stderr)


def _close_stdout() -> None:
    """So that the interpreter does not complain when it empties its buffers."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
