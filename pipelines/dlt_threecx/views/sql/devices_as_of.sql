-- one row per device of the latest complete snapshot of its PBX up to a time
with latest as (
    select s.pbx, max(s.snapshot_id) as snapshot_id, max(s.taken_at) as taken_at
    from {schema}complete_snapshots s
    where s.taken_at <= cast(at_time as timestamptz) and not s.is_archived
    group by s.pbx
), seen as (
    select v.pbx, v.device_id, max(v.snapshot_id) as snapshot_id
    from {schema}device_versions v
    where v.observed_at <= cast(at_time as timestamptz) and {is_complete}
    group by v.pbx, v.device_id
)
select distinct
    v.pbx,
    v.device_id,
    latest.snapshot_id,
    latest.taken_at,
    {columns:v}
from {schema}device_versions v
join seen on seen.pbx = v.pbx and seen.device_id = v.device_id and seen.snapshot_id = v.snapshot_id
join latest on latest.pbx = v.pbx
where v.change <> 'removed'
