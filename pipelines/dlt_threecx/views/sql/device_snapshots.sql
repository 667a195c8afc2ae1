-- one row per device and complete snapshot: the snapshots as they were read
with states as (
    select i.pbx, i.device_id, i.observed_at, i.next_at, {columns:v}
    from {intervals} i
    join {schema}device_versions v
        on v.pbx = i.pbx and v.device_id = i.device_id and v.observed_at = i.observed_at
    where v.change <> 'removed' and not i.is_copied
    union all
    select distinct i.pbx, i.device_id, i.observed_at, i.next_at, {columns:v}
    from {intervals} i
    join {schema}device_versions v
        on v.pbx = i.pbx and v.device_id = i.device_id and v.observed_at = i.observed_at
    where v.change <> 'removed' and i.is_copied
), spans as (
    select
        t.*,
        cast(floor(epoch(t.observed_at) / 604800) as integer) as first_week,
        cast(floor(epoch(coalesce(t.next_at, l.last_at)) / 604800) as integer) as last_week
    from states t
    cross join (select max(s.taken_at) as last_at from {schema}complete_snapshots s) l
), weeks as (
    -- a state once for each week in which it lasts: it is then compared with the snapshots of that week only
    select n.*, {week} as week
    from spans n {each_week}
)
select
    s.pbx,
    s.snapshot_id,
    s.taken_at,
    w.device_id,
    {columns:w}
from {schema}complete_snapshots s
join weeks w
    on w.pbx = s.pbx
    and w.week = cast(floor(epoch(s.taken_at) / 604800) as integer)
    and w.observed_at <= s.taken_at
    and (w.next_at is null or w.next_at > s.taken_at)
where not s.is_archived
