"""A lake for tests: a folder that dlt's `filesystem` writes to."""

from pathlib import Path
from typing import get_args

from dlt_threecx.settings.config import TableFormat

__all__ = ["FORMATS", "lake_environ"]

FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)


def lake_environ(folder: Path, table_format: str) -> dict[str, str]:
    """Where it is, and what its files are."""
    return {
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(folder),
        "PIPELINE__DESTINATION_NAME": "filesystem",
        "SOURCES__THREECX__TABLE_FORMAT": table_format,
    }
