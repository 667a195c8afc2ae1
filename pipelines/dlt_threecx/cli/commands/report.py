"""`threecx report`: the history as an HTML page."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.commands.verify import check_asked, verdicts_of
from dlt_threecx.cli.options import Time, talking, with_history, with_pbx
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import suggestion
from dlt_threecx.findings.waivers import load_waivers
from dlt_threecx.settings.config import load_pbx_names
from dlt_threecx.source.errors import SettingsError

__all__ = ["report", "write_report"]

_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")
_PLACE = "{pbx}"


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx report --output phones.html\n"
    "  threecx report --pbx hq --at 2026-11-01 --output hq.html\n"
    "  threecx report --each --output pages/          one page per PBX: pages/hq.html …\n"
    "  threecx report --each --output 'phones-{pbx}.html'"
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The page to write; with --each a folder, or a name with {pbx} in it.",
)
@click.option("--each", is_flag=True, help="One page per PBX, which names no other PBX.")
@click.option("--at", type=Time(end=True), metavar="TIME", help="As of then; a day means its end. Default: now.")
@with_pbx
@with_history
@talking
def report(output: Path, each: bool, at: datetime | None, pbx: tuple[str, ...], location: HistoryLocation) -> None:
    """Write the history as an HTML page.

    Freshness and proof, the inventory and how it grew, what changed, findings with what to do, phones that are gone
    and back. The page stands on its own: it can be sent, printed and read on a phone, and it loads nothing from
    anywhere. Times are UTC.
    """
    write_report(location, output, pbx=pbx, each=each, at=at)


def write_report(
    location: HistoryLocation,
    output: Path,
    *,
    pbx: Sequence[str] = (),
    each: bool = False,
    at: datetime | None = None,
) -> None:
    """Writes one page, or one for each PBX, and says where."""
    try:
        from dlt_threecx.report.facts import pbx_names, read_facts
        from dlt_threecx.report.page import page
    except ModuleNotFoundError as error:
        raise SettingsError(
            "threecx report",
            f"the package {error.name} is not installed",
            "Install the charts: pip install 'dlt-threecx[report]'",
        ) from error
    now = datetime.now(UTC)
    with open_history(location) as history:
        known = pbx_names(history)
        configured = load_pbx_names(location.project, os.environ)
        chosen = _chosen(pbx, known)
        check_asked(history, chosen, at)
        verdicts = verdicts_of(location, history, chosen if pbx else (), at)
        differing_views = history.differing_views()
        waivers = [one for one in load_waivers(location.project) if not one.has_ended(now.date())]

        def written(file: Path, names: Sequence[str], title: str, never_read: Sequence[str] = ()) -> None:
            facts = read_facts(
                history,
                at or now,
                verdicts=[verdict for verdict in verdicts if not names or verdict.pbx in names],
                differing_views=differing_views,
                pbxs=names,
                is_now=at is None,
                waivers=waivers,
                never_read=never_read,
            )
            _write(file, page(facts, title))

        if each:
            for name in chosen:
                written(_place(output, name), [name], f"SIP devices of {name}")
        elif pbx:
            written(output, chosen, f"SIP devices of {', '.join(chosen)}")
        else:
            never_read = sorted(set(configured) - set(known)) if at is None else []
            names = "" if known == ["default"] else f" of {known[0]}" if len(known) == 1 else f" of {len(known)} PBXs"
            written(output, (), f"SIP devices{names}", never_read)


def _chosen(patterns: Sequence[str], known: Sequence[str]) -> list[str]:
    """The PBXs that the patterns name. Raises SettingsError for one that names none."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise SettingsError(f"PBX '{pattern}'", "the history has no such PBX", suggestion(pattern, known))
    return [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def _place(output: Path, pbx: str) -> Path:
    """The file of a PBX: `{pbx}` filled in, else `NAME.html` in a folder."""
    name = _NO_FILE_NAME.sub("_", pbx)
    return Path(str(output).replace(_PLACE, name)) if _PLACE in str(output) else output / f"{name}.html"


def _write(file: Path, text: str) -> None:
    """Writes the file whole, or leaves what was there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)
    stderr.note(f"Wrote {file}")
