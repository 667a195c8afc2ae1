"""What is said on stderr: errors, warnings and hints. Data goes to stdout."""

from __future__ import annotations

import logging

import click

__all__ = ["error", "listen", "note", "warning"]

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def error(text: str) -> None:
    """One line that says what went wrong."""
    _say(f"threecx: error: {text}")


def warning(text: str) -> None:
    """One line that says what should be mended, though the command goes on."""
    _say(f"threecx: warning: {text}")


def note(text: str) -> None:
    """One line that helps to read the result."""
    _say(text)


def listen(level: int) -> None:
    """How much the libraries may say: 0 warnings, 1 each request to a PBX, 2 everything, and tracebacks."""
    logging.basicConfig(level=_LEVELS[level], format="threecx: %(name)s: %(message)s")
    if level == 1:
        logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)


def _say(text: str) -> None:
    """On one line, without signs that could steer a terminal."""
    line = " ".join(text.splitlines())
    click.echo("".join(c if c.isprintable() else "?" for c in line), err=True)
