"""Loads the SIP devices of a 3CX: a first load, chosen options, and another destination.

Before the first run put `base_url` into `.dlt/config.toml` and `client_id` and `client_secret` into
`.dlt/secrets.toml`, both under `[sources.threecx]`; or set the environment variables SOURCES__THREECX__BASE_URL,
SOURCES__THREECX__CLIENT_ID and SOURCES__THREECX__CLIENT_SECRET.
"""

from pathlib import Path
from typing import Any

import dlt

from threecx import threecx_source

STATE = str(Path(__file__).parent / ".dlt" / "pipelines")
"""What dlt remembers of the pipelines stays in this project: by default two projects with equal names would share it.

`dlt pipeline --pipelines-dir .dlt/pipelines threecx_devices info` looks there.
"""


def load_all_devices() -> None:
    """Loads every device of the PBX into the table `sip_devices`."""
    pipeline = dlt.pipeline(
        pipeline_name="threecx_devices", destination="duckdb", dataset_name="threecx_data", pipelines_dir=STATE
    )
    print(pipeline.run(threecx_source()))


def load_chosen_devices() -> None:
    """Loads the phones of one vendor, newest Id first, into a table of their own."""
    pipeline = dlt.pipeline(
        pipeline_name="threecx_chosen", destination="duckdb", dataset_name="threecx_chosen_data", pipelines_dir=STATE
    )
    devices = threecx_source(filter="Registrar/Vendor eq 'Yealink'", orderby="Id desc", top=250)
    print(pipeline.run(devices, table_name="yealink_devices"))


def load_into_files() -> None:
    """Writes the devices as Parquet files below the folder `threecx_files`: any destination of dlt will do."""
    pipeline = dlt.pipeline(
        pipeline_name="threecx_files", destination="duckdb", dataset_name="threecx_data", pipelines_dir=STATE
    )
    # `dlt init` writes its destination over every literal one, so this one is passed another way.
    files: dict[str, Any] = {
        "destination": dlt.destinations.filesystem("threecx_files"),
        "loader_file_format": "parquet",
    }
    print(pipeline.run(threecx_source(), **files))


def load_several_pbxs() -> None:
    """Loads two PBXs into one table, whose key is `pbx` and `device_id`."""
    pipeline = dlt.pipeline(
        pipeline_name="threecx_several", destination="duckdb", dataset_name="threecx_data", pipelines_dir=STATE
    )
    hq = threecx_source(pbx="hq")
    # Give each PBX its own base_url, client_id and client_secret.
    leeds = threecx_source(pbx="leeds")
    print(pipeline.run([hq, leeds]))


if __name__ == "__main__":
    load_all_devices()
    # load_chosen_devices()
    # load_into_files()
    # load_several_pbxs()
