"""`threecx check`: whether everything is right between here and each PBX."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import connecting, talking, with_output, with_pbx
from dlt_threecx.cli.output import Output
from dlt_threecx.settings.config import Config, PbxConfig, load_config
from dlt_threecx.snapshot.probe import probed
from dlt_threecx.source.auth import LiveTokens
from dlt_threecx.source.client import Client
from dlt_threecx.source.errors import (
    CredentialsError,
    ProtocolError,
    SettingsError,
    ThreecxError,
    UnreachableError,
    quoted,
)

__all__ = ["check"]

_STEPS = ("connect", "token", "role", "list", "count")
_OWNERS = ("systemowner", "systemowners")
"""How releases spell the System Owner, without what stands between its letters."""


class _Checked(NamedTuple):
    """One PBX: a row per step up to the one that failed, if one did."""

    pbx: str
    rows: list[tuple[str, str, str, str]]
    error: ThreecxError | None


@click.command(
    epilog="\b\nExamples:\n  threecx check\n  threecx check --pbx hq --format json\n  threecx check --pbx hq --probe"
)
@with_pbx
@click.option("--probe", is_flag=True, help="Show how one PBX behaves, without any of its values: fit for an issue.")
@connecting
@with_output
@talking
def check(pbx: tuple[str, ...], probe: bool, project: Path, output: Output) -> int:
    """Connect to each PBX, step by step, and say what to do.

    Steps: connect, token, role, list, count. The first that fails ends the check of its PBX. Two requests
    are sent, one for a token and one for a single device; nothing is written. Of several PBXs a table shows one line
    each.
    """
    config = load_config(project, os.environ, only=pbx)
    for text in config.warnings:
        stderr.warning(text)
    if probe:
        _probe(config, output)
        output.show()
        return 0
    with ThreadPoolExecutor(config.parallel) as pool:
        checked = list(pool.map(partial(_checked, LiveTokens()), config.pbxs.values()))
    if output.is_table and not output.is_shaped and len(checked) > 1:
        failed_first = sorted(checked, key=lambda one: one.error is None)
        output.write(("pbx", "result", "detail"), map(_line, failed_first))
    else:
        output.write(("pbx", "step", "result", "detail"), [row for one in checked for row in one.rows])
    output.show()
    errors = [(one.pbx, one.error) for one in checked if one.error]
    for name, error in errors:
        stderr.error(f"PBX '{name}': {error}")
    return max((error.exit_code for _, error in errors), default=0)


def _line(one: _Checked) -> tuple[str, str, str]:
    """One PBX in one line: what it holds, or the step that failed."""
    details = {step: detail for _, step, _, detail in one.rows}
    if one.error:
        step = one.rows[-1][1]
        return one.pbx, "failed", f"{step}: {details[step]}"
    return one.pbx, "ok", f"{details['count']}, {details['list']}"


def _probe(config: Config, output: Output) -> None:
    if len(config.pbxs) > 1:
        raise SettingsError(
            "check --probe", f"the settings name {len(config.pbxs)} PBXs", f"Add --pbx {min(config.pbxs)}"
        )
    for pbx in config.pbxs.values():
        with closing(Client(pbx.settings)) as client:
            output.write(("question", "shows"), list(probed(client)))


def _checked(tokens: LiveTokens, pbx: PbxConfig) -> _Checked:
    settings = pbx.settings
    found = {
        "connect": settings.base_url,
        "token": "the given access_token" if settings.access_token else f"client {settings.client_id}",
    }
    failure: ThreecxError | None = None
    with closing(Client(settings, tokens=tokens)) as client:
        try:
            found["role"] = _role(client.token().roles)
            body = client.get("SipDevices", "$top=1&$count=true")
            if client.version is None:
                client.ask_system()
            found["list"] = f"3CX {client.version}" if client.version else "the PBX does not name its version"
            found["count"] = f"{_count(body)} devices"
        except ThreecxError as error:
            failure = error
    failed = _failed_step(failure, found) if failure else None
    rows = []
    for step in _STEPS:
        if failure and step == failed:
            rows.append((pbx.name, step, "failed", f"{failure.got.rstrip('.')}. {failure.do}"))
            break
        rows.append((pbx.name, step, "ok", found[step]))
    return _Checked(pbx.name, rows, failure)


def _failed_step(error: ThreecxError, found: Mapping[str, str]) -> str:
    if isinstance(error, UnreachableError):
        return "connect"
    if "list" in found:
        return "count"
    if "role" not in found or (isinstance(error, CredentialsError) and error.status not in (403, 404)):
        return "token"
    return "role" if error.status == 403 else "list"


def _role(roles: tuple[str, ...]) -> str:
    if not roles:
        return "the token names none"
    text = quoted(", ".join(roles))
    if any(re.sub("[^a-z]", "", role.lower()) in _OWNERS for role in roles):
        return text
    return f"{text}: not the System Owner, so it may see one department only"


def _count(body: Mapping[str, object]) -> int:
    count = body.get("@odata.count")
    if isinstance(count, int) and not isinstance(count, bool):
        return count
    raise ProtocolError(
        "GET /xapi/v1/SipDevices",
        "the answer holds no '@odata.count' (HTTP 200)",
        "Check that base_url is the PBX itself",
    )
