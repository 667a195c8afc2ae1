"""The command line. Only click is imported here; each command brings its own module when it is called."""

from __future__ import annotations

import os
import sys

import click

from dlt_threecx.cli.exit_codes import exit_code_of
from dlt_threecx.cli.lazy_group import LazyGroup
from dlt_threecx.own_process import end, take_over

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "init": ("dlt_threecx.cli.commands.init:init", "Set up a PBX: ask, test, write the settings."),
    "check": ("dlt_threecx.cli.commands.check:check", "Connect to each PBX, step by step, and say what to do."),
    "list": ("dlt_threecx.cli.commands.list:list_devices", "List SIP devices straight from one PBX."),
    "sync": ("dlt_threecx.cli.commands.sync:sync", "Read every PBX and add what is new to the history."),
    "status": ("dlt_threecx.cli.commands.status:status", "How fresh the history of each PBX is."),
    "devices": ("dlt_threecx.cli.commands.devices:devices", "Devices that are there, now or at a time."),
    "changes": ("dlt_threecx.cli.commands.changes:changes", "What changed, field by field."),
    "diff": ("dlt_threecx.cli.commands.diff:diff", "What is different between two times."),
    "history": ("dlt_threecx.cli.commands.history:history", "The story of one device."),
    "findings": ("dlt_threecx.cli.commands.findings:findings", "What somebody should look at."),
    "verify": ("dlt_threecx.cli.commands.verify:verify", "Check that nobody edited the history."),
    "evidence": (
        "dlt_threecx.cli.commands.evidence:evidence",
        "Pack the devices of a time with the proof behind them.",
    ),
    "report": ("dlt_threecx.cli.commands.report:report", "Write the history as an HTML page."),
    "notify": ("dlt_threecx.cli.commands.notify:notify", "Send what is news; say nothing when there is none."),
    "schedule": ("dlt_threecx.cli.commands.schedule:schedule", "Print what runs the sync of this project every day."),
    "publish": ("dlt_threecx.cli.commands.publish:publish", "Publish the history as a copy for BI tools."),
    "archive": ("dlt_threecx.cli.commands.archive:archive", "Put an old part of the history into a file of its own."),
    "sql": ("dlt_threecx.cli.commands.sql:sql", "Ask the history in SQL; nothing can be written."),
    "demo": ("dlt_threecx.cli.commands.demo:demo", "Two weeks of a simulated 3CX, in a minute."),
    "simulate": ("dlt_threecx.cli.commands.simulate:simulate", "Run a 3CX on this machine, to try things with."),
}
"""Every command: `module:function`, and the line that `threecx --help` shows without importing it."""

EXAMPLES = """\b
Exit codes: 0 done, 2 usage or settings, 3 credentials, 4 unreachable, 5 not proven,
6 refused by a guard, 7 destination, 1 a bug, 130 Ctrl-C, 143 SIGTERM.

\b
Examples:
  threecx simulate --devices 500        a 3CX to try, on this machine
  threecx check                         are the settings right?
  threecx sync                          read all devices into phones.duckdb
  threecx changes --since 7d            what changed this week?
"""


@click.group(
    cls=LazyGroup,
    commands_by_name=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXAMPLES,
)
@click.version_option(package_name="dlt-threecx", prog_name="threecx")
@click.pass_context
def cli(context: click.Context) -> None:
    """Which SIP devices a 3CX has, since when, and what changed."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _open_what_is_closed() -> None:
    """Lets stdin, stdout and stderr lead nowhere if they are closed (`>&-`): other files would take their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest number that is free is the one of this stream.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def main(args: list[str] | None = None) -> None:
    """Runs a command, that of the command line without `args`, and ends the process with its exit code."""
    _open_what_is_closed()
    # JSON is UTF-8 wherever it goes; half a surrogate pair in a name becomes \ud800, which JSON reads back.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    if args is None:
        take_over()
    code = exit_code_of(cli, args)
    if args is None:
        end(code)
    sys.exit(code)
