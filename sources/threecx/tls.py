"""Which certificates a PBX is checked against."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from .errors import SettingsError
from .settings import Settings

__all__ = ["trusted_certificates"]


def trusted_certificates(settings: Settings) -> str | bool:
    """What certificates are checked against: a file or folder, True for the usual authorities, False for nothing."""
    if not settings.ca_file and not settings.verify_tls:
        return False
    names = {"ca_file": settings.ca_file}
    names |= {name: os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    for name, path in names.items():
        if path:
            _check_certificates(name, Path(path))
            return path
    return True


def _check_certificates(name: str, path: Path) -> None:
    """Raises SettingsError; without this a wrong path would look like a PBX that cannot be reached."""
    try:
        if name == "ca_file" and path.is_file():
            ssl.create_default_context(cafile=path)
        else:
            path.stat()
    except OSError as error:
        raise SettingsError(
            f"setting {name}", f"no certificates can be read from '{path}'", "Give a file in PEM format"
        ) from error
