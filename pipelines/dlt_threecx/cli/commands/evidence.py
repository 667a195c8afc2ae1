"""`threecx evidence`: the devices of a time and the proof behind them, as one file for an auditor."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.commands.verify import check_asked, verdicts_of
from dlt_threecx.cli.options import Time, talking, with_history, with_pbx
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.evidence.bundle import bundle_files, read_evidence, write_bundle
from dlt_threecx.source.errors import ExitCode, SettingsError

__all__ = ["evidence"]


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx evidence --at 2026-09-30 --output phones-2026-09-30.zip\n"
    "  threecx evidence --pbx hq --output hq-today.zip"
)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The ZIP file to write.",
)
@click.option("--at", type=Time(end=True), metavar="TIME", help="As of then; a day means its end. Default: now.")
@with_pbx
@with_history
@talking
def evidence(output: Path, at: datetime | None, pbx: tuple[str, ...], location: HistoryLocation) -> int:
    """Pack the devices of a time with the proof behind them.

    The ZIP file has the list (CSV), the reading that it comes from, all attempts and changes up to then as hashes, the
    heads of the chain, the verdict of verify, and a page that explains how to check all of it without this program.
    Exit code 5 when the history does not agree; the file then says where.
    """
    now = datetime.now(UTC)
    until = min(at or now, now)
    with open_history(location) as kept, kept.original() as history:
        check_asked(history, pbx, at)
        verdicts = verdicts_of(location, history, pbx, until)
        if begins := next((verdict.begins for verdict in verdicts if verdict.begins), None):
            raise SettingsError(
                f"evidence of PBX '{begins.pbx}'",
                f"its history begins after an archive, {begins.archived.archive}, and the proof with it",
                "Name that with --archive",
            )
        found = [read_evidence(history, verdict.pbx, until, verdict) for verdict in verdicts]
    found = [one for one in found if one.attempts]
    if not any(one.reading for one in found):
        raise SettingsError(
            "--at", f"no PBX has a complete reading up to {until:%Y-%m-%d %H:%M} UTC", "See threecx status"
        )
    write_bundle(output, bundle_files(found, until, now, version("dlt-threecx")))
    stderr.note(f"Wrote {output}: {sum(len(one.devices) for one in found)} devices of {len(found)} PBXs")
    wrong = [one.pbx for one in found if one.verdict.disagreement]
    for name in wrong:
        stderr.error(f"PBX '{name}': the history is not what was written. See README.txt in it, or: threecx verify")
    return ExitCode.NOT_PROVEN if wrong else ExitCode.DONE
