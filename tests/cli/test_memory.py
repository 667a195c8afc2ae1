"""Questions about devices with much in `extra` need little memory."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.commands import ROOT
from tests.literal import empty_history

DEVICES, LENGTH = 4_000, 20_000
PEAK_MB = 450
"""The database itself keeps 160 MB of `extra`, as far as the memory of the machine allows; more are not copied."""

_COMMAND = """
import atexit, sys
from pathlib import Path
from dlt_threecx.cli import main
atexit.register(lambda: sys.stderr.write(Path("/proc/self/status").read_text()))
main()
"""

_DAYS = """
    insert into _dlt_loads by name
        select day::varchar as load_id, 'threecx' as schema_name, 0 as status from range(2) as days(day);
    insert into snapshots by name
        select 'hq' as pbx, day::varchar as snapshot_id, 'complete' as status, taken_at, taken_at as started_at,
            day::varchar as _dlt_load_id
        from (select day, date_trunc('hour', now()) - to_days(2 - day::int) as taken_at from range(2) as days(day));
    insert into device_versions by name
        select
            pbx, device_id, snapshot_id, taken_at as observed_at, _dlt_load_id,
            case snapshot_id when '0' then 'added' else 'changed' end as change,
            case snapshot_id when '0' then '[]' else '["extra.Place"]' end as changed_fields,
            '{"Place": "' || snapshot_id || '", "Long": "' || repeat(md5(device_id::varchar), $length // 32)
                || '"}' as extra
        from snapshots, range($devices) as devices(device_id)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_changes_need_no_room_for_all_of_extra(tmp_path: Path) -> None:
    with empty_history(str(tmp_path / "phones.duckdb")) as connection:
        for statement in duckdb.extract_statements(_DAYS):
            sizes = {"devices": DEVICES, "length": LENGTH}
            connection.execute(statement, {name: sizes[name] for name in statement.named_parameters})
    ran = subprocess.run(
        [sys.executable, "-c", _COMMAND, "changes", "--format", "csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    heading, *lines = ran.stdout.splitlines()
    assert ("extra" in heading.split(","), len(lines)) == (False, 2 * DEVICES)
    assert lines[-1].split(",")[3:8] == ["changed", "extra.Place", "other", "0", "1"]
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", ran.stderr)
    assert int(peak_kb) / 1024 < PEAK_MB
