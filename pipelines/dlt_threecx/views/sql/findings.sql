-- one row per rule and device that it finds; a finding about a whole PBX has no device
with finished as materialized (
    select c.pbx, c.snapshot_id, c.taken_at from {schema}complete_snapshots c where not c.is_archived
), shown as materialized (
    select c.pbx, c.snapshot_id from {schema}complete_snapshots c
), phones as materialized (
    select distinct v.pbx, v.device_id, {columns:v},
        case
            when regexp_matches(v.ip_address, '^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+(:[0-9]+)?$')
            then regexp_replace(v.ip_address, '[^.]*$', '')
        end as subnet
    from {latest_versions:shown} v
    where v.change <> 'removed'
), log as not materialized (
    select v.pbx, v.device_id, v.observed_at, v.change, v.changed_fields, {columns:v}
    from {schema}device_versions v
    where {is_complete:shown}
), last_removals as (
    select v.*, row_number() over (partition by v.pbx, v.device_id order by v.observed_at desc) as number
    from log v
    left join phones p on p.pbx = v.pbx and p.device_id = v.device_id
    where v.change = 'removed' and p.pbx is null
), gone as materialized (
    select v.pbx, v.device_id, v.observed_at as removed_at, {columns:v}
    from last_removals v
    where v.number = 1
), holds as materialized (
    select p.*, {holds}
    from phones p
), last_without as (
    select v.pbx, v.device_id, {last_without}
    from log v
    join holds p on p.pbx = v.pbx and p.device_id = v.device_id
    group by v.pbx, v.device_id
), began as (
    select v.pbx, v.device_id, {began}
    from log v
    join last_without w on w.pbx = v.pbx and w.device_id = v.device_id
    group by v.pbx, v.device_id
), lasting as materialized (
    select p.*, {since}
    from phones p
    join began b on b.pbx = p.pbx and b.device_id = p.device_id
), found as (
{rules}
), words as (
    select w.rule, w.title, w.severity, w.severity_rank, w.why, w.what_to_do
    from (values
        {words}
    ) as w(rule, title, severity, severity_rank, why, what_to_do)
), known as (
    select d.pbx, d.device_id, {columns:d} from phones d
    union all
    select d.pbx, d.device_id, {columns:d} from gone d
)
select
    f.rule,
    w.title,
    w.severity,
    w.severity_rank,
    f.pbx,
    f.device_id,
    f.detail,
    f.since,
    w.why,
    w.what_to_do,
    {columns:d}
from found f
join words w on w.rule = f.rule
left join known d on d.pbx = f.pbx and d.device_id = f.device_id
