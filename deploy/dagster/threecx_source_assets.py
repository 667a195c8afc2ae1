"""The reader alone as a Dagster asset, through dagster-dlt: the devices as they are now, without a history.

    DLT_PROJECT_DIR=/srv/threecx dagster dev -f threecx_source_assets.py

It needs `pip install dagster-dlt`. The settings come from `.dlt` of the project, as with every source of dlt.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
from dagster_dlt import DagsterDltResource, dlt_assets

from dlt_threecx.source import threecx_source


@dlt_assets(
    dlt_source=threecx_source(),
    dlt_pipeline=dlt.pipeline("threecx_devices", destination="duckdb", dataset_name="threecx_devices"),
    group_name="threecx_devices",
)
def threecx_devices(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[Any]:
    """Every device of the PBX, in the table `sip_devices`."""
    yield from dlt.run(context=context)


defs = dg.Definitions(assets=[threecx_devices], resources={"dlt": DagsterDltResource()})
