-- one row per day, PBX, vendor, model and firmware: how many devices there were at the end of the day, in UTC
with days as (
    -- the day in UTC by arithmetic: a cast would take most of the time
    select
        v.pbx,
        v.device_id,
        v.observed_at,
        date '1970-01-01' + cast(floor(epoch(v.observed_at) / 86400) as integer) as day,
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
), states as (
    select
        d.pbx,
        d.day,
        lead(d.day) over (partition by d.pbx, d.device_id order by d.observed_at) as until_day,
        d.change,
        d.vendor,
        d.model,
        d.firmware_version
    from days d
), spans as (
    -- a state that ends on the day on which it begins counts for nothing
    select s.pbx, s.day, s.until_day, s.vendor, s.model, s.firmware_version, count(*) as devices
    from states s
    where s.change <> 'removed' and (s.until_day is null or s.until_day > s.day)
    group by s.pbx, s.day, s.until_day, s.vendor, s.model, s.firmware_version
), steps as (
    select s.pbx, s.day, s.vendor, s.model, s.firmware_version, s.devices as step
    from spans s
    union all
    select s.pbx, s.until_day as day, s.vendor, s.model, s.firmware_version, -s.devices as step
    from spans s
    where s.until_day is not null
), sums as (
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
