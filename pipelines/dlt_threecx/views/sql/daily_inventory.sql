-- one row per day, PBX, vendor, model and firmware: how many devices there were at the end of the day, in UTC
with log as (
    select
        v.pbx,
        v.device_id,
        v.observed_at,
        cast(v.observed_at at time zone 'UTC' as date) as day,
        v.change,
        v.vendor,
        v.model,
        v.firmware_version
    from {schema}device_versions v
    where {is_complete}
), states as (
    -- of two copies of a row, only the second is followed by another day
    select
        l.pbx,
        l.day,
        lead(l.day) over (partition by l.pbx, l.device_id order by l.observed_at) as until_day,
        l.change,
        l.vendor,
        l.model,
        l.firmware_version
    from log l
), ends as (
    select 1 as step union all select -1 as step
), steps as (
    select
        s.pbx,
        case when e.step = 1 then s.day else s.until_day end as day,
        s.vendor,
        s.model,
        s.firmware_version,
        e.step
    from states s
    join ends e on e.step = 1 or s.until_day is not null
    where s.change <> 'removed' and (s.until_day is null or s.until_day > s.day)
), sums as (
    select s.pbx, s.day, s.vendor, s.model, s.firmware_version, sum(s.step) as step
    from steps s
    group by s.pbx, s.day, s.vendor, s.model, s.firmware_version
), kinds as (
    select distinct s.pbx, s.vendor, s.model, s.firmware_version from sums s
), read_days as (
    select distinct s.pbx, cast(s.taken_at at time zone 'UTC' as date) as day
    from {schema}complete_snapshots s
    where not s.is_archived
), firsts as (
    select r.pbx, min(r.day) as day from read_days r group by r.pbx
), days as (
    select f.pbx, c.day
    from firsts f
    join {schema}calendar c on c.day >= f.day
), all_sums as (
    select s.pbx, s.day, s.vendor, s.model, s.firmware_version, s.step from sums s
    union all
    select d.pbx, d.day, k.vendor, k.model, k.firmware_version, 0 as step
    from days d
    join kinds k on k.pbx = d.pbx
), daily_sums as (
    select a.pbx, a.day, a.vendor, a.model, a.firmware_version, sum(a.step) as step
    from all_sums a
    group by a.pbx, a.day, a.vendor, a.model, a.firmware_version
), totals as (
    select
        s.pbx,
        s.day,
        s.vendor,
        s.model,
        s.firmware_version,
        sum(s.step) over (
            partition by s.pbx, s.vendor, s.model, s.firmware_version order by s.day
            rows between unbounded preceding and current row
        ) as devices
    from daily_sums s
)
select
    t.day,
    t.pbx,
    t.vendor,
    t.model,
    t.firmware_version,
    cast(t.devices as bigint) as devices,
    r.day is null as is_carried
from totals t
join firsts f on f.pbx = t.pbx and f.day <= t.day
left join read_days r on r.pbx = t.pbx and r.day = t.day
where t.devices > 0
