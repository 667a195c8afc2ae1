-- one row per device that is there now
with latest as (
    select
        v.pbx,
        v.device_id,
        max(v.observed_at) as observed_at,
        min(case when v.change = 'added' then v.observed_at end) as first_seen_at,
        max(case when v.change in ('added', 'changed', 'returned') then v.observed_at end) as last_changed_at
    from {schema}device_versions v
    where {is_complete}
    group by v.pbx, v.device_id
), counted as (
    -- apart from the rest: it costs most, and only queries that ask for it pay for it
    select v.pbx, v.device_id, count(distinct v.observed_at) as versions
    from {schema}device_versions v
    where v.change not in ('removed', 'refreshed') and {is_complete}
    group by v.pbx, v.device_id
), confirmed as (
    select s.pbx, max(s.taken_at) as last_confirmed_at from {schema}complete_snapshots s group by s.pbx
), loaded as (
    select
        v.pbx,
        v.device_id,
        l.first_seen_at,
        l.last_changed_at,
        c.last_confirmed_at,
        {columns:v},
        row_number() over (partition by v.pbx, v.device_id order by v.observed_at) as copy_number
    from latest l
    join {schema}device_versions v
        on v.pbx = l.pbx and v.device_id = l.device_id and v.observed_at = l.observed_at
    join confirmed c on c.pbx = l.pbx
    where v.change <> 'removed'
)
select
    d.pbx,
    d.device_id,
    d.first_seen_at,
    d.last_changed_at,
    d.last_confirmed_at,
    n.versions,
    {columns:d}
from loaded d
left join counted n on n.pbx = d.pbx and n.device_id = d.device_id
where d.copy_number = 1
