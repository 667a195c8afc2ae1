"""`threecx notify`: sends what is news since last time."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.freshness import chosen_pbxs
from dlt_threecx.cli.options import talking, with_location, with_pbx
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.notify.announce import announce
from dlt_threecx.notify.message import Message
from dlt_threecx.notify.receivers import Receiver, apprise_receivers
from dlt_threecx.settings.config import load_pbx_names, load_run
from dlt_threecx.source.errors import ExitCode

__all__ = ["notify"]

_TEST = Message("threecx: test", "The news of threecx will arrive here.", "info")


@dataclass(frozen=True)
class _Stdout:
    """Prints the messages for a receiver."""

    key: str = "stdout"
    name: str = "stdout"

    def deliver(self, message: Message) -> bool:
        """Prints a message."""
        click.echo(f"{message.title}\n\n{message.body}\n")
        return True


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx notify --test\n"
    "  threecx notify\n"
    "  threecx notify --each --pbx hq\n"
    "  threecx notify --dry-run"
)
@click.option("--each", is_flag=True, help="A message of its own for every PBX.")
@click.option("--dry-run", is_flag=True, help="Print the messages instead of sending them; they stay news.")
@click.option("--test", is_flag=True, help="Send a test message to every address, and nothing else.")
@with_pbx
@with_location
@talking
def notify(each: bool, dry_run: bool, test: bool, pbx: tuple[str, ...], location: HistoryLocation) -> int:
    """Send what is news; say nothing when there is none.

    News is a PBX that became refused, failing or stale, each once and one reminder after 24 hours; that it recovered;
    new findings; and once a day what changed. The addresses are those of Apprise (mail, Slack, Teams, Telegram and
    others) in the setting notify of .dlt/secrets.toml. Without that setting the news is printed. Every address has its
    own memory, which moves on only after delivery: what did not arrive is sent next time (exit code 4).
    """
    run = load_run(location.project, os.environ)
    receivers = apprise_receivers(run.notify) or [_Stdout()]
    if test:
        unreached = [receiver.name for receiver in receivers if not receiver.deliver(_TEST)]
    else:
        shown: list[Receiver] = [_Stdout(receiver.key, receiver.name) for receiver in receivers]
        with open_history(location) as history:
            chosen = chosen_pbxs(history, location, pbx)
        unreached = announce(
            shown if dry_run else receivers,
            partial(open_history, location),
            location.work_folder / "notify",
            location.project,
            run,
            pbxs=chosen or load_pbx_names(location.project, os.environ),
            each=each,
            keeps_cursor=dry_run,
        )
    sys.stdout.flush()
    for name in unreached:
        stderr.error(f"{name} was not reached")
    return ExitCode.UNREACHABLE if unreached else ExitCode.DONE
