"""dlt's own DuckDB destination, with tables named by their catalog as well."""

from __future__ import annotations

from typing import Any

from dlt.common.configuration import configspec
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.factory import duckdb as duckdb_factory
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

__all__ = ["DuckDb"]

_QUERY_BYTES = 2**14
"""dlt inserts rows of the ledger with SQL. DuckDB needs a hundred times the memory of such a statement."""


class _CatalogSqlClient(DuckDbSqlClient):
    """Names tables with their catalog.

    The file threecx.duckdb with the dataset threecx has a catalog and a schema of the same name, and DuckDB 2 then
    refuses `threecx.snapshots` as ambiguous.
    """

    catalog = ""

    def open_connection(self) -> Any:
        connection = super().open_connection()
        # DuckDB's own. With dlt's gigabyte a large load is written twice: into the log beside the file, then into it.
        connection.execute("set checkpoint_threshold = '16MB'")
        return connection

    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str:
        return self.capabilities.escape_identifier(self.catalog) if quote else self.catalog

    def warn_if_catalog_equals_dataset_name(self) -> None:
        """Nothing to warn of, now that tables are named with their catalog."""


class _Client(DuckDbClient):
    def __init__(self, schema: Any, config: Any, capabilities: Any) -> None:
        super().__init__(schema, config, capabilities)
        catalog = config.credentials.external_conn().execute("select current_database()").fetchone()[0]
        self.sql_client.__class__ = type("_SqlClient", (_CatalogSqlClient,), {"catalog": catalog})


@configspec(init=False)
class _Configuration(DuckDbClientConfiguration):
    def __str__(self) -> str:
        """What dlt prints for people after a load. Its own way to make the text imports SQLAlchemy: 0.2 seconds."""
        return self.data_location()


class DuckDb(duckdb_factory):
    """Takes an open connection, whose catalog is that of the file."""

    spec = _Configuration

    def __init__(self, connection: Any) -> None:
        super().__init__(connection, destination_name="duckdb", max_query_length=_QUERY_BYTES)
        self._known: dict[str | None, Any] = {}

    def capabilities(self, config: Any = None, naming: Any = None) -> Any:
        """dlt asks at every step, and reads all its settings each time. For DuckDB nothing depends on them."""
        name = naming and naming.name()
        if name not in self._known:
            self._known[name] = super().capabilities(config or self.spec(), naming)
        return self._known[name].copy()

    @property
    def destination_type(self) -> str:
        """What dlt notes in the state of the pipeline: its own destination, which its tools can open."""
        return "dlt.destinations.duckdb"

    @property
    def client_class(self) -> type[DuckDbClient]:
        return _Client
