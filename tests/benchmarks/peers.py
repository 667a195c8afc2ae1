"""The jobs that are compared; each runs in a process of its own: `python -m tests.benchmarks.peers NAME FOLDER`.

The address and the credentials are in the environment, as for `threecx`. Prints nothing; the parent looks at time and
memory.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dlt_threecx.settings.keys import variable

PAGE = 100


def threecx(folder: Path) -> None:
    """Ours: read, proven, compared, loaded."""
    from dlt_threecx.cli import main

    sys.argv = ["threecx", "sync", "--quiet", "--db", str(folder / "ours.duckdb")]
    main()


def _token() -> str:
    import requests

    form = {
        "client_id": os.environ[variable("client_id")],
        "client_secret": os.environ[variable("client_secret")],
        "grant_type": "client_credentials",
    }
    answer = requests.post(f"{os.environ[variable('base_url')]}/connect/token", data=form, timeout=60)
    return str(answer.json()["access_token"])


def _generic(folder: Path, loader_file_format: Any) -> None:
    """The generic REST source of dlt with slowly changing dimensions; no proof, secrets and all."""
    import dlt
    from dlt.sources.rest_api import rest_api_source

    config: Any = {
        "client": {
            "base_url": f"{os.environ[variable('base_url')]}/xapi/v1/",
            "auth": {"type": "bearer", "token": _token()},
        },
        "resources": [
            {
                "name": "sip_devices",
                "max_table_nesting": 0,
                "primary_key": "Id",
                "write_disposition": {"disposition": "merge", "strategy": "scd2"},
                "endpoint": {
                    "path": "SipDevices",
                    "params": {"$orderby": "Id", "$count": "true", "$expand": "DN"},
                    "data_selector": "value",
                    "paginator": {
                        "type": "offset",
                        "limit": PAGE,
                        "offset_param": "$skip",
                        "limit_param": "$top",
                        "total_path": "'@odata.count'",
                    },
                },
            }
        ],
    }
    pipeline = dlt.pipeline(
        "generic",
        destination=dlt.destinations.duckdb(str(folder / "generic.duckdb")),
        dataset_name="generic_data",
        pipelines_dir=str(folder / "pipelines"),
    )
    pipeline.run(rest_api_source(config), loader_file_format=loader_file_format)


def generic(folder: Path) -> None:
    """As the documentation shows it."""
    _generic(folder, None)


def generic_parquet(folder: Path) -> None:
    """With the setting that makes it fastest here."""
    _generic(folder, "parquet")


def _pages() -> Iterator[bytes]:
    import orjson
    import requests

    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {_token()}"
    url, got, count = f"{os.environ[variable('base_url')]}/xapi/v1/SipDevices", 0, 1
    while got < count:
        query = f"$orderby=Id&$count=true&$expand=DN&$top={PAGE}&$skip={got}"
        body = session.get(f"{url}?{query}", timeout=60).content
        page = orjson.loads(body)
        count, got = page["@odata.count"], got + len(page["value"])
        yield page["value"]


def floor(folder: Path) -> None:
    """The least that can be done: requests, orjson, one Arrow table, one transaction of DuckDB."""
    import duckdb
    import pyarrow as pa

    rows = pa.Table.from_pylist([row for page in _pages() for row in page])  # noqa: F841  DuckDB finds it by name
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        connection.execute("create or replace table sip_devices as select * from rows")


def import_dlt(folder: Path) -> None:
    """What every job with dlt pays first."""
    import dlt  # noqa: F401


PEERS: dict[str, Callable[[Path], None]] = {
    "threecx": threecx,
    "generic": generic,
    "generic_parquet": generic_parquet,
    "floor": floor,
    "import_dlt": import_dlt,
}

if __name__ == "__main__":
    began = time.perf_counter()
    PEERS[sys.argv[1]](Path(sys.argv[2]))
