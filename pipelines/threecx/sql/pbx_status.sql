-- one row per PBX: its last attempt, its last complete snapshot, and how much changed lately
with attempts as (
    select
        s.pbx, s.base_url, s.started_at, s.status, s.reason, s.detail, s.pbx_version, s.chain,
        row_number() over (partition by s.pbx order by s.snapshot_id desc) as number
    from {schema}snapshots s
    join {schema}_dlt_loads l on l.load_id = s._dlt_load_id and l.status = 0
), complete as (
    select
        s.pbx, s.snapshot_id, s.taken_at, s.devices,
        row_number() over (partition by s.pbx order by s.snapshot_id desc) as number
    from {schema}complete_snapshots s
), changes as (
    select
        v.pbx,
        count(case when v.observed_at > current_timestamp - interval '24 hours' then 1 end) as changes_24h,
        count(*) as changes_7d
    from {schema}device_versions v
    join {schema}complete_snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
    where v.change in ('added', 'changed', 'removed', 'returned')
        and v.observed_at > current_timestamp - interval '7 days'
    group by v.pbx
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
    coalesce(changes.changes_24h, 0) as changes_24h,
    coalesce(changes.changes_7d, 0) as changes_7d,
    a.pbx_version,
    a.chain
from attempts a
left join complete c on c.pbx = a.pbx and c.number = 1
left join changes on changes.pbx = a.pbx
where a.number = 1
