-- one row per device that is there now
with seen as (
    select
        v.pbx,
        v.device_id,
        max(v.snapshot_id) as snapshot_id,
        min(v.observed_at) as first_seen_at,
        max(case when v.change in ('added', 'changed', 'returned') then v.observed_at end) as last_changed_at,
        count(case when v.change in ('added', 'changed', 'returned', 'rebaselined') then 1 end) as versions
    from {schema}device_versions v
    join {schema}complete_snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
    group by v.pbx, v.device_id
), latest as (
    select s.pbx, max(s.taken_at) as taken_at from {schema}complete_snapshots s group by s.pbx
)
select
    v.pbx,
    v.device_id,
    seen.first_seen_at,
    seen.last_changed_at,
    latest.taken_at as last_confirmed_at,
    seen.versions,
    {columns:v}
from {schema}device_versions v
join seen on seen.pbx = v.pbx and seen.device_id = v.device_id and seen.snapshot_id = v.snapshot_id
join latest on latest.pbx = v.pbx
where v.change <> 'removed'
