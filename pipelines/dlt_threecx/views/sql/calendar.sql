-- one row per day, in UTC, from the first complete snapshot of any PBX to today (or to the last one, if that is later)
with digits as (
    select 0 as digit
    union all select 1
    union all select 2
    union all select 3
    union all select 4
    union all select 5
    union all select 6
    union all select 7
    union all select 8
    union all select 9
), numbers as (
    select o.digit + 10 * t.digit + 100 * h.digit + 1000 * m.digit as number
    from digits o
    cross join digits t
    cross join digits h
    cross join digits m
), span as (
    select
        cast(min(s.taken_at) at time zone 'UTC' as date) as day,
        cast(greatest(max(s.taken_at), current_timestamp) at time zone 'UTC' as date) as last_day
    from {schema}complete_snapshots s
    where not s.is_archived
), days as (
    select f.day + n.number as day
    from span f
    join numbers n on f.day + n.number <= f.last_day
)
select
    d.day,
    d.day = cast(current_timestamp at time zone 'UTC' as date) as is_today
from days d
