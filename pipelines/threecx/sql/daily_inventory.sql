-- one row per day, PBX, vendor, model and firmware: how many devices the last complete snapshot of the day had
with last_of_day as (
    select s.pbx, cast(s.taken_at as date) as day, max(s.snapshot_id) as snapshot_id
    from {schema}complete_snapshots s
    group by s.pbx, cast(s.taken_at as date)
)
select d.day, d.pbx, v.vendor, v.model, v.firmware_version, count(*) as devices
from last_of_day d
join {schema}device_snapshots v on v.pbx = d.pbx and v.snapshot_id = d.snapshot_id
group by d.day, d.pbx, v.vendor, v.model, v.firmware_version
