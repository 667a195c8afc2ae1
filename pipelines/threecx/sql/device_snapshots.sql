-- one row per device and complete snapshot: the snapshots as they were read
with intervals as (
    select
        v.pbx,
        v.device_id,
        v.change,
        v.snapshot_id as from_id,
        lead(v.snapshot_id) over (partition by v.pbx, v.device_id order by v.snapshot_id) as to_id,
        {columns:v}
    from {schema}device_versions v
    join {schema}complete_snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
)
select
    s.pbx,
    s.snapshot_id,
    s.taken_at,
    i.device_id,
    {columns:i}
from {schema}complete_snapshots s
join intervals i
    on i.pbx = s.pbx and i.from_id <= s.snapshot_id and (i.to_id is null or i.to_id > s.snapshot_id)
where i.change <> 'removed'
