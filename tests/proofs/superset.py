"""A Superset on loopback for a proof: set up, filled with the bundle, and asked."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.commands import ROOT

__all__ = ["Superset", "superset"]

_BUNDLE = ROOT / "bi" / "superset"
_ADMIN = ("--username", "admin", "--firstname", "a", "--lastname", "b", "--email", "a@example.com", "--password", "pw")
_CONFIG = """
SECRET_KEY = "for-a-proof-on-loopback-only-0123456789"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
AUTH_ROLE_PUBLIC = "Admin"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
"""


@dataclass(frozen=True)
class Superset:
    """A running Superset."""

    address: str
    token: str

    def get(self, path: str) -> Any:
        """The JSON that a path of the API answers."""
        return _asked(self.address + path, self.token)


@contextmanager
def superset(programs: Path, folder: Path, copy: Path) -> Iterator[Superset]:
    """Superset with the bundle of bi/superset over a published copy, until the end of the block."""
    config = folder / "superset_config.py"
    config.write_text(_CONFIG.format(folder=folder), encoding="utf-8")
    environ = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "FLASK_APP": "superset",
        "SUPERSET_CONFIG_PATH": str(config),
    }
    environ.pop("PYTHONPATH", None)
    log = folder / "superset.log"

    def run(*args: str) -> None:
        with log.open("a") as out:
            subprocess.run(
                [str(programs / "superset"), *args],
                cwd=folder, env=environ, stdout=out, stderr=out, check=True, timeout=600,
            )  # fmt: skip

    run("db", "upgrade")
    run("fab", "create-admin", *_ADMIN)
    run("init")
    run("import-dashboards", "-p", str(_bundle(folder, copy)), "-u", "admin")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with log.open("a") as out:
        server = subprocess.Popen(
            [str(programs / "superset"), "run", "-p", str(port)], cwd=folder, env=environ, stdout=out, stderr=out
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, server)
        login = {"username": "admin", "password": "pw", "provider": "db"}
        yield Superset(address, _asked(f"{address}/api/v1/security/login", body=login)["access_token"])
    finally:
        server.terminate()
        server.wait(timeout=30)


def _bundle(folder: Path, copy: Path) -> Path:
    """The bundle as a zip file, with the address of the copy."""
    made = folder / "zipped" / "threecx"
    shutil.copytree(_BUNDLE, made)
    database = made / "databases" / "threecx_bi.yaml"
    text = database.read_text(encoding="utf-8")
    database.write_text(text.replace("duckdb:////srv/threecx/bi/threecx_bi.duckdb", f"duckdb:///{copy}"), "utf-8")
    return Path(shutil.make_archive(str(folder / "threecx"), "zip", made.parent, "threecx"))


def _asked(url: str, token: str | None = None, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as answer:
        return json.load(answer)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
        else:
            return
    raise AssertionError("Superset did not start")
