-- one row per day, PBX, vendor, model and firmware: how many devices the last complete snapshot of the day had
with last_of_day as (
    select v.pbx, v.device_id, cast(v.observed_at at time zone 'UTC' as date) as day, max(v.observed_at) as observed_at
    from {schema}device_versions v
    where {is_complete}
    group by v.pbx, v.device_id, cast(v.observed_at at time zone 'UTC' as date)
), held as (
    select
        d.pbx,
        d.device_id,
        d.observed_at,
        d.day,
        lead(d.day) over (partition by d.pbx, d.device_id order by d.day) as until_day
    from last_of_day d
), states as (
    select
        h.pbx,
        h.day,
        h.until_day,
        v.vendor,
        v.model,
        v.firmware_version,
        row_number() over (partition by h.pbx, h.device_id, h.day order by h.day) as copy_number
    from held h
    join {schema}device_versions v
        on v.pbx = h.pbx and v.device_id = h.device_id and v.observed_at = h.observed_at
    where v.change <> 'removed'
), steps as (
    select s.pbx, s.day, s.vendor, s.model, s.firmware_version, 1 as step
    from states s
    where s.copy_number = 1
    union all
    select s.pbx, s.until_day as day, s.vendor, s.model, s.firmware_version, -1 as step
    from states s
    where s.copy_number = 1 and s.until_day is not null
), kinds as (
    select distinct s.pbx, s.vendor, s.model, s.firmware_version from steps s
), days as (
    select distinct s.pbx, cast(s.taken_at at time zone 'UTC' as date) as day from {schema}complete_snapshots s
), all_steps as (
    select s.pbx, s.day, s.vendor, s.model, s.firmware_version, s.step from steps s
    union all
    select d.pbx, d.day, k.vendor, k.model, k.firmware_version, 0 as step
    from days d
    join kinds k on k.pbx = d.pbx
), sums as (
    select a.pbx, a.day, a.vendor, a.model, a.firmware_version, sum(a.step) as step
    from all_steps a
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
    from sums s
)
select t.day, t.pbx, t.vendor, t.model, t.firmware_version, cast(t.devices as bigint) as devices
from totals t
where t.devices > 0
