"""A Prefect flow that reads every PBX of a project each night: a task run for each PBX.

    THREECX_PROJECT=/srv/threecx python threecx_flow.py         serves the flow on its schedule
    THREECX_PROJECT=/srv/threecx python threecx_flow.py once    runs it now

What may go better some minutes later (no answer, a busy database) is tried again; wrong credentials or a refused
reading is not. The flow fails when a PBX failed, and all others are read all the same.
"""

import os
import sys
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.states import State

from dlt_threecx import PbxResult, ThreecxError, pbx_names, sync

PROJECT = os.environ.get("THREECX_PROJECT", "/srv/threecx")
RETRY_SECONDS = float(os.environ.get("THREECX_RETRY_SECONDS", "300"))


def _is_retryable(task: Any, task_run: Any, state: State) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, ThreecxError) and error.retryable


@task(task_run_name="read {pbx}", retries=2, retry_delay_seconds=RETRY_SECONDS, retry_condition_fn=_is_retryable)
def read(pbx: str) -> dict[str, Any]:
    """Reads one PBX; what is new goes into the history."""
    result: PbxResult = sync(PROJECT, pbx=[pbx]).raise_for_status().results[0]
    get_run_logger().info("%s: %s devices, chain %s", pbx, result.devices, result.chain)
    return {"pbx": pbx, "snapshot_id": result.snapshot_id, "devices": result.devices, "chain": result.chain}


@flow(name="threecx")
def threecx() -> list[State]:
    """Reads every PBX, one after another: a DuckDB file takes one writer at a time."""
    return [read(pbx, return_state=True) for pbx in pbx_names(PROJECT)]


if __name__ == "__main__":
    if sys.argv[1:] == ["once"]:
        sys.exit(threecx(return_state=True).is_failed())
    else:
        threecx.serve(name="nightly", cron="30 2 * * *")
