"""`threecx schedule`: lines for cron, or units for systemd, that run the sync of this project every day."""

from __future__ import annotations

import getpass
import hashlib
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import connecting

__all__ = ["Schedule", "cron_lines", "schedule", "systemd_units"]

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_CRON = Template("""\
# threecx: reads every PBX of this project once a day. Install it with: crontab -e
# Errors go to stderr, so cron mails them; a run without an error prints nothing.
$minute $hour * * * $sync >/dev/null
""")

_SERVICE = Template("""\
[Unit]
Description=threecx reads the SIP devices of $project
Wants=network-online.target
After=network-online.target
OnFailure=$name-notify.service

[Service]
Type=oneshot
ExecStart=$sync
TimeoutStartSec=2h
$common
""")

_NOTIFY = Template("""\
[Unit]
Description=threecx tells what is news about $project, after a sync that failed

[Service]
Type=oneshot
ExecStart=$notify
TimeoutStartSec=10min
$common
""")

_TIMER = Template("""\
[Unit]
Description=threecx reads the SIP devices of $project once a day

[Timer]
OnCalendar=*-*-* $hour:$minute:00
RandomizedDelaySec=15min
Persistent=true

[Install]
WantedBy=timers.target
""")

_COMMON = Template("""\
User=$user
WorkingDirectory=$project
UMask=0077
# stdout has a line for each PBX; on stderr an error begins with <3>, so journalctl -p err finds it
SyslogIdentifier=$name
SyslogLevelPrefix=true
# it may write to the project and to nothing else
ProtectSystem=strict
ReadWritePaths=$writable
ProtectHome=read-only
PrivateTmp=true
PrivateDevices=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
RemoveIPC=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM""")


@dataclass(frozen=True)
class Schedule:
    """A sync of a project that runs every day."""

    program: tuple[str, ...]
    """The executable, with its path, and what goes before the name of a command."""
    project: Path
    hour: int
    minute: int
    user: str
    name: str
    options: tuple[str, ...] = ()
    """Further options of `sync`."""

    def command(self, name: str, *options: str) -> tuple[str, ...]:
        """The words of a command for this project."""
        return (*self.program, name, "--project", str(self.project), *options)


def cron_lines(given: Schedule) -> str:
    """Lines for a crontab."""
    # cron takes a % for the end of the line.
    words = shlex.join(given.command("sync", *given.options)).replace("%", r"\%")
    return _CRON.substitute(minute=given.minute, hour=given.hour, sync=words)


def systemd_units(given: Schedule) -> dict[str, str]:
    """The units, by the names of their files."""
    values = {
        "name": given.name,
        "project": str(given.project).replace("%", "%%"),
        "user": given.user,
        "writable": _quoted([str(given.project)]),
        "sync": _quoted(given.command("sync", *given.options)),
        "notify": _quoted(given.command("notify")),
        "hour": f"{given.hour:02}",
        "minute": f"{given.minute:02}",
    }
    values["common"] = _COMMON.substitute(values)
    return {
        f"{given.name}.service": _SERVICE.substitute(values),
        f"{given.name}.timer": _TIMER.substitute(values),
        f"{given.name}-notify.service": _NOTIFY.substitute(values),
    }


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx schedule cron\n"
    "  threecx schedule systemd --time 02:30 --user threecx\n"
    "  threecx schedule systemd --output /etc/systemd/system\n"
    "  threecx schedule cron -- --shard 1/4        what follows -- are options of sync"
)
@click.argument("scheduler", type=click.Choice(["cron", "systemd"]))
@click.argument("options", nargs=-1)
@click.option("--time", "clock", metavar="HH:MM", help="When. Default: a minute after 2 h that the project decides.")
@click.option("--user", metavar="NAME", help="Who runs it (systemd). Default: you.")
@click.option("--name", default="threecx", metavar="NAME", help="Name of the units (systemd). Default: threecx.")
@click.option(
    "--output",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the units into this folder instead of printing them (systemd).",
)
@connecting
def schedule(
    scheduler: Literal["cron", "systemd"],
    options: tuple[str, ...],
    clock: str | None,
    user: str | None,
    name: str,
    output: Path | None,
    project: Path,
) -> None:
    """Print what runs the sync of this project every day.

    For cron it is a line of a crontab, for systemd a hardened service, a timer, and a service that sends the news after
    a sync that failed. Paths are those of this project and this program, so nothing has to be edited. Each project
    has another minute, so that many of them do not call at the same time.
    """
    if not _NAME.fullmatch(name):
        raise click.BadParameter("a name has letters, digits, '-', '_' and '.' only.", param_hint="--name")
    folder = project.resolve()
    hour, minute = _hour_and_minute(clock, folder)
    given = Schedule(_program(), folder, hour, minute, user or getpass.getuser(), name, options)
    if scheduler == "cron":
        if output is not None:
            raise click.UsageError("--output is for systemd.")
        click.echo(cron_lines(given), nl=False)
        return
    if given.user == "root":
        stderr.note("It will run as root. A user of its own is safer: --user NAME")
    for file, text in systemd_units(given).items():
        if output is None:
            click.echo(f"# {file}\n{text}")
        else:
            (output / file).write_text(text, encoding="utf-8")
            click.echo(str(output / file))
    if output is not None:
        stderr.note(f"Start it with: systemctl daemon-reload && systemctl enable --now {name}.timer")


def _hour_and_minute(clock: str | None, project: Path) -> tuple[int, int]:
    if clock is None:
        return 2, hashlib.sha256(str(project).encode()).digest()[0] % 60
    found = _CLOCK.fullmatch(clock)
    if found is None:
        raise click.BadParameter(f"'{clock}' is no time such as 02:30.", param_hint="--time")
    return int(found[1]), int(found[2])


def _program() -> tuple[str, ...]:
    """The command that was called, with its path; else this Python with the module."""
    called = shutil.which(sys.argv[0])
    if called is not None and Path(called).stem == "threecx":
        return (str(Path(called).absolute()),)
    return sys.executable, "-m", "dlt_threecx"


def _quoted(words: Sequence[str]) -> str:
    """Words as systemd reads them."""
    return " ".join(map(_word, words))


def _word(word: str) -> str:
    word = word.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return word if word and not re.search(r"[\s'\";]", word) else f'"{word}"'
