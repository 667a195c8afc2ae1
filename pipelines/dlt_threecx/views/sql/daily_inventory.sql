-- one row per day, PBX, vendor, model and firmware: how many devices there were at the end of the day, in UTC
with states as (
    select
        v.pbx,
        lead(v.observed_at) over (partition by v.pbx, v.device_id order by v.observed_at) as next_at,
        v.change,
        v.vendor,
        v.model,
        v.firmware_version
    from {schema}device_versions v
    where (
        -- a refreshed device is of the same kind as before, unless one of these columns is volatile
        v.change <> 'refreshed'
        or v.changed_fields like '%"vendor"%'
        or v.changed_fields like '%"model"%'
        or v.changed_fields like '%"firmware_version"%'
    ) and {is_complete}
), steps as (
    -- the day in UTC by arithmetic: a cast would take most of the time
    select
        v.pbx,
        date '1970-01-01' + cast(floor(epoch(v.observed_at) / 86400) as integer) as day,
        v.vendor,
        v.model,
        v.firmware_version,
        1 as step
    from {schema}device_versions v
    where (
        v.change in ('added', 'changed', 'returned', 'rebaselined')
        or v.change = 'refreshed' and (
            v.changed_fields like '%"vendor"%'
            or v.changed_fields like '%"model"%'
            or v.changed_fields like '%"firmware_version"%'
        )
    ) and {is_complete}
    union all
    select
        s.pbx,
        date '1970-01-01' + cast(floor(epoch(s.next_at) / 86400) as integer) as day,
        s.vendor,
        s.model,
        s.firmware_version,
        -1 as step
    from states s
    where s.change <> 'removed' and s.next_at is not null
), sums as (
    -- a state that ends on the day on which it begins counts for nothing: one and minus one
    select s.pbx, s.day, s.vendor, s.model, s.firmware_version, sum(s.step) as step
    from steps s
    group by s.pbx, s.day, s.vendor, s.model, s.firmware_version
), read_days as (
    select distinct s.pbx, cast(s.taken_at at time zone 'UTC' as date) as day
    from {schema}complete_snapshots s
    where not s.is_archived
), firsts as (
    select r.pbx, min(r.day) as day from read_days r group by r.pbx
), totals as (
    -- from each day on which anything changed to the next one
    select
        s.pbx,
        s.day,
        lead(s.day) over (partition by s.pbx, s.vendor, s.model, s.firmware_version order by s.day) as until_day,
        s.vendor,
        s.model,
        s.firmware_version,
        sum(s.step) over (
            partition by s.pbx, s.vendor, s.model, s.firmware_version order by s.day
            rows between unbounded preceding and current row
        ) as devices
    from sums s
)
select
    c.day,
    t.pbx,
    t.vendor,
    t.model,
    t.firmware_version,
    cast(t.devices as bigint) as devices,
    r.day is null as is_carried
from totals t
join firsts f on f.pbx = t.pbx
join {schema}calendar c on c.day >= f.day and c.day >= t.day and (t.until_day is null or c.day < t.until_day)
left join read_days r on r.pbx = t.pbx and r.day = c.day
where t.devices > 0
