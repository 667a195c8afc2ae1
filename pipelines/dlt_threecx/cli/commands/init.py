"""`threecx init`: the settings of a PBX, asked for, tested and written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TextIO

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import talking
from dlt_threecx.cli.questions import Questions
from dlt_threecx.settings.certificate import Certificate, fetch_certificate, is_self_signed
from dlt_threecx.settings.config import check_pbx_names, load_pbx_names
from dlt_threecx.settings.keys import section_of, variable
from dlt_threecx.settings.toml_edit import SettingsFile, write_file
from dlt_threecx.source.client import Client
from dlt_threecx.source.errors import SettingsError, ThreecxError
from dlt_threecx.source.settings import PLACEHOLDERS, Settings

__all__ = ["init"]

_OF_ONE_PBX = ("base_url", "filter", "search", "ca_file", "verify_tls", "allow_http")
"""What stays with the only PBX of a project when it gets its name."""

_TEST_SECONDS = 15.0


class _Answers(NamedTuple):
    """What was asked for; None where nothing is to be written."""

    base_url: str
    client_id: str
    client_secret: str
    ca_file: str | None
    fingerprint_key: str | None


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx init                                   asks for everything\n"
    "  threecx init --pbx leeds                       adds one more PBX\n"
    "  threecx init --base-url https://pbx.example.com --client-id reader --client-secret-file - < key.txt"
)
@click.option("--pbx", metavar="NAME", help="Name of the PBX, when there are several. Adds it to those of the project.")
@click.option("--base-url", metavar="URL", help="Its address, as in a browser: https://pbx.example.com:5001")
@click.option("--client-id", metavar="ID", help="Of the API client that 3CX made.")
@click.option(
    "--client-secret-file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="File with the API key; - is stdin. Else it is asked for, or taken from the environment.",
)
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Certificates in PEM.")
@click.option("--trust", metavar="SHA256", help="Trust the self-signed certificate that has this fingerprint.")
@click.option("--fingerprints", is_flag=True, help="Make a fingerprint_key, so that shared passwords of phones show.")
@click.option("--test/--no-test", default=True, help="Connect before anything is written. Default: --test.")
@click.option("--overwrite", is_flag=True, help="Replace values that are already there, without asking.")
@click.option(
    "--project",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="Folder for .dlt with the settings; made if missing. Default: this folder.",
)
@talking
def init(
    pbx: str | None,
    base_url: str | None,
    client_id: str | None,
    client_secret_file: TextIO | None,
    ca_file: str | None,
    trust: str | None,
    fingerprints: bool,
    test: bool,
    overwrite: bool,
    project: Path,
) -> None:
    """Set up a PBX: ask, test, write the settings.

    Asks for the address and the API key, connects, and writes .dlt/config.toml and .dlt/secrets.toml, which only you
    can read. Comments in these files stay, and no value is replaced without a question. When the certificate of the
    PBX is self-signed, its fingerprint is shown and, if you agree, the certificate is kept and trusted. Without a
    terminal nothing is asked: give options, or SOURCES__THREECX__BASE_URL, …CLIENT_ID and …CLIENT_SECRET.
    """
    files = _Files(project, pbx)
    ask = Questions(files.value, pbx, overwrite=overwrite)
    secret = client_secret_file.read().strip() if client_secret_file else None
    answers = _Answers(
        base_url=ask.address(base_url),
        client_id=ask.value("client_id", client_id, "Client id of the API client"),
        client_secret=ask.value("client_secret", secret, "API key, which 3CX shows once", hide=True),
        ca_file=str(Path(ca_file).resolve()) if ca_file else files.value("ca_file"),
        fingerprint_key=None if files.has_fingerprint_key() else ask.fingerprint_key(fingerprints),
    )
    if test and (pem := _trusted_certificate(answers, project, ask, trust)) is not None:
        answers = answers._replace(ca_file=files.write_certificate(pem))
    files.write(answers)
    where = "" if project == Path() else f" --project {project}"
    stderr.note(f"Next: threecx sync{where}    reads the devices; then: threecx devices{where}")


class _Files:
    """Both settings files of a project, as far as they concern one PBX."""

    def __init__(self, project: Path, pbx: str | None) -> None:
        self.project, self.pbx = project, pbx
        self.config, self.secrets = SettingsFile(project, "config.toml"), SettingsFile(project, "secrets.toml")
        self._names = [name for name in load_pbx_names(project, os.environ) if name != "default"]
        if pbx is not None:
            check_pbx_names([*dict.fromkeys([*self._names, pbx])])
        elif self._names:
            raise SettingsError(
                "threecx init",
                f"this project has PBXs by name already: {', '.join(self._names)}",
                "Name the one to add or change: threecx init --pbx NAME",
            )

    def value(self, key: str) -> str | None:
        """What the files have for this PBX itself."""
        for file in (self.config, self.secrets):
            found = file.values(self.pbx).get(key)
            if found and found not in PLACEHOLDERS:
                return str(found)
        return None

    def has_fingerprint_key(self) -> bool:
        """Whether this PBX, or all, have one."""
        places = [self.secrets.values(self.pbx), self.secrets.values(None), self.config.values(None)]
        found = [place.get("fingerprint_key") for place in places] + [os.environ.get(variable("fingerprint_key"))]
        return any(key and key not in PLACEHOLDERS for key in found)

    def write(self, answers: _Answers) -> None:
        """Writes what is new, and says what and where."""
        if self.pbx is not None:
            self._name_the_only_one()
        public = {"base_url": answers.base_url, "ca_file": answers.ca_file}
        private = {
            "client_id": answers.client_id,
            "client_secret": answers.client_secret,
            "fingerprint_key": answers.fingerprint_key,
        }
        self._write(self.config, public, "")
        self._write(self.secrets, private, ", which only you can read")

    def write_certificate(self, pem: str) -> str:
        """Keeps the certificate of the PBX beside the settings. Returns its name as a setting."""
        path = self.config.path.with_name(f"{self.pbx or 'pbx'}.pem")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, pem, 0o644)
        return f".dlt/{path.name}"

    def _write(self, file: SettingsFile, values: Mapping[str, str | None], note: str) -> None:
        new = {key: value for key, value in values.items() if value and file.values(self.pbx).get(key) != value}
        file.set(self.pbx, new)
        file.write()
        stderr.note(f"{file.shown}{note}: {', '.join(new) or 'nothing new'} in [{section_of(self.pbx)}]")

    def _name_the_only_one(self) -> None:
        """Gives the PBX without a name its own section: where there are names, only those are read."""
        if self._names or self.pbx == "default":
            return
        if moved := self.config.remove(None, _OF_ONE_PBX) if self.config.values(None).get("base_url") else {}:
            self.config.set("default", moved)
            stderr.note("The PBX that had no name is now [sources.threecx.pbx.default]; its history goes on.")
        elif os.environ.get(variable("base_url")):
            raise SettingsError(
                variable("base_url"),
                "it names a PBX without a name, which is not read beside one with a name",
                f"Set {variable('base_url', 'default')} instead",
            )


def _trusted_certificate(answers: _Answers, project: Path, ask: Questions, trust: str | None) -> str | None:
    """Connects. Returns the self-signed certificate that is trusted from now on, if it took one.

    Raises what failed, unless the settings shall be written all the same.
    """
    try:
        _connect(answers, project)
    except ThreecxError as error:
        certificate = _self_signed(answers, error)
        if certificate is None or not ask.trusts(certificate, trust):
            ask.go_on_after(error)
            return None
    else:
        return None
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder, "pbx.pem")
        pem.write_text(certificate.pem, encoding="ascii")
        try:
            _connect(answers._replace(ca_file=str(pem)), project)
        except ThreecxError as error:
            ask.go_on_after(error)
    return certificate.pem


def _connect(answers: _Answers, project: Path) -> None:
    """Fetches a token and counts the devices."""
    settings = Settings(
        base_url=answers.base_url,
        client_id=answers.client_id,
        client_secret=answers.client_secret,
        ca_file=str(project / answers.ca_file) if answers.ca_file else None,
        timeout_seconds=_TEST_SECONDS,
        attempts=1,
    )
    with closing(Client(settings)) as client:
        count = client.get("SipDevices", "$top=1&$count=true").get("@odata.count")
    stderr.note(f"Connected to {settings.base_url}: {count} devices.")


def _self_signed(answers: _Answers, error: ThreecxError) -> Certificate | None:
    """The certificate of the PBX, when an error is only about its being self-signed."""
    if not is_self_signed(error):
        return None
    try:
        return fetch_certificate(answers.base_url, _TEST_SECONDS)
    except OSError:
        return None
