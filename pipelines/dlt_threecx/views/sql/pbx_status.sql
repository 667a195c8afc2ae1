-- one row per PBX: its last attempt, its last complete snapshot, and how much changed lately
with attempts as (
    select
        s.pbx, s.base_url, s.started_at, s.status, s.reason, s.detail, s.pbx_version, s.chain,
        row_number() over (partition by s.pbx order by s.snapshot_id desc) as number
    from {schema}snapshots s
    where s.status in ('complete', 'refused', 'failed') and s._dlt_load_id in {finished_loads}
), complete as (
    select
        s.pbx, s.snapshot_id, s.taken_at, s.devices,
        row_number() over (partition by s.pbx order by s.snapshot_id desc) as number
    from {schema}complete_snapshots s
), recent as (
    select distinct v.pbx, v.device_id, v.observed_at
    from {schema}device_versions v
    where
        v.change in ('added', 'changed', 'removed', 'returned')
        and v.observed_at > current_timestamp - interval '7' day
        and {is_complete}
), changes as (
    select
        r.pbx,
        count(case when r.observed_at > current_timestamp - interval '1' day then 1 end) as changes_24h,
        count(*) as changes_7d
    from recent r
    group by r.pbx
)
select
    a.pbx,
    a.base_url,
    a.started_at as last_attempt_at,
    a.status as last_status,
    a.reason as last_reason,
    a.detail as last_detail,
    c.taken_at as last_complete_at,
    c.snapshot_id as last_snapshot_id,
    c.devices,
    coalesce(n.changes_24h, 0) as changes_24h,
    coalesce(n.changes_7d, 0) as changes_7d,
    a.pbx_version,
    a.chain
from attempts a
left join complete c on c.pbx = a.pbx and c.number = 1
left join changes n on n.pbx = a.pbx
where a.number = 1
