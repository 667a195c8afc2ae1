-- one row per device and complete snapshot: the snapshots as they were read
with states as (
    select s.pbx, s.snapshot_id, s.taken_at, v.device_id, max(v.observed_at) as observed_at
    from {schema}complete_snapshots s
    join {schema}device_versions v on v.pbx = s.pbx and v.observed_at <= s.taken_at
    where not s.is_archived and {is_complete}
    group by s.pbx, s.snapshot_id, s.taken_at, v.device_id
), loaded as (
    select
        s.pbx,
        s.snapshot_id,
        s.taken_at,
        s.device_id,
        {columns:v},
        row_number() over (partition by s.pbx, s.snapshot_id, s.taken_at, s.device_id order by s.taken_at)
            as copy_number
    from states s
    join {schema}device_versions v
        on v.pbx = s.pbx and v.device_id = s.device_id and v.observed_at = s.observed_at
    where v.change <> 'removed'
)
select
    d.pbx,
    d.snapshot_id,
    d.taken_at,
    d.device_id,
    {columns:d}
from loaded d
where d.copy_number = 1
