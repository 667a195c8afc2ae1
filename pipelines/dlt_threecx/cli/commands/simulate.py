"""`threecx simulate`: a 3CX on this machine, to try things with."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping, Sequence

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import talking
from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import FAULTS, SHAPES, Day, Fleet, Simulator

__all__ = ["simulate"]

MOST_PBXS = 10_000
MOST_TOLD = 20
"""PBXs whose days are told one by one."""


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx simulate --devices 500 --port 8300\n"
    "  threecx simulate --pbx hq --pbx leeds --days-every 60\n"
    "  threecx simulate --pbx 1000 --devices 100 --delay-ms 50\n"
    "  threecx simulate --fault repeated_row\n\n"
    "\b\nFaults:\n" + "\n".join(f"  {name:<24}{text}" for name, text in FAULTS.items())
)
@click.option("--devices", type=click.IntRange(0, 1_000_000), default=500, help="Of each PBX. Default: 500.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0, the default, takes any that is free.")
@click.option("--seed", type=int, default=1, help="The same seed gives the same devices. Default: 1.")
@click.option("--shape", type=click.Choice(SHAPES), default="20.0.4", help="Of which release. Default: 20.0.4.")
@click.option(
    "--pbx",
    multiple=True,
    metavar="NAME|NUMBER",
    help="Several PBXs: their names, or a number of PBXs called pbx0001 and so on. Default: one.",
)
@click.option("--fault", type=click.Choice(list(FAULTS)), metavar="NAME", help="Misbehave: see the list below.")
@click.option(
    "--expires-in",
    type=click.Choice(["seconds", "minutes"]),
    default="seconds",
    help="Unit of a token's life, as since 20.0.9 or before. Default: seconds.",
)
@click.option("--delay-ms", type=click.FloatRange(0, 60_000), default=0, help="Before each answer. Default: 0.")
@click.option(
    "--changes-per-request",
    type=click.FloatRange(0, 1_000),
    default=0,
    help="Changes of the fleet before each page, on average. Default: 0.",
)
@click.option("--days-every", type=click.FloatRange(0.1), metavar="SECONDS", help="Let a day pass this often.")
@talking
def simulate(
    devices: int,
    port: int,
    seed: int,
    shape: str,
    pbx: tuple[str, ...],
    fault: str | None,
    expires_in: str,
    delay_ms: float,
    changes_per_request: float,
    days_every: float | None,
) -> None:
    """Run a 3CX on this machine, to try things with.

    It answers on loopback until Ctrl-C. What it prints first are settings: paste them into another terminal, and the
    other commands read from it. Phones and secrets are made up.
    """
    names = tuple(dict.fromkeys(name for given in pbx for name in _names(given)))
    fleets = {name: Fleet(devices, seed + number, shape) for number, name in enumerate(names or ("",))}
    simulator = Simulator(
        fleets if names else fleets[""],
        port=port,
        expires_in="minutes" if expires_in == "minutes" else "seconds",
        delay_seconds=delay_ms / 1000,
        changes_per_request=changes_per_request,
        fault=fault,
    )
    try:
        simulator.start()
    except OSError as error:
        raise click.UsageError(f"Port {port} cannot be used: {error.strerror}.") from error
    try:
        for key, value in _settings(simulator).items():
            click.echo(f"export {key}={shlex.quote(value)}")
        who = (
            f"{len(names)} PBXs, each with {devices} devices, answer"
            if names
            else f"A 3CX with {devices} devices answers"
        )
        stderr.note(f"{who} at {simulator.base_url} until Ctrl-C.")
        _live(simulator, fleets, days_every)
    except KeyboardInterrupt:
        stderr.note("Stopped.")
    finally:
        simulator.stop()


def _names(given: str) -> Sequence[str]:
    """`hq`, or for `3`: pbx0001, pbx0002, pbx0003."""
    if given.isdecimal():
        if not 1 <= int(given) <= MOST_PBXS:
            raise click.BadParameter(f"{given} is not between 1 and {MOST_PBXS}.", param_hint="--pbx")
        return [f"pbx{number:04}" for number in range(1, int(given) + 1)]
    if not re.fullmatch(r"[a-z0-9_]+", given):
        raise click.BadParameter(f"'{given}' is not made of a-z, 0-9 and _.", param_hint="--pbx")
    return [given]


def _settings(simulator: Simulator) -> dict[str, str]:
    """Environment variables with which the other commands read from it."""
    return {
        **{variable("base_url", name or None): url for name, url in simulator.base_urls.items()},
        variable("client_id"): simulator.client_id,
        variable("client_secret"): simulator.client_secret,
    }


def _live(simulator: Simulator, fleets: Mapping[str, Fleet], days_every: float | None) -> None:
    """Returns when the simulator is stopped; until then the days pass."""
    if days_every is None:
        simulator.wait()
        return
    while True:
        time.sleep(days_every)
        days = {name: fleet.next_day() for name, fleet in fleets.items()}
        if len(days) > MOST_TOLD:
            happened = sum(len(ids) for day in days.values() for ids in day[1:])
            stderr.note(f"{len(days)} PBXs: day {max(day[0] for day in days.values())}: {happened} changes")
            continue
        for name, day in days.items():
            stderr.note(f"{name or 'default'}: {_news(day)}")


def _news(day: Day) -> str:
    """`day 3: 2 removed, 1 added, 31 upgraded`."""
    number, *devices = day
    counts = [f"{len(ids)} {name}" for name, ids in zip(day._fields[1:], devices, strict=True) if ids]
    return f"day {number}: {', '.join(counts) or 'nothing happened'}"
