-- one row per device and complete snapshot: the snapshots as they were read
with loaded as (
    select
        s.pbx,
        s.snapshot_id,
        s.taken_at,
        v.device_id,
        {columns:v},
        row_number() over (partition by s.pbx, s.snapshot_id, s.taken_at, v.device_id order by s.taken_at)
            as copy_number
    from {schema}complete_snapshots s
    join {intervals} i
        on i.pbx = s.pbx and i.observed_at <= s.taken_at and (i.next_at is null or i.next_at > s.taken_at)
    join {schema}device_versions v
        on v.pbx = i.pbx and v.device_id = i.device_id and v.observed_at = i.observed_at
    where v.change <> 'removed' and not s.is_archived
)
select
    d.pbx,
    d.snapshot_id,
    d.taken_at,
    d.device_id,
    {columns:d}
from loaded d
where d.copy_number = 1
