"""The history of every PBX as a Dagster asset, with checks and a schedule.

    THREECX_PROJECT=/srv/threecx dagster dev -f threecx_assets.py

Each PBX is an asset `threecx/NAME` whose metadata is what its last reading found. A check says whether its last
complete snapshot is fresh, another whether there are findings of severity high. What may go better some minutes later
is tried again; wrong credentials or a refused reading is not.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from dlt_threecx import ThreecxError, open_history, pbx_names, sync

PROJECT = os.environ.get("THREECX_PROJECT", "/srv/threecx")
RETRY_SECONDS = float(os.environ.get("THREECX_RETRY_SECONDS", "300"))
MAX_AGE = timedelta(hours=26)


def history_of(pbx: str) -> dg.AssetsDefinition:
    """The asset of one PBX and its checks."""
    key = dg.AssetKey(["threecx", pbx])

    @dg.asset(key=key, group_name="threecx", kinds={"duckdb"}, description=f"The history of PBX {pbx}")
    def history() -> dg.MaterializeResult:
        try:
            result = sync(PROJECT, pbx=[pbx]).raise_for_status().results[0]
        except ThreecxError as error:
            if error.retryable:
                raise dg.RetryRequested(max_retries=2, seconds_to_wait=RETRY_SECONDS) from error
            raise dg.Failure(str(error), {"reason": error.reason}, allow_retries=False) from error
        counts: dict[str, Any] = {
            name: getattr(result, name) for name in ("devices", "added", "changed", "removed", "returned")
        }
        return dg.MaterializeResult(
            metadata={
                **counts,
                "dagster/row_count": result.devices,
                "snapshot_id": result.snapshot_id,
                "taken_at": dg.TimestampMetadataValue(result.taken_at.timestamp()) if result.taken_at else None,
                "chain": result.chain,
            }
        )

    return history


def checks_of(pbx: str) -> Iterator[dg.AssetChecksDefinition]:
    """The checks of one PBX; they read the history, so they also fail when no run was started."""
    key = dg.AssetKey(["threecx", pbx])

    @dg.asset_check(asset=key, name="is_fresh")
    def is_fresh() -> dg.AssetCheckResult:
        with open_history(PROJECT) as history:
            rows = history.sql("select pbx, last_complete_at, last_status, last_reason from pbx_status").to_pylist()
        row = next((row for row in rows if row["pbx"] == pbx), {})
        at = row.get("last_complete_at")
        return dg.AssetCheckResult(
            passed=at is not None and datetime.now(UTC) - at <= MAX_AGE,
            metadata={
                "last_complete_at": str(at),
                "last_status": str(row.get("last_status")),
                "last_reason": str(row.get("last_reason")),
            },
        )

    @dg.asset_check(asset=key, name="has_no_high_findings")
    def has_no_high_findings() -> dg.AssetCheckResult:
        with open_history(PROJECT) as history:
            found = history.findings(pbx=[pbx]).select(["rule", "severity", "detail"]).to_pylist()
        high = [f"{row['rule']}: {row['detail']}" for row in found if row["severity"] == "high"]
        return dg.AssetCheckResult(
            passed=not high, severity=dg.AssetCheckSeverity.WARN, metadata={"count": len(high), "first": high[:10]}
        )

    yield from (is_fresh, has_no_high_findings)


PBXS = pbx_names(PROJECT)

nightly = dg.define_asset_job(
    "threecx_nightly",
    selection=dg.AssetSelection.groups("threecx"),
    # A DuckDB file takes one writer at a time.
    executor_def=dg.in_process_executor,
)

# After a reading that failed its checks do not run, so they have a job of their own.
checks = dg.define_asset_job(
    "threecx_checks", dg.AssetSelection.all_asset_checks(), executor_def=dg.in_process_executor
)

defs = dg.Definitions(
    assets=[history_of(pbx) for pbx in PBXS],
    asset_checks=[check for pbx in PBXS for check in checks_of(pbx)],
    jobs=[nightly, checks],
    schedules=[
        dg.ScheduleDefinition(job=nightly, cron_schedule="30 2 * * *"),
        dg.ScheduleDefinition(job=checks, cron_schedule="0 7 * * *"),
    ],
)
