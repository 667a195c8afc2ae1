"""A destination as dlt knows it, by its name."""

from __future__ import annotations

from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination import Destination as DltDestination
from dlt.common.destination.exceptions import InvalidDestinationReference, UnknownDestinationModule
from dlt.common.exceptions import MissingDependencyException
from dlt.destinations.sql_client import WithSqlClient

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.source.errors import SettingsError

__all__ = ["client_of"]


def client_of(location: HistoryLocation) -> tuple[Any, Any]:
    """What dlt calls the destination, and its client, which has an SQL client. Raises SettingsError."""
    asked = f"destination '{location.destination}'"
    try:
        reference = DltDestination.from_reference(location.destination)
        dataset = dlt.dataset(reference, location.dataset, dlt.Schema("threecx"))
        if not isinstance(dataset.destination_client, WithSqlClient):
            raise InvalidDestinationReference(location.destination)
        return reference, dataset.destination_client
    except (InvalidDestinationReference, UnknownDestinationModule) as error:
        raise SettingsError(
            asked,
            "dlt has none of that name with an SQL client",
            "Name one such as duckdb, postgres or snowflake",
        ) from error
    except MissingDependencyException as error:
        packages = " ".join(error.dependencies)
        raise SettingsError(asked, f"it needs {packages}, which is not installed", f"pip install {packages}") from error
    except ConfigurationException as error:
        key = "bucket_url" if location.is_lake else "credentials"
        raise SettingsError(
            asked,
            f"dlt finds no {key} that it can use",
            f"Set {key} in [destination.{location.destination}] of .dlt/secrets.toml, or "
            f"DESTINATION__{location.destination.upper()}__{key.upper()}",
        ) from error
