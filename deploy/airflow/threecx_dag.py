"""An Airflow DAG that reads every PBX of a project each night: a mapped task for each PBX. For Airflow 3.

Put it into the folder of the DAGs. Its worker needs dlt-threecx and the project, whose folder is in THREECX_PROJECT.

What may go better some minutes later (no answer, a busy database) is tried again; wrong credentials or a refused
reading fails at once.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task

PROJECT = os.environ.get("THREECX_PROJECT", "/srv/threecx")
RETRY_SECONDS = float(os.environ.get("THREECX_RETRY_SECONDS", "300"))


@dag(
    dag_id="threecx",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["threecx"],
)
def threecx() -> None:
    """Reads the SIP devices of every PBX."""

    @task
    def names() -> list[str]:
        from dlt_threecx import pbx_names

        return pbx_names(PROJECT)

    # One at a time, because a DuckDB file takes one writer; with PostgreSQL there may be more.
    @task(
        retries=2,
        retry_delay=timedelta(seconds=RETRY_SECONDS),
        map_index_template="{{ pbx }}",
        max_active_tis_per_dag=1,
    )
    def read(pbx: str) -> dict[str, Any]:
        from airflow.sdk import get_current_context

        from dlt_threecx import ThreecxError, sync

        get_current_context()["pbx"] = pbx  # type: ignore[literal-required]
        try:
            result = sync(PROJECT, pbx=[pbx]).raise_for_status().results[0]
        except ThreecxError as error:
            if error.retryable:
                raise
            raise AirflowFailException(str(error)) from error
        return {"pbx": pbx, "snapshot_id": result.snapshot_id, "devices": result.devices, "chain": result.chain}

    read.expand(pbx=names())


threecx()
