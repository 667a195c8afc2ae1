-- one row per device that is there now
with latest as (
    select
        v.pbx,
        v.device_id,
        max(v.observed_at) as observed_at,
        min(case when v.change = 'added' then v.observed_at end) as first_seen_at,
        max(case when v.change in ('added', 'changed', 'returned') then v.observed_at end) as last_changed_at,
        {number_of_versions} as versions
    from {schema}device_versions v
    where {is_complete}
    group by v.pbx, v.device_id
), confirmed as (
    select s.pbx, max(s.taken_at) as last_confirmed_at from {schema}complete_snapshots s group by s.pbx
), loaded as (
    select
        v.pbx,
        v.device_id,
        l.first_seen_at,
        l.last_changed_at,
        l.versions,
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
    d.versions,
    {columns:d}
from loaded d
where d.copy_number = 1
